//! The open connections of a worker, and which of them is due next.

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpStream};
use std::time::Instant;

use super::connection::Connection;

/// A peer, and the state of the connection to it.
pub struct Peer {
    pub stream: TcpStream,
    pub ip: IpAddr,
    pub connection: Connection,
    /// When the server must have sent the echo. It never changes.
    pub echo_deadline: Instant,
    /// When `Service::expire` deals with the connection, if no event comes before. It depends on the state.
    /// `Connections::set_due` alone changes it, because the set of all deadlines has it too.
    due: Instant,
    /// Whether epoll knows the stream.
    pub is_registered: bool,
}

impl Peer {
    pub fn new(stream: TcpStream, ip: IpAddr, echo_deadline: Instant) -> Self {
        Self {
            stream,
            ip,
            connection: Connection::NEW,
            echo_deadline,
            due: echo_deadline,
            is_registered: false,
        }
    }

    pub fn due(&self) -> Instant {
        self.due
    }
}

/// The open connections by index. An index is valid until its connection is removed.
#[derive(Default)]
pub struct Connections {
    slots: Vec<Option<Peer>>,
    free: Vec<usize>,
    /// When each connection is due, the first one first.
    due: BTreeSet<(Instant, usize)>,
}

impl Connections {
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    pub fn insert(&mut self, peer: Peer) -> usize {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.due.insert((peer.due, index));
        self.slots[index] = Some(peer);
        index
    }

    pub fn get_mut(&mut self, index: usize) -> Option<&mut Peer> {
        self.slots.get_mut(index)?.as_mut()
    }

    pub fn remove(&mut self, index: usize) -> Option<Peer> {
        let peer = self.slots.get_mut(index)?.take()?;
        self.due.remove(&(peer.due, index));
        self.free.push(index);
        Some(peer)
    }

    pub fn set_due(&mut self, index: usize, due: Instant) {
        let Some(peer) = self.slots.get_mut(index).and_then(Option::as_mut) else { return };
        if peer.due != due {
            self.due.remove(&(peer.due, index));
            self.due.insert((due, index));
            peer.due = due;
        }
    }

    /// The connection that is due first: when, and its index.
    pub fn first_due(&self) -> Option<(Instant, usize)> {
        self.due.first().copied()
    }

    /// All indices that may hold a connection: O(n), for the shutdown.
    pub fn indices(&self) -> std::ops::Range<usize> {
        0..self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::{Connections, Peer};

    #[test]
    fn the_first_deadline_is_first_and_a_free_slot_is_used_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let peer = |seconds| {
            let stream = TcpStream::connect(address).unwrap();
            Peer::new(stream, IpAddr::from([127, 0, 0, 1]), at(seconds))
        };
        let mut connections = Connections::default();
        assert!(connections.is_empty());

        let late = connections.insert(peer(2));
        let early = connections.insert(peer(1));
        assert_eq!(connections.first_due(), Some((at(1), early)));

        connections.set_due(early, at(3));
        assert_eq!(connections.first_due(), Some((at(2), late)));
        assert_eq!(connections.get_mut(early).unwrap().due(), at(3));

        assert!(connections.remove(late).is_some());
        assert!(connections.remove(late).is_none());
        assert!(connections.get_mut(late).is_none());
        assert_eq!(connections.first_due(), Some((at(3), early)));

        assert_eq!(connections.insert(peer(4)), late);
        assert_eq!(connections.indices(), 0..2);
    }
}
