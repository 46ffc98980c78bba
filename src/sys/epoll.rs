//! epoll(7), level-triggered: an event that is not dealt with comes again at the next turn, so no
//! turn has to read a descriptor dry, and no peer can keep a loop to itself.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::check;
use super::time::milliseconds;

/// What to be woken for. Errors and hang-ups always wake: the next read or write tells which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    Readable,
    Writable,
    /// Readable, but of all the instances that watch the descriptor only some are woken
    /// (EPOLLEXCLUSIVE, Linux 4.5): for a listener that several workers share. Cannot be modified.
    Exclusive,
}

impl Interest {
    fn bits(self) -> u32 {
        let bits = match self {
            Self::Readable => libc::EPOLLIN,
            Self::Writable => libc::EPOLLOUT,
            Self::Exclusive => libc::EPOLLIN | libc::EPOLLEXCLUSIVE,
        };
        bits as u32
    }
}

/// One epoll instance. A descriptor that is closed leaves it by itself.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: epoll_create1(2) has just opened it, and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Watches `fd`; its events carry `token`.
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest.bits())
    }

    /// Adds or modifies as needed; `told` is what this instance has been told of `fd` so far.
    pub fn watch(
        &self,
        fd: impl AsFd,
        token: u64,
        told: &mut Option<Interest>,
        interest: Interest,
    ) -> io::Result<()> {
        match told.replace(interest) {
            Some(before) if before == interest => Ok(()),
            Some(_) => self.modify(fd, token, interest),
            None => self.add(fd, token, interest),
        }
    }

    fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest.bits())
    }

    pub fn delete(&self, fd: impl AsFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    fn control(&self, operation: i32, fd: impl AsFd, token: u64, bits: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: bits, u64: token };
        let (epoll, fd) = (self.0.as_raw_fd(), fd.as_fd().as_raw_fd());
        // SAFETY: both descriptors are open while borrowed, and the event is live.
        check(unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) })?;
        Ok(())
    }

    /// Waits for events, at most `timeout` (rounded up to a millisecond), for ever without one. An
    /// interrupting signal ends the wait with no event.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.ready = 0;
        let (epoll, capacity) = (self.0.as_raw_fd(), events.slots.len() as i32);
        let slots = events.slots.as_mut_ptr();
        let timeout = timeout.map_or(-1, milliseconds);
        // SAFETY: `slots` points to `capacity` live events.
        match check(unsafe { libc::epoll_wait(epoll, slots, capacity, timeout) }) {
            Ok(ready) => events.ready = ready as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Room for the events of one wait.
pub struct Events {
    slots: Vec<libc::epoll_event>,
    ready: usize,
}

impl Events {
    /// Room for `capacity` events, at least 1.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { slots: vec![libc::epoll_event { events: 0, u64: 0 }; capacity], ready: 0 }
    }

    /// The tokens of the descriptors that are ready.
    pub fn tokens(&self) -> impl Iterator<Item = u64> {
        self.slots[..self.ready].iter().map(|event| event.u64)
    }
}
