//! The client: its side of the exchange, and the real program over loopback.

mod exchange;
mod messages;
mod names;
mod retries;
mod shutdown;

#[path = "../support/mod.rs"]
mod support;
