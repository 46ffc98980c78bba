//! epoll(7), level-triggered. The event of a listener comes again while its queue is not empty. The event of any other
//! file descriptor is one-shot: it comes once, and again only after the loop has rearmed it, but then at
//! once if there is still something to read. So the loop never has to read a socket until it is empty, and no peer
//! can keep the loop to itself.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::errno::check;
use super::poll::Interest;
use super::time::milliseconds;

/// One epoll instance. Closing a file descriptor removes it from the instance (epoll(7)).
#[derive(Debug)]
pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: epoll_create1(2) has just opened it, and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Registers a listener that several workers share. The kernel wakes only some of their epoll instances for a
    /// connection, not the whole thundering herd (EPOLLEXCLUSIVE, Linux 4.5).
    pub fn add_shared(&self, listener: impl AsFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, listener, token, libc::EPOLLIN | libc::EPOLLEXCLUSIVE)
    }

    /// Registers `fd` for one event (EPOLLONESHOT).
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest as i32 | libc::EPOLLONESHOT)
    }

    /// Asks for one more event of `fd`, which is registered.
    pub fn rearm(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest as i32 | libc::EPOLLONESHOT)
    }

    pub fn delete(&self, fd: impl AsFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    fn control(&self, operation: i32, fd: impl AsFd, token: u64, events: i32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        let epoll = self.0.as_raw_fd();
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: both descriptors are open while borrowed, and the event is live.
        check(unsafe { libc::epoll_ctl(epoll, operation, fd, &mut event) })?;
        Ok(())
    }

    /// Waits for events, at most for `timeout` (rounded up to a millisecond), or without a limit if it is None. A
    /// signal ends the wait with no event.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let epoll = self.0.as_raw_fd();
        let capacity = events.slots.len() as i32;
        let slots = events.slots.as_mut_ptr();
        let timeout = timeout.map_or(-1, milliseconds);
        // SAFETY: `slots` points to `capacity` live events.
        let ready = check(unsafe { libc::epoll_wait(epoll, slots, capacity, timeout) });
        events.ready = match ready {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            ready => ready? as usize,
        };
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

    /// The tokens of the file descriptors that are ready.
    pub fn tokens(&self) -> impl Iterator<Item = u64> {
        self.slots[..self.ready].iter().map(|event| event.u64)
    }
}
