//! The end of a worker: what has come is served, what is half there gets a little time, and the rest
//! is closed.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Peer, Worker};
use crate::socket;

/// For this long after the signal, what is on its way may still arrive: a handshake that has begun
/// ends in an accepted connection, and a connection that has just been made brings its message.
/// Shorter than the burst of signals that count as one, so that an idle server ends in peace.
const GRACE: Duration = Duration::from_millis(50);

/// When the last of each kind is closed.
pub struct Drain {
    /// The listener and the silent connections.
    silent: Instant,
    /// Half-received messages, half-sent echoes, and peers that have not ended their side.
    half_received: Instant,
    /// The next of these moments that closes anything.
    pub next: Instant,
}

impl Worker<'_> {
    pub(super) fn begin_drain(&mut self) -> io::Result<()> {
        self.shared.announce_end(&mut self.log);
        self.epoll.delete(self.shared.shutdown)?;
        if let Some(listener) = self.listener.as_deref() {
            // Without the filter a connection made in the last instant may be reset; nothing else.
            let _ = socket::refuse_handshakes(listener);
        }
        let half_received = self.now + self.shared.config.drain_timeout;
        let silent = half_received.min(self.now + GRACE);
        self.drain = Some(Drain { silent, half_received, next: silent });
        self.arm();
        Ok(())
    }

    /// Closes what is due, once the end has begun. O(n), but only then.
    pub(super) fn sweep(&mut self) {
        let Some(Drain { silent, half_received, .. }) = self.drain else {
            return;
        };
        if self.now < silent {
            return;
        }
        self.close_listener(half_received);
        for index in self.peers.indices() {
            // What has arrived since the last turn still counts.
            self.advance(index);
            let over = self.now >= half_received;
            let is_due = |peer: &mut Peer| over || peer.connection.is_silent();
            if self.peers.get_mut(index).is_some_and(is_due) {
                self.close(index);
            }
        }
        self.arm();
        self.drain = Some(Drain { silent, half_received, next: half_received });
    }

    /// Accepts all that is in the queue, then lets go of the listener; the last worker to do so
    /// closes it. Where descriptors have run out, it waits for the half-received messages' end.
    fn close_listener(&mut self, at_the_latest: Instant) {
        loop {
            let before = self.peers.len();
            self.accept();
            if self.peers.len() == before {
                break;
            }
        }
        if self.resume.is_some() && self.now < at_the_latest {
            return;
        }
        if let Some(listener) = self.listener.take().and_then(Arc::into_inner) {
            drop(listener);
            self.log.info(format_args!("action: close_listener | result: success"));
        }
    }

    /// Where the end has to wait for a peer, a second signal may cut it short.
    fn arm(&mut self) {
        for index in self.peers.indices() {
            if self.peers.get_mut(index).is_some_and(|peer| !peer.connection.is_silent()) {
                return self.shared.shutdown.arm();
            }
        }
    }
}
