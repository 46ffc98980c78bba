//! The parts that `server.rs` and `client.rs` are made of, from the kernel up: system calls, formats,
//! then the two machines that use them.

mod epoll;
mod poll;
pub mod signal;
pub mod socket;
pub mod sys;
mod unwind;

pub mod document;
pub mod duration;
pub mod ini;
pub mod log;
pub mod yaml;

pub mod cli;
pub mod config;

pub mod connection;
mod table;
pub mod worker;

mod backoff;
pub mod delivery;
pub mod exchange;
mod resolver;
