//! Settings: the environment overrides the file, and the file overrides the defaults. This is the only module that
//! opens a file or reads the environment.

mod client;
pub mod document;
pub mod duration;
pub mod ini;
mod server;
mod settings;
mod values;
pub mod yaml;

pub use client::ClientConfig;
pub use server::ServerConfig;
pub use settings::{Environment, Setting, Table, environment};
