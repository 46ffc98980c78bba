//! The client: one message at a time, delivered over connections of its own.

mod backoff;
pub mod delivery;
pub mod exchange;
mod lookup;
