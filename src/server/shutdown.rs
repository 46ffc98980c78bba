//! The graceful shutdown of all workers together. It has four phases:
//!
//! 1. Serving: no stop signal has come. The first worker that sees the signal begins the shutdown: the
//!    listener drops SYNs, and the log names the signal.
//! 2. Grace: the workers go on as before. A handshake that is under way becomes a connection, and its
//!    message arrives.
//! 3. Draining: each worker accepts what is left in the queue, lets go of the listener, and closes the connections that
//!    have sent nothing. A listener that closes sooner resets connections that a peer already holds open.
//!    Half-received messages, and echoes that a peer has not taken, go on.
//! 4. Over: SERVER_DRAIN_TIMEOUT has passed since the signal. Each worker closes all that is left.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::service::Service;
use crate::log::Level;
use crate::sys::listener::drop_handshakes;
use crate::sys::signal;

/// When the accept queue has overflowed, the kernel drops the last ACK of a handshake. The peer believes that it is
/// connected, and sends its message again after 200 ms (TCP_RTO_MIN of Linux), which completes the handshake.
const GRACE: Duration = Duration::from_millis(250);

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

    /// The phase at the time of this loop iteration. The first worker that sees the stop signal begins the shutdown. It
    /// checks the flag, not the event, because the signal may arrive after epoll_wait(2) has returned.
    pub fn phase(&self, service: &mut Service) -> Phase {
        let Some(signal) = signal::received() else { return Phase::Serving };
        service.close_level = Level::Info;
        self.began_at.get_or_init(|| begin(service, signal));
        self.phase_at(service.now)
    }

    fn phase_at(&self, now: Instant) -> Phase {
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

    /// Does what the phase asks for.
    pub fn proceed(&self, phase: Phase, service: &mut Service) {
        match phase {
            Phase::Serving | Phase::Grace => {}
            Phase::Draining => drain(service),
            Phase::Over => close_everything(service, self.drain_timeout),
        }
    }

    /// When the next phase begins.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let began_at = *self.began_at.get()?;
        match self.phase_at(now) {
            Phase::Serving | Phase::Grace => Some(began_at + GRACE.min(self.drain_timeout)),
            Phase::Draining | Phase::Over => Some(began_at + self.drain_timeout),
        }
    }
}

/// Stops new handshakes, and returns the time, from which the grace counts.
fn begin(service: &mut Service, signal: &str) -> Instant {
    if let Some(listener) = service.acceptor.listener() {
        // If this fails, the close may reset a connection that a peer has just made.
        let _ = drop_handshakes(listener);
    }
    let began_at = Instant::now();
    let log = &mut service.log;
    log.info(format_args!("action: shutdown | result: in_progress | signal: {signal}"));
    log.flush();
    began_at
}

fn drain(service: &mut Service) {
    if service.acceptor.listener().is_none() {
        return;
    }
    // Closing these makes room for the connections in the queue.
    close_silent(service);
    // This ends, because no new handshake begins.
    while service.accept_some() {}
    // While accepting is paused, the queue is not empty: keep the listener until a connection closes.
    if service.acceptor.paused_until.is_none() {
        close_listener(service);
        close_silent(service);
    }
}

fn close_everything(service: &mut Service, drain_timeout: Duration) {
    // Close the connections first, because the queue may need their file descriptors.
    close_all(service, drain_timeout);
    while service.accept_some() {
        close_all(service, drain_timeout);
    }
    close_listener(service);
}

fn close_listener(service: &mut Service) {
    if service.acceptor.close(&service.epoll) {
        service.log.info(format_args!("action: close_listener | result: success"));
    }
}

/// Closes the connections that have sent nothing. The server still serves what has arrived by now.
fn close_silent(service: &mut Service) {
    for index in service.connections.indices() {
        service.advance(index);
        let peer = service.connections.get_mut(index);
        if peer.is_some_and(|peer| peer.connection.is_silent()) {
            service.close(index);
        }
    }
}

/// Closes all connections. The server still serves what has arrived by now.
fn close_all(service: &mut Service, drain_timeout: Duration) {
    for index in service.connections.indices() {
        service.receive_all(index);
        let Some(peer) = service.connections.get_mut(index) else { continue };
        match &peer.connection {
            Connection::Receiving(buffer) if buffer.is_empty() => service.close(index),
            Connection::HalfClosed | Connection::Lingering => service.close(index),
            _ => service.give_up(index, drain_timeout),
        }
    }
}
