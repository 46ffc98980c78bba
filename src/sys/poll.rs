//! poll(2), for a wait on one or two descriptors, other ones each time: an epoll instance would have to
//! be told of each before it is waited for.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use super::check;
use super::time::milliseconds;

/// What to wait for. Errors and hang-ups always end the wait: the next read or write tells which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    Readable,
    Writable,
}

/// A descriptor and what to wait for; None is passed over.
pub type Slot<'a> = Option<(BorrowedFd<'a>, Interest)>;

/// Waits until one of the two is ready, at most `timeout` (rounded up to a millisecond), and says which
/// are. An interrupting signal ends the wait with neither.
pub fn wait(slots: [Slot<'_>; 2], timeout: Duration) -> io::Result<[bool; 2]> {
    let mut slots = slots.map(|slot| match slot {
        Some((fd, Interest::Readable)) => pollfd(fd.as_raw_fd(), libc::POLLIN),
        Some((fd, Interest::Writable)) => pollfd(fd.as_raw_fd(), libc::POLLOUT),
        None => pollfd(-1, 0),
    });
    // SAFETY: the pointer is to two live slots, whose descriptors are open while borrowed.
    match check(unsafe { libc::poll(slots.as_mut_ptr(), 2, milliseconds(timeout)) }) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(slots.map(|slot| slot.revents != 0)),
    }
}

fn pollfd(fd: RawFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}
