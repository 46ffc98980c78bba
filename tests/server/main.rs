//! The server: its state machine fed by a scripted peer, and the real program over loopback.

mod connection;
mod echo;
mod limit;
mod log;
mod long_run;
mod peers;
mod shutdown;
mod signals;
mod system_calls;

#[path = "../support/mod.rs"]
mod support;
