//! The kernel behind safe functions. This is the only module with `unsafe`.

pub mod epoll;
mod errno;
pub mod limits;
pub mod listener;
mod option;
pub mod poll;
pub mod signal;
pub mod stream;
pub mod time;
mod unwind;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("tp0 is for 64-bit Linux: the types of the C library differ elsewhere");
