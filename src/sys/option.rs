//! Socket options whose value is an int, as most are: socket(7), ip(7), tcp(7).
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

use super::errno::check;

pub fn set(socket: &impl AsRawFd, level: i32, name: i32, value: libc::c_int) -> io::Result<()> {
    let (pointer, length) = ((&raw const value).cast(), size_of_val(&value) as libc::socklen_t);
    // SAFETY: the pointer and the length describe a live int.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, pointer, length) })?;
    Ok(())
}
