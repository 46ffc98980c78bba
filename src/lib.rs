//! The parts that `server.rs` and `client.rs` are made of, a directory for each room. The arrows
//! between them run one way: `server` and `client` use `config`, `log` and `sys`, and not each other.

pub mod cli;
pub mod client;
pub mod config;
pub mod log;
pub mod server;
pub mod sys;
