//! The graceful shutdown, of all workers together. It has four phases:
//!
//! 1. Serving: no stop signal has come. The first worker that sees the signal begins the shutdown: a filter on the
//!    listener drops SYNs, and the log names the signal.
//! 2. Grace: the workers go on as before. A handshake that is under way ends in a connection, and its message
//!    arrives.
//! 3. Draining: each worker accepts what is left in the queue, lets go of the listener, and closes the connections that
//!    have sent nothing. A listener that is closed sooner resets connections that a peer already holds open.
//!    Half-received messages, and echoes that a peer has not taken, go on.
//! 4. Over: SERVER_DRAIN_TIMEOUT has passed since the signal. Each worker closes all that is left.

use std::net::TcpListener;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::event_loop::{ACCEPTS, EventLoop};
use crate::log::Log;
use crate::sys::listener::drop_handshakes;
use crate::sys::signal;

/// When the accept queue has overflowed, the kernel drops the last ACK of a handshake. The peer believes that it is
/// connected, and sends its message again after 200 ms (TCP_RTO_MIN of Linux), which completes the handshake.
const GRACE: Duration = Duration::from_millis(250);

/// No accept queue is longer: the backlog of listen(2) is at most 65535.
const LONGEST_QUEUE: usize = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Serving,
    Grace,
    Draining,
    Over,
}

/// What the workers share of the shutdown.
pub struct Shutdown {
    drain_timeout: Duration,
    began_at: OnceLock<Instant>,
}

impl Shutdown {
    pub fn new(drain_timeout: Duration) -> Self {
        Self { drain_timeout, began_at: OnceLock::new() }
    }

    pub fn has_begun(&self) -> bool {
        self.began_at.get().is_some()
    }

    /// Begins the shutdown if the stop signal has come and no other worker has begun it. Check the flag, not the event:
    /// the signal may arrive after epoll_wait(2) has returned.
    pub fn begin_if_signalled(&self, listener: Option<&TcpListener>, log: &mut Log) {
        let Some(signal) = signal::received() else { return };
        self.began_at.get_or_init(|| {
            if let Some(listener) = listener {
                // If it fails, a connection that is made just before the close may be reset.
                let _ = drop_handshakes(listener);
            }
            log.info(format_args!("action: shutdown | result: in_progress | signal: {signal}"));
            log.flush();
            Instant::now()
        });
    }

    pub fn phase(&self, now: Instant) -> Phase {
        let Some(&began_at) = self.began_at.get() else { return Phase::Serving };
        let elapsed = now.saturating_duration_since(began_at);
        if elapsed >= self.drain_timeout {
            Phase::Over
        } else if elapsed >= GRACE {
            Phase::Draining
        } else {
            Phase::Grace
        }
    }

    /// When the next phase begins.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let began_at = *self.began_at.get()?;
        match self.phase(now) {
            Phase::Serving | Phase::Grace => Some(began_at + GRACE.min(self.drain_timeout)),
            Phase::Draining | Phase::Over => Some(began_at + self.drain_timeout),
        }
    }
}

impl EventLoop<'_> {
    /// Does what the phase of the shutdown asks for.
    pub fn continue_shutdown(&mut self) {
        match self.shutdown.phase(self.now) {
            Phase::Serving | Phase::Grace => {}
            Phase::Draining => self.drain(),
            Phase::Over => self.close_everything(),
        }
    }

    fn drain(&mut self) {
        if self.acceptor.listener().is_none() {
            return;
        }
        // They make room for those in the queue.
        self.close_silent();
        for _ in 0..LONGEST_QUEUE / ACCEPTS {
            if !self.accept_some() {
                break;
            }
        }
        // A pause means that the queue may not be empty, and has to wait until a connection closes.
        if !self.acceptor.is_paused() {
            self.close_listener();
            self.close_silent();
        }
    }

    fn close_everything(&mut self) {
        // Close the connections first, because the queue may need their file descriptors.
        self.close_all();
        for _ in 0..LONGEST_QUEUE / ACCEPTS {
            if !self.accept_some() {
                break;
            }
            self.close_all();
        }
        self.close_listener();
    }

    fn close_listener(&mut self) {
        if self.acceptor.close(&self.epoll) {
            self.log.info(format_args!("action: close_listener | result: success"));
        }
    }

    /// Closes the connections that have sent nothing.
    fn close_silent(&mut self) {
        for index in self.connections.indices() {
            // What has arrived by now is still served.
            self.advance(index);
            let peer = self.connections.get_mut(index);
            if peer.is_some_and(|peer| peer.connection.is_silent()) {
                self.close(index);
            }
        }
    }

    fn close_all(&mut self) {
        self.close_silent();
        for index in self.connections.indices() {
            self.receive_all(index);
            let Some(peer) = self.connections.get_mut(index) else { continue };
            match peer.connection {
                Connection::HalfClosed | Connection::Lingering => self.close(index),
                _ => self.give_up(index, self.shutdown.drain_timeout),
            }
        }
    }
}
