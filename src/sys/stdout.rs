//! Stdout, for lines that several threads write.
#![allow(unsafe_code)]

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::errno::check;
use super::signal;

/// PIPE_BUF. A stdout that blocks is written to in pieces of this size: one of them fits into a pipe that
/// poll(2) calls writable.
const PIECE: usize = 4096;

/// How long a wait for a full pipe may take once a stop signal has come, in milliseconds: enough for a
/// reader that is slow, and less than the 500 in which the client ends. After a wait in which nobody has
/// read there is no other.
const LAST_WAIT: i32 = 300;

/// Locked while lines are written, so that those of two threads do not mix.
static STDOUT: Mutex<Stdout> =
    Mutex::new(Stdout { may_block: true, is_torn: false, is_unread: false });

struct Stdout {
    may_block: bool,
    /// The last line lacks its newline: the disk was full, or the wait for a reader was given up.
    is_torn: bool,
    /// A wait after the stop signal has ended without a reader: no other wait follows.
    is_unread: bool,
}

fn stdout() -> MutexGuard<'static, Stdout> {
    STDOUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a pipe or a terminal anew, so that this process alone has it without blocking. Otherwise a write may
/// block although poll(2) has called it writable: another process that has the same stdout may be faster.
/// What cannot be opened anew, a socket or another user's, stays as it is.
pub fn make_nonblocking() {
    // A file never blocks, and its offset is shared on purpose. What cannot seek is no file.
    // SAFETY: takes no pointers.
    if unsafe { libc::lseek(libc::STDOUT_FILENO, 0, libc::SEEK_CUR) } < 0 {
        let flags = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: the path ends with a NUL.
        let Ok(fd) = check(unsafe { libc::open(c"/proc/self/fd/1".as_ptr(), flags) }) else {
            return;
        };
        // SAFETY: takes no pointers.
        unsafe { libc::dup2(fd, libc::STDOUT_FILENO) };
        // SAFETY: open(2) has just opened it, and nobody else owns it.
        unsafe { libc::close(fd) };
    }
    stdout().may_block = false;
}

/// Writes whole lines, each with its newline. What a stdout that is closed, broken or on a full disk
/// does not take is lost. A full pipe is waited for, but once a stop signal has come no longer than
/// [`LAST_WAIT`] without a reader.
pub fn write_lines(lines: &[u8]) {
    let mut stdout = stdout();
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
        let mut can_try = !self.may_block;
        while written < bytes.len() && (can_try || self.wait_until_writable()) {
            let rest = &bytes[written..];
            let length = if self.may_block { rest.len().min(PIECE) } else { rest.len() };
            // SAFETY: the pointer and the length are those of a live slice.
            let count = unsafe { libc::write(libc::STDOUT_FILENO, rest.as_ptr().cast(), length) };
            match usize::try_from(count).map_err(|_| io::Error::last_os_error().kind()) {
                Ok(count) => written += count,
                Err(io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => can_try = false,
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
                // Not for ever: at the end there is no eventfd any more.
                None => (signal::eventfd(), LAST_WAIT),
                Some(_) if self.is_unread => (-1, 0),
                Some(_) => (-1, LAST_WAIT),
            };
            let mut slots = [slot(libc::STDOUT_FILENO, libc::POLLOUT), slot(stop, libc::POLLIN)];
            // SAFETY: the pointer is to two live slots.
            let ready = unsafe { libc::poll(slots.as_mut_ptr(), 2, timeout) };
            if slots[0].revents != 0 {
                return true;
            }
            if ready == 0 && stop < 0 && signal::received().is_some() {
                self.is_unread = true;
                return false;
            }
        }
    }
}
