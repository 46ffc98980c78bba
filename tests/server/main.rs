//! The server: its state machine fed by a scripted peer, and the real program over loopback.

mod connection;
mod echo;
mod limit;
mod log;
mod peers;
mod shutdown;

#[path = "../support/mod.rs"]
mod support;
