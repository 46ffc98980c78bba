//! One connection of the server: receive a message, send it back, linger until the peer is done.
//!
//! Written over `Read + Write`: no file descriptor, no clock and no log, so that a test can be the peer.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use crate::sys::poll::Interest;

/// What a connection needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing until the stream is readable, or writable.
    Await(Interest),
    /// The kernel has the whole echo. From here the connection lingers.
    HalfClose,
    /// The peer has ended its side too, or has reset the connection.
    Close,
}

/// Why a message could not be received or sent back.
#[derive(Debug)]
pub enum Error {
    /// The peer ended its side before it had sent a byte.
    Empty,
    /// The message is longer than the limit, in bytes, which is the number here. The caller half-closes;
    /// the connection lingers, for the peer may still be sending.
    TooLong(usize),
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the peer closed before it sent a byte"),
            Self::TooLong(limit) => write!(f, "the message is longer than {limit} bytes"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

/// The state of a connection. It owns a buffer only while part of a message is in it.
#[derive(Debug)]
pub enum Connection {
    /// Part of a message, without its newline.
    Receiving(Vec<u8>),
    /// A whole message, of which the first `sent` bytes are sent.
    Sending { message: Vec<u8>, sent: usize },
    /// All is sent. What still comes is read and dropped: a close with unread bytes sends a reset,
    /// which can destroy the echo before the peer has read it (RFC 2525, section 2.17).
    Lingering,
}

impl Connection {
    pub const NEW: Self = Self::Receiving(Vec::new());

    /// Not one byte has come.
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Receiving(buffer) if buffer.is_empty())
    }

    /// Goes on until it has to wait, or until a step that the caller has to act on. Reads at most
    /// once, into `scratch`: one peer cannot hold up the others. `received` gets the whole message,
    /// newline included, before it is sent back; `limit` is its greatest length in bytes.
    pub fn advance(
        &mut self,
        stream: &mut (impl Read + Write),
        scratch: &mut [u8],
        limit: usize,
        received: impl FnOnce(&[u8]),
    ) -> Result<Next, Error> {
        if let Self::Receiving(buffer) = self {
            let count = match stream.read(scratch) {
                Ok(count) => count,
                Err(error) if must_wait(&error) => return Ok(Next::Await(Interest::Readable)),
                Err(error) => return Err(Error::Io(error)),
            };
            let chunk = &scratch[..count];
            let newline = chunk.iter().position(|&byte| byte == b'\n');
            let part = &chunk[..newline.map_or(count, |at| at + 1)];
            if buffer.len() + part.len() > limit {
                *self = Self::Lingering;
                return Err(Error::TooLong(limit));
            }
            append(buffer, part)?;
            if newline.is_none() && count > 0 {
                return Ok(Next::Await(Interest::Readable));
            }
            if buffer.is_empty() {
                return Err(Error::Empty);
            }
            received(buffer);
            *self = Self::Sending { message: std::mem::take(buffer), sent: 0 };
        }
        if let Self::Sending { message, sent } = self {
            *sent += send(stream, &message[*sent..]).map_err(Error::Io)?;
            if *sent < message.len() {
                return Ok(Next::Await(Interest::Writable));
            }
            *self = Self::Lingering;
            return Ok(Next::HalfClose);
        }
        match stream.read(scratch) {
            Ok(0) => Ok(Next::Close),
            Err(error) if !must_wait(&error) => Ok(Next::Close),
            _ => Ok(Next::Await(Interest::Readable)),
        }
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
            Self::Lingering => f.write_str("echo sent"),
        }
    }
}

/// Too little memory for one message is its connection's error. It must not end the process.
fn append(buffer: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    buffer.try_reserve(bytes.len()).map_err(|_| Error::Io(ErrorKind::OutOfMemory.into()))?;
    buffer.extend_from_slice(bytes);
    Ok(())
}

/// Writes as much as the stream takes without waiting, and says how much that was.
fn send(stream: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => sent += count,
            Err(error) if must_wait(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

/// An interrupted call is tried again in the next loop iteration, as one that would block is.
fn must_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
