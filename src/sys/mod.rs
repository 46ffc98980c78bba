//! The kernel behind safe functions: the only room with `unsafe`.

pub mod epoll;
pub mod limits;
pub mod poll;
pub mod signal;
pub mod socket;
pub mod stdout;
pub mod time;
mod unwind;

use std::io;

/// Turns the C convention, -1 and `errno`, into a `Result`.
pub fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
