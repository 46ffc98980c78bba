//! A peer that follows a script of what each read returns and what happens to each write. The fuzzers use it too.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

/// What one read returns. After the last one there is nothing to read.
#[derive(Debug, Clone)]
pub enum Arrival {
    Bytes(Vec<u8>),
    Nothing,
    End,
    Reset,
}

/// What happens to one write. After the last one the peer takes everything.
#[derive(Debug, Clone, Copy)]
pub enum Room {
    For(usize),
    Wait,
    Refused,
}

#[derive(Debug, Default)]
pub struct Script {
    pub arrivals: VecDeque<Arrival>,
    pub rooms: VecDeque<Room>,
    /// The bytes that reads have returned.
    pub given: Vec<u8>,
    /// The bytes that writes have taken.
    pub taken: Vec<u8>,
    /// The reads since a test has set this to 0.
    pub reads: usize,
    /// The peer has ended its side.
    pub has_ended: bool,
    /// A read or a write has failed for good.
    pub has_failed: bool,
}

impl Script {
    pub fn new(arrivals: &[Arrival], rooms: &[Room]) -> Self {
        Self { arrivals: arrivals.to_vec().into(), rooms: rooms.to_vec().into(), ..Self::default() }
    }

    /// Whether the script has no more steps.
    pub fn is_over(&self) -> bool {
        self.arrivals.is_empty() && self.rooms.is_empty()
    }

    fn fail<T>(&mut self, kind: ErrorKind) -> io::Result<T> {
        self.has_failed = true;
        Err(kind.into())
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!self.has_failed, "a read after a failure");
        self.reads += 1;
        if self.has_ended {
            return Ok(0);
        }
        match self.arrivals.pop_front() {
            None | Some(Arrival::Nothing) => Err(ErrorKind::WouldBlock.into()),
            Some(Arrival::Reset) => self.fail(ErrorKind::ConnectionReset),
            Some(Arrival::End) => {
                self.has_ended = true;
                Ok(0)
            }
            Some(Arrival::Bytes(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buffer.len()));
                if !rest.is_empty() {
                    self.arrivals.push_front(Arrival::Bytes(rest));
                }
                buffer[..bytes.len()].copy_from_slice(&bytes);
                self.given.extend_from_slice(&bytes);
                Ok(bytes.len())
            }
        }
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.has_failed && !bytes.is_empty(), "a write after a failure, or of nothing");
        let room = match self.rooms.pop_front() {
            None => usize::MAX,
            Some(Room::For(room)) => room,
            Some(Room::Wait) => return Err(ErrorKind::WouldBlock.into()),
            Some(Room::Refused) => return self.fail(ErrorKind::ConnectionRefused),
        };
        if room == 0 {
            self.has_failed = true;
        }
        assert!(self.taken.len() < 1 << 20, "the same bytes again and again");
        let count = bytes.len().min(room);
        self.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
