//! One connection of the server: receive a message, send it back, linger until the peer has closed.
//!
//! It works over `Read` and `Write` and uses no file descriptor, clock or log, so that a test can be the peer.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;

/// The state of a connection. It owns a buffer only while part of a message is in it.
#[derive(Debug)]
pub enum Connection {
    /// Part of a message, without its newline.
    Receiving(Vec<u8>),
    /// A whole message. The server has sent its first `sent` bytes.
    Sending { message: Vec<u8>, sent: usize },
    /// The server has ended its side, and has not checked yet whether the peer has closed.
    HalfClosed,
    /// The peer has not closed yet. The server reads and drops what still comes, because a close with unread bytes
    /// sends a reset, which can destroy the echo before the peer has read it (RFC 2525, section 2.17).
    Lingering,
}

/// What a read of [`Connection::receive`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// No bytes yet. More may come later.
    Nothing,
    /// Bytes, but not the end of the message.
    Part,
    /// The end of the message, which the server has to echo now.
    Message,
    /// The peer has ended the connection without a byte, as a health check does.
    End,
}

/// Why a message could not be received.
#[derive(Debug)]
pub enum Error {
    /// The message is longer than this limit in bytes.
    TooLong(usize),
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(limit) => write!(f, "the message is longer than {limit} bytes"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Connection {
    pub const NEW: Self = Self::Receiving(Vec::new());

    /// Reads once, into `scratch`, so that one peer cannot hold up the others. Keeps the bytes up to the first newline
    /// and drops the rest. `limit` is the greatest length of a message in bytes, newline included.
    pub fn receive(
        &mut self,
        stream: &mut impl Read,
        scratch: &mut [u8],
        limit: usize,
    ) -> Result<Received, Error> {
        let Self::Receiving(buffer) = self else {
            return Ok(Received::Nothing);
        };
        let count = match stream.read(scratch) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Nothing),
            Err(error) if error.kind() == ErrorKind::ConnectionReset && buffer.is_empty() => {
                return Ok(Received::End);
            }
            Err(error) => return Err(Error::Io(error)),
        };
        if count == 0 && buffer.is_empty() {
            return Ok(Received::End);
        }
        let chunk = &scratch[..count];
        let newline = chunk.iter().position(|&byte| byte == b'\n');
        let part = &chunk[..newline.map_or(count, |at| at + 1)];
        if buffer.len() + part.len() > limit {
            return Err(Error::TooLong(limit));
        }
        buffer.extend_from_slice(part);
        if newline.is_none() && count > 0 {
            return Ok(Received::Part);
        }
        self.end_message();
        Ok(Received::Message)
    }

    /// Treats the bytes received so far as the whole message, which the server has to echo now.
    pub fn end_message(&mut self) {
        if let Self::Receiving(buffer) = self {
            *self = Self::Sending { message: mem::take(buffer), sent: 0 };
        }
    }

    /// Sends as much of the echo as the stream takes without waiting. Returns true once all of it is sent.
    pub fn send(&mut self, stream: &mut impl Write) -> io::Result<bool> {
        let Self::Sending { message, sent } = self else {
            return Ok(true);
        };
        while *sent < message.len() {
            match stream.write(&message[*sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => *sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads once, and drops what it reads. Returns true if the peer has closed, or has reset the connection.
    pub fn has_closed(stream: &mut impl Read, scratch: &mut [u8]) -> bool {
        match stream.read(scratch) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Whether no byte has come.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Receiving(buffer) if buffer.is_empty())
    }
}

/// How far the connection has come, for the log when its time is up.
impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receiving(buffer) if buffer.is_empty() => f.write_str("no byte received"),
            Self::Receiving(buffer) => write!(f, "no newline in {} bytes received", buffer.len()),
            Self::Sending { message, sent } => {
                write!(f, "{} bytes of the echo not taken", message.len() - sent)
            }
            Self::HalfClosed | Self::Lingering => f.write_str("echo sent"),
        }
    }
}
