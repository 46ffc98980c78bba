//! The server's connection over a peer that a test plays: a byte at a time, short writes, nothing
//! there yet, an end of stream or a reset anywhere.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use tp0::server::connection::{Connection, Error, Next};
use tp0::sys::poll::Interest;

/// What one read brings.
#[derive(Clone)]
enum Arrival {
    Bytes(Vec<u8>),
    Nothing,
    Interrupt,
    End,
    Reset,
}
use Arrival::{Bytes, End, Interrupt, Nothing, Reset};

/// A stream of scripted reads, which takes at most `room` bytes a write, and nothing once in a while.
struct Script {
    arrivals: VecDeque<Arrival>,
    sent: Vec<u8>,
    room: Vec<usize>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.arrivals.pop_front() {
            None | Some(Nothing) => Err(ErrorKind::WouldBlock.into()),
            Some(Interrupt) => Err(ErrorKind::Interrupted.into()),
            Some(Reset) => Err(ErrorKind::ConnectionReset.into()),
            Some(End) => {
                self.arrivals.push_front(End);
                Ok(0)
            }
            Some(Bytes(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(buffer.len()));
                if !rest.is_empty() {
                    self.arrivals.push_front(Bytes(rest));
                }
                buffer[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
        }
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = if self.room.is_empty() { usize::MAX } else { self.room.remove(0) };
        if room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(room);
        self.sent.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What became of a connection.
#[derive(Debug, PartialEq)]
struct Outcome {
    sent: Vec<u8>,
    /// The messages that were reported as received.
    received: Vec<Vec<u8>>,
    echoed: bool,
    end: Result<Next, String>,
}

const MESSAGE_LIMIT: usize = 64;

/// Advances a connection until it ends, fails, or waits with the script at its end.
fn run(arrivals: &[Arrival], room: &[usize], scratch: usize) -> Outcome {
    let mut stream =
        Script { arrivals: arrivals.to_vec().into(), sent: Vec::new(), room: room.to_vec() };
    let (mut connection, mut scratch) = (Connection::NEW, vec![0; scratch]);
    let (mut received, mut echoed) = (Vec::new(), false);
    let end = loop {
        let done = stream.arrivals.is_empty() && stream.room.is_empty();
        let report = |message: &[u8]| received.push(message.to_vec());
        match connection.advance(&mut stream, &mut scratch, MESSAGE_LIMIT, report) {
            Ok(Next::HalfClose) => {
                assert!(!echoed, "an echo ends once");
                echoed = true;
            }
            Ok(Next::Close) => break Ok(Next::Close),
            Ok(step) if done => break Ok(step),
            Ok(_) => {}
            Err(failure) => break Err(failure.to_string()),
        }
    };
    Outcome { sent: stream.sent, received, echoed, end }
}

/// A message that is echoed whole and reported once; the peer then ends its side.
fn assert_echo(arrivals: &[Arrival], room: &[usize], message: &[u8]) {
    let expected = Outcome {
        sent: message.to_vec(),
        received: vec![message.to_vec()],
        echoed: true,
        end: Ok(Next::Close),
    };
    for scratch in [1, 2, 7, 1000] {
        assert_eq!(run(arrivals, room, scratch), expected, "scratch of {scratch} bytes");
    }
}

fn bytes(text: &[u8]) -> Arrival {
    Bytes(text.to_vec())
}

#[test]
fn whole() {
    assert_echo(&[bytes(b"hello\n"), End], &[], b"hello\n");
}

#[test]
fn nothing_but_a_newline() {
    assert_echo(&[bytes(b"\n"), End], &[], b"\n");
}

#[test]
fn a_byte_at_a_time_with_waits_and_interrupts_between() {
    let arrivals: Vec<_> = b"hello\n"
        .iter()
        .flat_map(|&b| [Nothing, Interrupt, Bytes(vec![b])])
        .chain([End])
        .collect();
    assert_echo(&arrivals, &[], b"hello\n");
}

#[test]
fn ended_by_the_end_of_the_stream() {
    assert_echo(&[bytes(b"hel"), Nothing, bytes(b"lo"), End], &[], b"hello");
}

#[test]
fn short_writes() {
    assert_echo(&[bytes(b"hello\n"), End], &[1, 0, 2, 0, 0, 1], b"hello\n");
    assert_echo(&[bytes(b"hello\n"), End], &[0, 0, 0], b"hello\n");
}

#[test]
fn what_follows_the_newline_is_dropped() {
    assert_echo(&[bytes(b"one\ntwo\n"), bytes(b"three"), Nothing, End], &[], b"one\n");
    assert_echo(&[bytes(b"o"), bytes(b"ne\ntwo\n"), End], &[2, 0], b"one\n");
}

#[test]
fn any_bytes() {
    let all: Vec<u8> =
        (0..MESSAGE_LIMIT as u8 - 1).map(|n| n.wrapping_mul(37) | 0x80).chain([b'\n']).collect();
    assert_echo(&[Bytes(all.clone()), End], &[], &all);
}

#[test]
fn lingers_until_the_peer_ends() {
    let outcome = run(&[bytes(b"hello\n"), Nothing, bytes(b"more"), Nothing], &[], 1000);
    assert_eq!((outcome.echoed, outcome.end), (true, Ok(Next::Await(Interest::Readable))));
    let outcome = run(&[bytes(b"hello\n"), Reset], &[], 1000);
    assert_eq!((outcome.echoed, outcome.end), (true, Ok(Next::Close)), "a reset is an end too");
}

#[test]
fn as_long_as_the_limit() {
    let longest = [vec![b'x'; MESSAGE_LIMIT - 1], vec![b'\n']].concat();
    assert_echo(&[Bytes(longest.clone()), End], &[], &longest);
    assert_echo(&[Bytes(vec![b'x'; MESSAGE_LIMIT]), End], &[], &[b'x'; MESSAGE_LIMIT]);
}

#[test]
fn over_the_limit() {
    for scratch in [1, 7, 1000] {
        let outcome = run(&[Bytes(vec![b'x'; MESSAGE_LIMIT + 1]), Nothing], &[], scratch);
        assert_eq!(outcome.end, Err("the message is longer than 64 bytes".to_owned()));
        assert_eq!((outcome.sent.len(), outcome.received.len()), (0, 0));
    }
    let longer = [vec![b'x'; MESSAGE_LIMIT], vec![b'\n']].concat();
    assert!(run(&[Bytes(longer)], &[], 1000).end.is_err());
}

/// The peer may still be sending: the rest is dropped, and memory is given back.
#[test]
fn over_the_limit_lingers() {
    let arrivals = VecDeque::from([Bytes(vec![b'x'; MESSAGE_LIMIT + 1]), bytes(b"more\n"), End]);
    let mut stream = Script { arrivals, sent: Vec::new(), room: Vec::new() };
    let (mut connection, mut scratch) = (Connection::NEW, vec![0; 1000]);
    let mut advance = || connection.advance(&mut stream, &mut scratch, MESSAGE_LIMIT, |_| ());
    assert!(matches!(advance(), Err(Error::TooLong(MESSAGE_LIMIT))));
    assert_eq!(advance().unwrap(), Next::Await(Interest::Readable));
    assert_eq!(advance().unwrap(), Next::Close);
    assert!(stream.sent.is_empty());
}

#[test]
fn ended_before_a_byte() {
    let outcome = run(&[Nothing, End], &[], 1000);
    assert_eq!(outcome.end, Err("the peer closed before it sent a byte".to_owned()));
    assert!(outcome.received.is_empty());
}

#[test]
fn reset_anywhere() {
    for arrivals in [&[Reset][..], &[bytes(b"hel"), Reset]] {
        let outcome = run(arrivals, &[], 1000);
        assert_eq!(outcome.end, Err("connection reset".to_owned()));
        assert!(outcome.received.is_empty() && outcome.sent.is_empty());
    }
}

#[test]
fn silent_until_a_byte_comes() {
    let mut stream = Script { arrivals: [bytes(b"h")].into(), sent: Vec::new(), room: Vec::new() };
    let mut connection = Connection::NEW;
    assert!(connection.is_silent());
    assert_eq!(connection.to_string(), "no byte received");
    connection.advance(&mut stream, &mut [0; 8], MESSAGE_LIMIT, |_| ()).unwrap();
    assert!(!connection.is_silent());
    assert_eq!(connection.to_string(), "no newline in 1 bytes received");
}
