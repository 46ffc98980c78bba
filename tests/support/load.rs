//! Many clients at a time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::DEADLINE;
use super::sockets::reset;

/// One message of a client.
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

/// Runs clients that each send `messages`, one after the other, as fast as the echoes come. A client stops earlier if it
/// cannot connect or gets no echo. Returns the messages of all clients.
pub fn load(address: SocketAddr, clients: usize, messages: usize) -> Vec<Sent> {
    let run = |client| {
        thread::spawn(move || {
            let mut log = Vec::new();
            while log.len() < messages && log.last().is_none_or(Sent::is_answered) {
                let message = format!("[CLIENT {client}] Message N°{}", log.len() + 1);
                let Some(sent) = send(address, message) else { break };
                log.push(sent);
            }
            log
        })
    };
    let clients: Vec<_> = (1..=clients).map(run).collect();
    clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
}

/// None if there is no connection.
fn send(address: SocketAddr, message: String) -> Option<Sent> {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).ok()?;
    let written = stream.write_all(format!("{message}\n").as_bytes());
    let took = start.elapsed();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut echo = Vec::new();
    let echo = written.and_then(|()| stream.read_to_end(&mut echo)).map(|_| echo);
    // A reset after the end of the echo leaves the kernel nothing to keep: the other tests need its table of connections
    // in TIME_WAIT too.
    reset(stream);
    Some(Sent { message, took, echo })
}
