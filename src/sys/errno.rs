//! The C convention of system calls: -1 and `errno`.

use std::io;

/// The result of a system call, or `errno` if it is negative.
pub fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
