//! New connections, and what to do when there is no descriptor for one.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use super::connection::Connection;
use super::event_loop::{LISTENER, Peer, Worker};
use super::table::Class;
use crate::sys::epoll::Interest;
use crate::sys::poll;
use crate::sys::socket;

/// Connections accepted in one turn, before those that are open get theirs.
const ACCEPTS: usize = 64;
/// When to try again to accept after descriptors or memory ran out, at the latest.
const PAUSE: Duration = Duration::from_millis(100);

/// What accepting has left of the queue.
pub(super) enum Queue {
    Empty,
    /// A turn's share has been taken, and there may be more.
    Longer,
    /// Somebody waits, and there is no descriptor, or no memory, for another connection.
    Exhausted,
}

impl Worker<'_> {
    /// Accepts what is in the queue, but no more than its share of a turn.
    pub(super) fn accept(&mut self) -> Queue {
        for _ in 0..ACCEPTS {
            match self.listener.as_deref().map(socket::accept) {
                None => return Queue::Empty,
                Some(Ok((stream, ip))) => self.admit(stream, ip),
                Some(Err(error)) if is_exhaustion(&error) && self.somebody_waits() => {
                    if !self.echoed.is_empty() {
                        // Some of them may have ended long since.
                        self.revisit(Duration::ZERO);
                        continue;
                    }
                    self.pause(&error);
                    return Queue::Exhausted;
                }
                Some(Err(error))
                    if error.kind() == io::ErrorKind::WouldBlock || is_exhaustion(&error) =>
                {
                    self.shared.shortage.ends();
                    return Queue::Empty;
                }
                // That one connection is lost already: accept(2) passes on its network errors.
                Some(Err(error)) => self.log.error(format_args!(
                    "action: accept_connections | result: fail | error: {error}"
                )),
            }
        }
        Queue::Longer
    }

    /// Whether it is a shortage to anybody. accept(2) reserves a descriptor before it looks at the queue: it
    /// fails for want of one on an empty queue too, or while another worker's call holds the last one.
    fn somebody_waits(&self) -> bool {
        let slot =
            self.listener.as_deref().map(|listener| (listener.as_fd(), poll::Interest::Readable));
        poll::wait([slot, None], Duration::ZERO).map_or(true, |[waits, _]| waits)
    }

    fn admit(&mut self, stream: TcpStream, ip: IpAddr) {
        self.log.info(format_args!("action: accept_connections | result: success | ip: {ip}"));
        let peer = Peer { stream, ip, connection: Connection::new(), interest: None };
        let deadline = self.now + self.shared.config.timeout;
        match self.peers.insert(peer, Class::Serving, deadline) {
            Ok(index) => self.advance(index),
            Err(error) => self.log.error(format_args!(
                "action: receive_message | result: fail | ip: {ip} | error: {error}"
            )),
        }
        self.log.info(format_args!("action: accept_connections | result: in_progress"));
    }

    /// Leaves the listener alone for a while: it stays readable, and a level-triggered loop that
    /// goes on asking for it would spin.
    fn pause(&mut self, error: &io::Error) {
        if self.shared.shortage.goes_on(self.now) {
            self.log.warning(format_args!(
                "action: accept_connections | result: fail | error: {error}, waiting until it can resume"
            ));
        }
        if self.resume.is_none() {
            self.resume = Some(self.now + PAUSE);
            if let Some(listener) = self.listener.as_deref() {
                // It can only fail for want of what it gives back.
                let _ = self.epoll.delete(listener);
            }
        }
    }

    pub(super) fn resume(&mut self) {
        if self.resume.is_none_or(|at| at > self.now) {
            return;
        }
        self.resume = None;
        if let Some(listener) = self.listener.as_deref() {
            if let Err(error) = self.epoll.add(listener, LISTENER, Interest::Exclusive) {
                self.pause(&error);
            }
        }
    }
}

/// Out of descriptors or of memory for a socket: accept(2).
fn is_exhaustion(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code.is_some_and(|code| {
        [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].contains(&code)
    })
}
