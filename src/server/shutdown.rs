//! The graceful shutdown, for all workers together.
//!
//! 1. The first worker that sees the stop signal begins it: a filter on the listener drops SYNs, and the
//!    log names the signal.
//! 2. Until the grace is over all goes on. A handshake that is under way becomes a connection, and its
//!    message arrives.
//! 3. Then each worker accepts what is left in the queue and closes the listener and the connections
//!    that have sent nothing. Closing first would reset connections that a peer already holds open.
//! 4. Half-received messages, and echoes that a peer has not taken, have until SERVER_DRAIN_TIMEOUT
//!    after the first step. Then all is closed.

use std::net::TcpListener;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::log::Log;
use crate::sys::listener::{drop_handshakes, has_dropped};
use crate::sys::signal;

/// The stop signal's token in epoll.
pub const SIGNAL_TOKEN: usize = usize::MAX - 1;

/// The grace, where every handshake has found room in the accept queue: its ACK comes one round trip after
/// its SYN, so this is enough for round trips of 50 ms.
const GRACE: Duration = Duration::from_millis(50);

/// The grace where the accept queue has overflowed. The kernel then drops the handshake's ACK; the peer
/// takes itself for connected, and sends its message again after 200 ms (TCP_RTO_MIN of Linux).
const OVERFLOW_GRACE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
struct Moments {
    grace_over: Instant,
    drain_over: Instant,
}

/// How far the shutdown has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Serving,
    Grace,
    Draining,
    Over,
}

pub struct Shutdown {
    drain_timeout: Duration,
    moments: OnceLock<Moments>,
}

impl Shutdown {
    pub fn new(drain_timeout: Duration) -> Self {
        Self { drain_timeout, moments: OnceLock::new() }
    }

    /// Whether the stop signal has come. The first worker that sees it begins the shutdown. Checks the
    /// flag, not the event: the signal may arrive after epoll_wait(2) has returned.
    pub fn begin_if_signalled(&self, listener: Option<&TcpListener>, log: &mut Log) -> bool {
        let Some(signal) = signal::received() else { return false };
        self.moments.get_or_init(|| {
            // Asked first, for what the filter drops is counted too.
            let has_overflowed = listener.is_some_and(has_dropped);
            if let Some(listener) = listener {
                // If it fails, a connection that is made just before the close may be reset.
                let _ = drop_handshakes(listener);
            }
            log.info(format_args!("action: shutdown | result: in_progress | signal: {signal}"));
            log.flush();
            let now = Instant::now();
            let grace = if has_overflowed { OVERFLOW_GRACE } else { GRACE };
            Moments {
                grace_over: now + grace.min(self.drain_timeout),
                drain_over: now + self.drain_timeout,
            }
        });
        true
    }

    pub fn phase(&self, now: Instant) -> Phase {
        match self.moments.get() {
            None => Phase::Serving,
            Some(moments) if now < moments.grace_over => Phase::Grace,
            Some(moments) if now < moments.drain_over => Phase::Draining,
            Some(_) => Phase::Over,
        }
    }

    /// When the next phase begins.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let moments = self.moments.get()?;
        Some(if now < moments.grace_over { moments.grace_over } else { moments.drain_over })
    }
}
