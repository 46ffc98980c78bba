//! Stdout, unbuffered.
#![allow(unsafe_code)]

use std::io;

/// Writes to stdout until all is written or nothing more can be, and says how many bytes that was. One
/// that does not block, which whoever started us can have made of it, is waited for all the same.
pub fn write(bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        let rest = &bytes[written..];
        // SAFETY: the pointer and the length are those of a live slice.
        let count = unsafe { libc::write(libc::STDOUT_FILENO, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(count).map_err(|_| io::Error::last_os_error().kind()) {
            Ok(count) => written += count,
            Err(io::ErrorKind::Interrupted) => {}
            Err(io::ErrorKind::WouldBlock) => wait_for_stdout(),
            Err(_) => break,
        }
    }
    written
}

fn wait_for_stdout() {
    let mut stdout = libc::pollfd { fd: libc::STDOUT_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: the pointer is to one live pollfd.
    unsafe { libc::poll(&mut stdout, 1, -1) };
}
