//! The parts that `server.rs` and `client.rs` are made of, from the kernel up: system calls, formats,
//! then the two machines that use them.

pub mod signal;
pub mod socket;
pub mod sys;
mod unwind;

pub mod document;
pub mod duration;
pub mod epoll;
pub mod ini;
pub mod log;
pub mod poll;
pub mod yaml;

pub mod cli;
pub mod config;

pub mod connection;
pub mod table;
pub mod worker;

pub mod backoff;
pub mod delivery;
pub mod exchange;
pub mod resolver;
