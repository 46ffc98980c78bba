//! New connections, and what to do when there is no descriptor for one.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use super::{LISTENER, Peer, Worker};
use crate::connection::Connection;
use crate::epoll::Interest;
use crate::socket;
use crate::table::Class;

/// Connections accepted in one turn, before those that are open get theirs.
const ACCEPTS: usize = 64;
/// When to try again to accept after descriptors or memory ran out, at the latest.
const PAUSE: Duration = Duration::from_millis(100);

impl Worker<'_> {
    /// Accepts what is in the queue, but no more than its share of a turn: then it answers true.
    pub(super) fn accept(&mut self) -> bool {
        for _ in 0..ACCEPTS {
            match self.listener.as_deref().map(socket::accept) {
                None => return false,
                Some(Ok((stream, ip))) => self.admit(stream, ip),
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.shared.set_exhausted(false);
                    return false;
                }
                Some(Err(error)) if is_exhaustion(&error) => {
                    self.pause(&error);
                    return false;
                }
                // That one connection is lost already: accept(2) passes on its network errors.
                Some(Err(error)) => self.log.error(format_args!(
                    "action: accept_connections | result: fail | error: {error}"
                )),
            }
        }
        true
    }

    fn admit(&mut self, stream: TcpStream, ip: IpAddr) {
        self.log.info(format_args!("action: accept_connections | result: success | ip: {ip}"));
        let peer = Peer { stream, ip, connection: Connection::new(), interest: None };
        let deadline = self.now + self.shared.config.timeout;
        let index = self.peers.insert(peer, Class::Serving, deadline);
        self.advance(index);
        self.log.info(format_args!("action: accept_connections | result: in_progress"));
    }

    /// Leaves the listener alone for a while: it stays readable, and a level-triggered loop that
    /// goes on asking for it would spin.
    fn pause(&mut self, error: &io::Error) {
        if !self.shared.set_exhausted(true) {
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
