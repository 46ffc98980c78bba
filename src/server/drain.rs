//! The end of a worker: what has come is served, what is half there gets a little time, and the rest
//! is closed.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accept::Queue;
use super::connection::Connection;
use super::event_loop::{Peer, Worker};

/// For this long after the signal, what is on its way may still arrive: a handshake that has begun
/// ends in an accepted connection, and a connection that has just been made brings its message.
/// Shorter than the burst of signals that count as one, so that an idle server ends in peace.
const GRACE: Duration = Duration::from_millis(50);
/// For this long the listener stays where its queue has overflowed: the kernel then drops the last
/// packet of a handshake, and the peer, which takes itself for connected, sends its message again after
/// 200 ms (RFC 6298, with Linux's least timeout), if its packet is not lost once more.
const RETRANSMISSION: Duration = Duration::from_millis(500);

/// When the last of each kind is closed.
pub struct Drain {
    /// Silent connections.
    silent: Instant,
    listener: Instant,
    /// Half-received messages, half-sent echoes, and peers that have not ended their side.
    half_received: Instant,
    /// The next of these moments that closes anything.
    pub next: Instant,
}

impl Worker<'_> {
    pub(super) fn begin_drain(&mut self) -> io::Result<()> {
        let has_overflowed = match self.listener.as_deref() {
            Some(listener) => self.shared.begin_end(listener, &mut self.log),
            None => false,
        };
        self.epoll.delete(self.shared.shutdown)?;
        // Not before here: a connection made before the filter has all of the grace.
        self.now = Instant::now();
        let half_received = self.now + self.shared.config.drain_timeout;
        let silent = half_received.min(self.now + GRACE);
        let listener = if has_overflowed { self.now + RETRANSMISSION } else { silent };
        let listener = listener.min(half_received);
        self.drain = Some(Drain { silent, listener, half_received, next: silent });
        self.revisit(Duration::ZERO);
        self.arm();
        Ok(())
    }

    /// Closes what is due, once the end has begun. O(n), but only then.
    pub(super) fn sweep(&mut self) {
        let Some(Drain { silent, listener, half_received, next }) = self.drain else { return };
        if self.now < next {
            return;
        }
        if self.now >= listener {
            self.close_listener(half_received);
        }
        self.close_due(half_received);
        self.arm();
        let next = match self.listener {
            _ if self.now < listener => listener,
            // Out of descriptors, which whoever is served meanwhile gives back.
            Some(_) => half_received.min(self.now + GRACE),
            None => half_received,
        };
        self.drain = Some(Drain { silent, listener, half_received, next });
    }

    /// Closes the silent, and from `half_received` on all.
    fn close_due(&mut self, half_received: Instant) {
        for index in self.peers.indices() {
            // What has arrived since the last turn still counts.
            self.advance(index);
            let Some(Peer { connection, .. }) = self.peers.get_mut(index) else { continue };
            if connection.is_silent() {
                self.close(index);
            } else if self.now >= half_received {
                match connection {
                    Connection::Lingering => self.close(index),
                    _ => self.give_up(index, self.shared.config.drain_timeout),
                }
            }
        }
    }

    /// Accepts all that is in the queue, then lets go of the listener; the last worker to do so
    /// closes it. Where descriptors have run out, it waits for those of the half-received messages.
    fn close_listener(&mut self, half_received: Instant) {
        loop {
            match self.accept() {
                Queue::Longer => {}
                Queue::Exhausted if self.now < half_received => return,
                Queue::Exhausted if !self.peers.is_empty() => self.close_due(half_received),
                Queue::Empty | Queue::Exhausted => break,
            }
        }
        let Some(listener) = self.listener.take() else { return };
        // Others may keep it open: this loop is no longer to be woken for it.
        let _ = self.epoll.delete(&*listener);
        if let Some(listener) = Arc::into_inner(listener) {
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
