//! Many clients at a time.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::sockets::read_to_end;
use super::{DEADLINE, until};

/// One message of a [`Load`].
#[derive(Debug)]
pub struct Sent {
    /// Without its newline.
    pub message: String,
    /// From the connect to the end of the write.
    pub took: Duration,
    /// The bytes that came back until the end of stream.
    pub echo: io::Result<Vec<u8>>,
}

impl Sent {
    pub fn is_answered(&self) -> bool {
        self.echo.as_ref().is_ok_and(|echo| *echo == format!("{}\n", self.message).as_bytes())
    }
}

/// Clients that each send one message after the other, as fast as the echoes come.
pub struct Load {
    clients: Vec<JoinHandle<Vec<Sent>>>,
    answered: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Starts `clients` of them. Each goes on until it cannot connect any more or gets no echo, and closes each
    /// connection with `close`.
    pub fn start(address: SocketAddr, clients: usize, close: fn(TcpStream)) -> Self {
        let (answered, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let run = |client| {
            let (answered, stop) = (Arc::clone(&answered), Arc::clone(&stop));
            thread::spawn(move || {
                let mut log = Vec::new();
                while !stop.load(Relaxed) && log.last().is_none_or(Sent::is_answered) {
                    let message = format!("[CLIENT {client}] Message N°{}", log.len() + 1);
                    let Some(sent) = send(address, message, close) else { break };
                    answered.fetch_add(sent.is_answered().into(), Relaxed);
                    log.push(sent);
                }
                log
            })
        };
        let clients = (1..=clients).map(run).collect();
        Self { clients, answered, stop }
    }

    /// Waits until `count` messages have come back. The deadline is for each thousand of them.
    pub fn wait_for(&self, count: usize) {
        let answered = || self.answered.load(Relaxed);
        while answered() < count {
            let next = count.min(answered() + 1000);
            until("the load runs", || {
                assert!(!self.clients.iter().any(JoinHandle::is_finished), "one has no echo");
                answered() >= next
            });
        }
    }

    /// Waits until no client can connect any more, and returns all messages.
    pub fn join(self) -> Vec<Sent> {
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }

    /// Stops each client after its current message.
    pub fn stop(self) -> Vec<Sent> {
        self.stop.store(true, Relaxed);
        self.join()
    }
}

/// None if there is no connection.
fn send(address: SocketAddr, message: String, close: fn(TcpStream)) -> Option<Sent> {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).ok()?;
    let written = stream.write_all(format!("{message}\n").as_bytes());
    let took = start.elapsed();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut echo = Vec::new();
    let echo = written.and_then(|()| io::Read::read_to_end(&mut stream, &mut echo)).map(|_| echo);
    close(stream);
    Some(Sent { message, took, echo })
}

/// Sends the `rest` of a message on each connection, and expects its echo.
pub fn complete(peers: Vec<TcpStream>, rest: &[u8], echo: &[u8]) {
    let start = Instant::now();
    for mut peer in peers {
        peer.write_all(rest).expect("bytes sent");
        assert_eq!(read_to_end(&mut peer), echo);
        assert!(start.elapsed() < DEADLINE, "not within {DEADLINE:?}");
    }
}
