//! Stdout, for lines that several threads write.
#![allow(unsafe_code)]

use std::io;
use std::sync::{Mutex, PoisonError};

use super::signal;

/// PIPE_BUF: what a pipe that poll(2) calls writable takes without waiting (pipe(7)).
const CHUNK: usize = 4096;

/// How long a wait for a full pipe may take once a stop signal has come, in milliseconds: enough for a
/// reader that is slow, and less than the 500 in which the client ends. After a wait in which nobody has
/// read there is no other.
const LAST_WAIT: i32 = 300;

/// Locked while lines are written, so that those of two threads do not mix.
static STDOUT: Mutex<Stdout> = Mutex::new(Stdout { is_torn: false, is_unread: false });

struct Stdout {
    /// The last line lacks its newline, because the disk was full.
    is_torn: bool,
    /// A wait after the stop signal has ended without a reader: no other wait follows.
    is_unread: bool,
}

/// Writes whole lines, each with its newline. What a stdout that is closed, broken or on a full disk
/// does not take is lost. A full pipe is waited for, but once a stop signal has come no longer than
/// [`LAST_WAIT`] without a reader.
pub fn write_lines(lines: &[u8]) {
    let mut stdout = STDOUT.lock().unwrap_or_else(PoisonError::into_inner);
    // First end the line that the last write has left without its newline.
    if stdout.is_torn {
        stdout.is_torn = stdout.write(b"\n") == 0;
    }
    if let Some(last) = stdout.write(lines).checked_sub(1) {
        stdout.is_torn = lines[last] != b'\n';
    }
}

impl Stdout {
    /// Returns how many bytes were written.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() && self.wait_until_writable() {
            let chunk = &bytes[written..bytes.len().min(written + CHUNK)];
            // SAFETY: the pointer and the length are those of a live slice.
            let count =
                unsafe { libc::write(libc::STDOUT_FILENO, chunk.as_ptr().cast(), chunk.len()) };
            match usize::try_from(count).map_err(|_| io::Error::last_os_error().kind()) {
                Ok(count) => written += count,
                Err(io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(_) => break,
            }
        }
        written
    }

    /// The stop signal is part of the wait: a write that blocks would sleep through it.
    fn wait_until_writable(&mut self) -> bool {
        let slot = |fd, events| libc::pollfd { fd, events, revents: 0 };
        loop {
            let (stop, timeout) = match signal::received() {
                None => (signal::eventfd(), -1),
                Some(_) if self.is_unread => (-1, 0),
                Some(_) => (-1, LAST_WAIT),
            };
            let mut slots = [slot(libc::STDOUT_FILENO, libc::POLLOUT), slot(stop, libc::POLLIN)];
            // SAFETY: the pointer is to two live slots.
            let ready = unsafe { libc::poll(slots.as_mut_ptr(), 2, timeout) };
            if slots[0].revents != 0 {
                return true;
            }
            if ready == 0 {
                self.is_unread = true;
                return false;
            }
        }
    }
}
