//! One message of the client and its echo, over `Read + Write`: the counterpart of `connection`.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use crate::escape::Escaped;
use crate::sys::poll::Interest;

/// What the exchange needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Wait(Interest),
    /// The echo is complete, and equals the message byte for byte.
    Done,
}

/// Why there is no echo.
#[derive(Debug)]
pub enum Error {
    Io(io::Error),
    /// The answer differs from the message: its bytes from the first that differs.
    Differs(Vec<u8>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Differs(bytes) => {
                write!(f, "the answer differs from the message, from here on: {}", Escaped(bytes))
            }
        }
    }
}

/// How far a message and its echo have come.
#[derive(Debug)]
pub struct Exchange<'a> {
    message: &'a [u8],
    sent: usize,
    received: usize,
}

impl<'a> Exchange<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { message, sent: 0, received: 0 }
    }

    /// Goes on until it has to wait. It compares every byte of the answer as it comes. Bytes that come with the echo
    /// and do not belong to it are a difference too.
    pub fn advance(&mut self, stream: &mut (impl Read + Write)) -> Result<Progress, Error> {
        if self.sent < self.message.len() { self.send(stream) } else { self.receive(stream) }
    }

    /// This does not read yet, because the echo cannot be there at once.
    fn send(&mut self, stream: &mut impl Write) -> Result<Progress, Error> {
        while self.sent < self.message.len() {
            match stream.write(&self.message[self.sent..]) {
                Ok(0) => return Err(Error::Io(ErrorKind::WriteZero.into())),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Progress::Wait(Interest::Writable));
                }
                Err(error) => return Err(Error::Io(error)),
            }
        }
        Ok(Progress::Wait(Interest::Readable))
    }

    fn receive(&mut self, stream: &mut impl Read) -> Result<Progress, Error> {
        let mut buffer = [0; 512];
        while self.received < self.message.len() {
            match stream.read(&mut buffer) {
                Ok(0) => {
                    let (received, expected) = (self.received, self.message.len());
                    let reason = format!("the answer ended after {received} of {expected} bytes");
                    return Err(Error::Io(io::Error::other(reason)));
                }
                Ok(count) => self.compare(&buffer[..count])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Progress::Wait(Interest::Readable));
                }
                Err(error) => return Err(Error::Io(error)),
            }
        }
        Ok(Progress::Done)
    }

    fn compare(&mut self, answer: &[u8]) -> Result<(), Error> {
        let expected = &self.message[self.received..];
        let same = answer.iter().zip(expected).take_while(|(a, b)| a == b).count();
        if same < answer.len() {
            return Err(Error::Differs(answer[same..].to_vec()));
        }
        self.received += same;
        Ok(())
    }
}

/// How far the exchange has come, for the log when its time is up.
impl fmt::Display for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.sent, self.message.len()) {
            (0, _) => f.write_str("no answer to the connection request"),
            (sent, length) if sent < length => write!(f, "{sent} of {length} bytes taken"),
            (_, length) => write!(f, "{} of {length} bytes of the echo received", self.received),
        }
    }
}
