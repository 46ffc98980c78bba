//! The modules of the server and the client. `server` and `client` use `config`, `escape`, `log` and `sys`, and
//! do not use each other. ARCHITECTURE.md has the picture.

pub mod cli;
pub mod client;
pub mod config;
pub mod escape;
pub mod log;
pub mod server;
pub mod sys;
