//! New connections, up to a limit that all workers share.

use std::io;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::config::MAX_WORKERS;
use crate::log::Log;
use crate::sys::epoll::Epoll;

/// The listener's token in epoll.
pub const LISTENER_TOKEN: usize = usize::MAX;

/// How long a worker does not watch the listener after it could not accept. The listener stays
/// readable: a level-triggered loop that went on watching it would spin.
const PAUSE: Duration = Duration::from_millis(100);

/// What the workers have in common.
pub struct Shared {
    /// Open connections, at the most.
    limit: usize,
    open: AtomicUsize,
    /// Held while a worker accepts, when few places are left.
    turn: Mutex<()>,
    /// The log has its warning that accepting has stopped. The next warning comes only after half of the
    /// places have become free.
    has_warned: AtomicBool,
}

impl Shared {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            open: AtomicUsize::new(0),
            turn: Mutex::new(()),
            has_warned: AtomicBool::new(false),
        }
    }
}

/// One worker's side of the listener.
pub struct Acceptor<'a> {
    /// None once this worker is done with it. It is closed when all are.
    listener: Option<Arc<TcpListener>>,
    shared: &'a Shared,
    /// When accepting resumes. None while it is not paused.
    resume_at: Option<Instant>,
}

impl<'a> Acceptor<'a> {
    pub fn new(listener: Arc<TcpListener>, shared: &'a Shared, epoll: &Epoll) -> io::Result<Self> {
        epoll.add_shared(&*listener, LISTENER_TOKEN)?;
        Ok(Self { listener: Some(listener), shared, resume_at: None })
    }

    /// The listener, until it is closed.
    pub fn listener(&self) -> Option<&TcpListener> {
        self.listener.as_deref()
    }

    /// Whether there is no place for another connection.
    pub fn is_full(&self) -> bool {
        self.shared.open.load(Relaxed) >= self.shared.limit
    }

    /// Accepts the next connection of the queue, if there is a place for it. With `is_last_call` the
    /// limit does not count: the shutdown empties the queue, as far as file descriptors suffice.
    pub fn accept(
        &mut self,
        is_last_call: bool,
        epoll: &Epoll,
        now: Instant,
        log: &mut Log,
    ) -> Option<(TcpStream, IpAddr)> {
        let listener = self.listener.as_deref()?;
        // Near the limit one worker at a time, so that no two take the last place.
        let is_near = self.shared.open.load(Relaxed) + MAX_WORKERS >= self.shared.limit;
        let _turn = is_near.then(|| self.shared.turn.lock());
        let limit = self.shared.limit;
        let result = match self.is_full() && !is_last_call {
            true => Err(io::Error::other(format!("{limit} connections are open, the limit"))),
            false => accept(listener),
        };
        match result {
            Ok(accepted) => {
                self.shared.open.fetch_add(1, Relaxed);
                return Some(accepted);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The limit, or accept(2) has failed: mostly for want of a file descriptor or of memory.
            Err(error) => self.pause(epoll, now, log, &error),
        }
        None
    }

    fn pause(&mut self, epoll: &Epoll, now: Instant, log: &mut Log, error: &io::Error) {
        if !self.shared.has_warned.swap(true, Relaxed) {
            log.warning(format_args!(
                "action: accept_connections | result: fail | error: {error}: waiting until it can resume"
            ));
        }
        let is_registered = self.resume_at.replace(now + PAUSE).is_none();
        if let (true, Some(listener)) = (is_registered, self.listener.as_deref()) {
            // It is registered, so this cannot fail.
            let _ = epoll.delete(listener);
        }
    }

    /// A connection is closed: there is a place for another one.
    pub fn release(&mut self, now: Instant) {
        let open = self.shared.open.fetch_sub(1, Relaxed) - 1;
        // A store each time would slow down the other workers, which share the cache line.
        if open <= self.shared.limit / 2 && self.shared.has_warned.load(Relaxed) {
            self.shared.has_warned.store(false, Relaxed);
        }
        if self.resume_at.is_some() {
            self.resume_at = Some(now);
        }
    }

    pub fn is_paused(&self) -> bool {
        self.resume_at.is_some()
    }

    /// When [`Acceptor::resume`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.resume_at
    }

    /// Ends a pause, once its time has come.
    pub fn resume(&mut self, epoll: &Epoll, now: Instant) {
        let Some(listener) = self.listener.as_deref() else { return };
        if self.resume_at.is_some_and(|at| at <= now) {
            let result = epoll.add_shared(listener, LISTENER_TOKEN);
            self.resume_at = result.err().map(|_| now + PAUSE);
        }
    }

    /// Lets go of the listener. The last worker to do so closes it, and returns true.
    pub fn close(&mut self, epoll: &Epoll) -> bool {
        let Some(listener) = self.listener.take() else { return false };
        if self.resume_at.take().is_none() {
            // While others keep it open, this loop must not be woken for it.
            let _ = epoll.delete(&*listener);
        }
        Arc::into_inner(listener).is_some()
    }
}

/// A stream that does not block. An IPv4 peer of an IPv6 listener is shown as the IPv4 address it is.
fn accept(listener: &TcpListener) -> io::Result<(TcpStream, IpAddr)> {
    let (stream, address) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, address.ip().to_canonical()))
}
