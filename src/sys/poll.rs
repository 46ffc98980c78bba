//! poll(2), for waits on one or two file descriptors that change from call to call.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use super::errno::check;
use super::time::milliseconds;

/// What to wait for. poll(2) and epoll(7) use the same numbers. Errors and hang-ups always end a wait, and the next
/// read or write returns them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    Readable = libc::POLLIN as isize,
    Writable = libc::POLLOUT as isize,
}

/// Waits until one of two file descriptors is ready, at most for `timeout` (rounded up to a millisecond),
/// and returns which are ready. A signal ends the wait with neither. poll(2) skips a `None`.
pub fn wait(
    descriptors: [Option<(BorrowedFd<'_>, Interest)>; 2],
    timeout: Duration,
) -> io::Result<[bool; 2]> {
    let mut slots = descriptors.map(|slot| {
        let (fd, events) = match slot {
            Some((fd, interest)) => (fd.as_raw_fd(), interest as i16),
            None => (-1, 0),
        };
        libc::pollfd { fd, events, revents: 0 }
    });
    // SAFETY: the pointer is to two live slots, whose descriptors are open while borrowed.
    match check(unsafe { libc::poll(slots.as_mut_ptr(), 2, milliseconds(timeout)) }) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(slots.map(|slot| slot.revents != 0)),
    }
}
