use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

/// What one call brings.
enum Call {
    Bytes(Vec<u8>),
    Room(usize),
    End,
    Fail(ErrorKind),
}

/// A peer whose reads and writes go as arbitrary bytes say. Where they say nothing more, there is
/// nothing to read, or what `at_end` has, and all is taken that is written.
pub struct Script {
    reads: VecDeque<Call>,
    writes: VecDeque<Call>,
    /// Given out by reads.
    pub given: Vec<u8>,
    /// The stream has ended.
    pub ended: bool,
    /// A read or a write has failed for good.
    pub failed: bool,
    /// Taken by writes.
    pub taken: Vec<u8>,
    /// Reads since it was last set to zero.
    pub read_calls: usize,
}

impl Script {
    /// A call is a byte that says which, and its argument: a length and the bytes of that length for
    /// a read, a room for a write.
    pub fn new(mut bytes: &[u8]) -> Self {
        let (mut reads, mut writes) = (VecDeque::new(), VecDeque::new());
        while let Some(call) = next(&mut bytes) {
            match call % 10 {
                0..=2 => {
                    let length = next(&mut bytes).unwrap_or_default().into();
                    let (chunk, rest) = bytes.split_at(bytes.len().min(length));
                    bytes = rest;
                    // A read of no bytes would be an end.
                    if !chunk.is_empty() {
                        reads.push_back(Call::Bytes(chunk.to_vec()));
                    }
                }
                3 => reads.push_back(Call::Fail(ErrorKind::WouldBlock)),
                4 => reads.push_back(Call::Fail(ErrorKind::Interrupted)),
                5 => reads.push_back(Call::End),
                6 => reads.push_back(Call::Fail(ErrorKind::ConnectionReset)),
                7 => writes.push_back(Call::Room(next(&mut bytes).unwrap_or_default().into())),
                8 => writes.push_back(Call::Fail(ErrorKind::WouldBlock)),
                _ => writes.push_back(Call::Fail(match next(&mut bytes).unwrap_or_default() % 4 {
                    0 => ErrorKind::BrokenPipe,
                    _ => ErrorKind::Interrupted,
                })),
            }
        }
        Self {
            reads,
            writes,
            given: Vec::new(),
            ended: false,
            failed: false,
            taken: Vec::new(),
            read_calls: 0,
        }
    }

    /// There is nothing more to read.
    pub fn is_over(&self) -> bool {
        self.reads.is_empty()
    }

    fn fail(&mut self, kind: ErrorKind) -> io::Error {
        self.failed |= !matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted);
        kind.into()
    }
}

fn next(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!self.failed, "a read after a failure");
        self.read_calls += 1;
        if self.ended {
            return Ok(0);
        }
        match self.reads.pop_front() {
            Some(Call::Bytes(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buffer.len()));
                if !rest.is_empty() {
                    self.reads.push_front(Call::Bytes(rest));
                }
                buffer[..bytes.len()].copy_from_slice(&bytes);
                self.given.extend_from_slice(&bytes);
                Ok(bytes.len())
            }
            Some(Call::End) => {
                self.ended = true;
                Ok(0)
            }
            Some(Call::Fail(kind)) => Err(self.fail(kind)),
            Some(Call::Room(_)) | None => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.failed && !bytes.is_empty(), "a write after a failure, or of nothing");
        let room = match self.writes.pop_front() {
            Some(Call::Room(0)) => {
                self.failed = true;
                0
            }
            Some(Call::Room(room)) => room,
            Some(Call::Fail(kind)) => return Err(self.fail(kind)),
            _ => usize::MAX,
        };
        let count = bytes.len().min(room);
        self.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
