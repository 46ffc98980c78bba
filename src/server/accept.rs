//! New connections, from the listener that all workers share.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::log::Log;
use crate::sys::epoll::Epoll;
use crate::sys::listener;
use crate::sys::signal;

/// The token of the listener's events. Those of connections are their indices.
pub const LISTENER: u64 = u64::MAX;

/// How long a worker stops watching the listener when it cannot accept. The listener stays readable, so a
/// level-triggered loop that still watched it would spin.
const PAUSE: Duration = Duration::from_millis(100);

/// A worker warns at most once in this time.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// The open connections of all workers together.
pub struct OpenConnections {
    count: AtomicUsize,
    /// Workers that accept at the same moment may exceed it, by one connection for each worker but one.
    limit: usize,
}

impl OpenConnections {
    pub fn new(limit: usize) -> Self {
        Self { count: AtomicUsize::new(0), limit }
    }
}

/// One worker's side of the listener.
pub struct Acceptor<'a> {
    /// None once this worker has let go of it. The last worker to do so closes it.
    listener: Option<Arc<TcpListener>>,
    open: &'a OpenConnections,
    is_watching: bool,
    /// When a pause ends, if there is one. A pause also ends when this worker closes a connection, or accepts again.
    pub paused_until: Option<Instant>,
    warned_at: Option<Instant>,
}

impl<'a> Acceptor<'a> {
    pub fn new(
        listener: Arc<TcpListener>,
        open: &'a OpenConnections,
        epoll: &Epoll,
    ) -> io::Result<Self> {
        epoll.add_shared(&*listener, LISTENER)?;
        Ok(Self {
            listener: Some(listener),
            open,
            is_watching: true,
            paused_until: None,
            warned_at: None,
        })
    }

    /// The listener, until this worker has let go of it.
    pub fn listener(&self) -> Option<&TcpListener> {
        self.listener.as_deref()
    }

    /// Accepts the next connection of the queue. Returns None if the queue is empty, or if no other connection can be
    /// open now: then a pause begins.
    pub fn accept(&mut self, now: Instant, log: &mut Log) -> Option<(TcpStream, IpAddr)> {
        self.paused_until = None;
        loop {
            let listener = self.listener.as_deref()?;
            if self.open.count.load(Relaxed) >= self.open.limit {
                let limit = self.open.limit;
                self.pause(now, log, &format_args!("{limit} connections are open, the limit"));
                return None;
            }
            match accept(listener) {
                Ok(accepted) => {
                    self.open.count.fetch_add(1, Relaxed);
                    return Some(accepted);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if is_shortage(&error) => {
                    self.pause(now, log, &error);
                    return None;
                }
                // The error belongs to this one connection, which is gone.
                Err(error) => log.debug(format_args!(
                    "action: accept_connections | result: fail | error: {error}"
                )),
            }
        }
    }

    fn pause(&mut self, now: Instant, log: &mut Log, reason: &dyn Display) {
        self.paused_until = Some(now + PAUSE);
        let is_quiet = self.warned_at.is_some_and(|at| now < at + BETWEEN_WARNINGS);
        if !is_quiet {
            self.warned_at = Some(now);
            log.warning(format_args!(
                "action: accept_connections | result: fail | error: {reason}: waiting until it can resume"
            ));
        }
    }

    /// Counts a closed connection of this worker, which can now accept another one.
    pub fn release(&mut self) {
        self.open.count.fetch_sub(1, Relaxed);
        self.paused_until = None;
    }

    /// Watches the listener, except during a pause.
    pub fn watch(&mut self, epoll: &Epoll, now: Instant) {
        let Some(listener) = self.listener.as_deref() else { return };
        if self.paused_until.is_some_and(|at| at <= now) {
            self.paused_until = None;
        }
        let is_paused = self.paused_until.is_some();
        if is_paused && self.is_watching {
            // The listener is registered, so this cannot fail.
            let _ = epoll.delete(listener);
            self.is_watching = false;
        } else if !is_paused && !self.is_watching {
            self.is_watching = epoll.add_shared(listener, LISTENER).is_ok();
            // If the kernel has no memory for it, the worker tries again after a pause.
            self.paused_until = (!self.is_watching).then_some(now + PAUSE);
        }
    }

    /// Lets go of the listener. The last worker to do so closes it, and returns true.
    pub fn close(&mut self, epoll: &Epoll) -> bool {
        let Some(listener) = self.listener.take() else { return false };
        self.paused_until = None;
        if self.is_watching {
            // Other workers may keep the listener open, and it must not wake this one.
            let _ = epoll.delete(&*listener);
        }
        Arc::into_inner(listener).is_some()
    }
}

/// Accepts a stream that does not block. The address of an IPv4 peer stays IPv4 on an IPv6 listener.
fn accept(socket: &TcpListener) -> io::Result<(TcpStream, IpAddr)> {
    let (stream, address) = socket.accept()?;
    stream.set_nonblocking(true)?;
    if signal::received().is_some() {
        // The shutdown may have made the listener drop packets. If this fails, the listener cannot do so either.
        let _ = listener::accept_packets(&stream);
    }
    Ok((stream, address.ip().to_canonical()))
}

/// Whether the process or the machine lacks file descriptors or memory. Any other error of accept(2) belongs to the
/// connection that was to be accepted.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// strace(1) can inject the others into a running server: `-e inject=accept4:error=ECONNABORTED:when=1`.
    #[test]
    fn only_a_shortage_pauses_accepting() {
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert!(is_shortage(&io::Error::from_raw_os_error(code)), "{code}");
        }
        for code in [libc::ECONNABORTED, libc::EPERM, libc::EPROTO, libc::ENETDOWN] {
            assert!(!is_shortage(&io::Error::from_raw_os_error(code)), "{code}");
        }
    }
}
