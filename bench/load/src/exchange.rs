//! One message and its echo.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::Interest;
use mio::net::TcpStream;

use crate::socket;

/// A connection and what is on it.
pub struct Exchange {
    pub number: u64,
    pub stream: TcpStream,
    message: Vec<u8>,
    sent: usize,
    /// Up to here it may be sent by now.
    piece_end: usize,
    received: usize,
    pub start: Instant,
}

pub enum Step {
    Wait,
    /// Waits before the next piece.
    Pause,
    Done,
}

impl Exchange {
    pub fn begin(address: SocketAddr, number: u64, message: Vec<u8>) -> io::Result<Self> {
        let start = Instant::now();
        let stream = TcpStream::from_std(socket::connect(address, number)?);
        Ok(Self { number, stream, message, sent: 0, piece_end: 0, received: 0, start })
    }

    /// What to be woken for: nothing is written any more once all is sent.
    pub fn interest(&self) -> Interest {
        let all_sent = self.sent == self.message.len();
        if all_sent { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE }
    }

    /// Lets the next of `pieces` go.
    pub fn permit_piece(&mut self, pieces: u64) {
        let piece = self.message.len().div_ceil(pieces as usize);
        self.piece_end = self.message.len().min(self.piece_end + piece);
    }

    pub fn send(&mut self) -> io::Result<Step> {
        while self.sent < self.piece_end {
            match self.stream.write(&self.message[self.sent..self.piece_end]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Step::Wait),
                Err(error) => return Err(error),
            }
            if self.sent == self.piece_end && self.sent < self.message.len() {
                return Ok(Step::Pause);
            }
        }
        Ok(Step::Wait)
    }

    /// Sends what may be sent and compares what has come, byte for byte. As the course's client does,
    /// it takes the newline for the end and closes.
    pub fn advance(&mut self) -> io::Result<Step> {
        let step = self.send()?;
        let mut buffer = [0; 16 * 1024];
        loop {
            let count = match self.stream.read(&mut buffer) {
                Ok(0) => {
                    let (received, expected) = (self.received, self.message.len());
                    let text = format!("the answer ended after {received} of {expected} bytes");
                    return Err(io::Error::other(text));
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(step),
                Err(error) => return Err(error),
            };
            if !self.message[self.received..self.sent].starts_with(&buffer[..count]) {
                return Err(io::Error::other("the answer differs from the message"));
            }
            self.received += count;
            if self.received == self.message.len() {
                return Ok(Step::Done);
            }
        }
    }
}
