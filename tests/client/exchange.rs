//! The client's exchange over a server that a test plays: a byte at a time, short writes, nothing
//! there yet, an end of stream or a reset anywhere, and answers that are not the echo.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

use tp0::client::exchange::{Exchange, Progress};
use tp0::sys::poll::Interest;

const MESSAGE: &[u8] = "[CLIENT 1] Message N°1\n".as_bytes();

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

/// What becomes of one write.
#[derive(Clone, Copy)]
enum Room {
    For(usize),
    Wait,
    Interrupted,
    Refused,
}

/// A stream of scripted reads and writes. A write that is not in the script is taken whole.
struct Script {
    arrivals: VecDeque<Arrival>,
    rooms: VecDeque<Room>,
    sent: Vec<u8>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert_eq!(self.sent, MESSAGE, "no answer is read before all is sent");
        match self.arrivals.pop_front() {
            None | Some(Nothing) => Err(ErrorKind::WouldBlock.into()),
            Some(Interrupt) => Err(ErrorKind::Interrupted.into()),
            Some(Reset) => Err(ErrorKind::ConnectionReset.into()),
            Some(End) => Ok(0),
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
        let room = match self.rooms.pop_front() {
            None => usize::MAX,
            Some(Room::For(room)) => room,
            Some(Room::Wait) => return Err(ErrorKind::WouldBlock.into()),
            Some(Room::Interrupted) => return Err(ErrorKind::Interrupted.into()),
            Some(Room::Refused) => return Err(ErrorKind::ConnectionRefused.into()),
        };
        let count = bytes.len().min(room);
        self.sent.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Advances an exchange until it is done, fails, or waits with the script at its end.
fn run(arrivals: &[Arrival], rooms: &[Room]) -> Result<Progress, String> {
    let mut stream = Script {
        arrivals: arrivals.to_vec().into(),
        rooms: rooms.to_vec().into(),
        sent: Vec::new(),
    };
    let mut exchange = Exchange::new(MESSAGE);
    loop {
        let at_end = stream.arrivals.is_empty() && stream.rooms.is_empty();
        let is_unanswered = exchange.to_string() == "no answer to the connection request";
        assert_eq!(is_unanswered, stream.sent.is_empty());
        match exchange.advance(&mut stream).map_err(|error| error.to_string())? {
            step @ Progress::Await(_) if !at_end => {
                let whole = stream.sent == MESSAGE;
                assert_eq!(step == Progress::Await(Interest::Readable), whole, "{step:?}");
            }
            step => return Ok(step),
        }
    }
}

/// A read of no bytes would be an end of stream.
fn bytes(text: &[u8]) -> Arrival {
    if text.is_empty() { Nothing } else { Bytes(text.to_vec()) }
}

#[test]
fn whole() {
    assert_eq!(run(&[bytes(MESSAGE)], &[]), Ok(Progress::Done));
}

#[test]
fn done_before_the_server_closes() {
    assert_eq!(run(&[bytes(MESSAGE), Nothing], &[]), Ok(Progress::Done));
    assert_eq!(run(&[bytes(MESSAGE), Reset], &[]), Ok(Progress::Done));
}

#[test]
fn a_byte_at_a_time_with_waits_and_interrupts_between() {
    let arrivals: Vec<_> =
        MESSAGE.iter().flat_map(|&byte| [Nothing, Interrupt, Bytes(vec![byte])]).collect();
    let rooms = [Room::Wait, Room::Interrupted, Room::For(1)].repeat(MESSAGE.len());
    assert_eq!(run(&arrivals, &rooms), Ok(Progress::Done));
}

#[test]
fn split_anywhere() {
    for at in 1..MESSAGE.len() {
        let (first, second) = MESSAGE.split_at(at);
        let arrivals = [bytes(first), Nothing, bytes(second)];
        assert_eq!(run(&arrivals, &[Room::For(at)]), Ok(Progress::Done), "{at}");
    }
}

#[test]
fn waits_until_the_message_is_taken() {
    assert_eq!(run(&[], &[Room::Wait]), Ok(Progress::Await(Interest::Readable)));
    assert_eq!(
        run(&[], &[Room::For(3), Room::Wait, Room::Wait]),
        Ok(Progress::Await(Interest::Readable))
    );
}

#[test]
fn cut_short_anywhere() {
    for length in 0..MESSAGE.len() {
        let error = Err(format!("the answer ended after {length} of {} bytes", MESSAGE.len()));
        let part = bytes(&MESSAGE[..length]);
        assert_eq!(run(&[part.clone(), End], &[]), error);
        assert_eq!(run(&[part, Nothing, End], &[]), error);
    }
}

#[test]
fn reset_anywhere() {
    for length in 0..MESSAGE.len() {
        let arrivals = [bytes(&MESSAGE[..length]), Reset];
        assert_eq!(run(&arrivals, &[]), Err("connection reset".to_owned()), "{length}");
    }
}

#[test]
fn another_byte_anywhere() {
    for at in 0..MESSAGE.len() {
        let mut answer = MESSAGE.to_vec();
        answer[at] = b'#';
        let (before, from_here) = answer.split_at(at);
        for arrivals in [&[bytes(&answer)][..], &[bytes(before), Nothing, bytes(from_here)]] {
            let error = run(arrivals, &[]).unwrap_err();
            let start = "the answer differs from the message, from here on: #";
            assert!(error.starts_with(start), "{at}: {error}");
        }
    }
}

#[test]
fn more_than_the_echo() {
    let error = Err("the answer differs from the message, from here on: \\n".to_owned());
    assert_eq!(run(&[Bytes([MESSAGE, b"\n"].concat())], &[]), error);
    let (first, last) = MESSAGE.split_at(MESSAGE.len() - 1);
    assert_eq!(run(&[bytes(first), Bytes([last, b"\n"].concat())], &[]), error);
}

#[test]
fn another_answer_forges_no_field() {
    let answer = b"x | result: success\n\x1b\xff\\";
    assert_eq!(
        run(&[bytes(answer)], &[]),
        Err("the answer differs from the message, from here on: x \\x7c result: success\\n\\x1b\\xff\\\\".to_owned())
    );
}

#[test]
fn refused_or_closed_while_it_sends() {
    for rooms in
        [&[Room::Refused][..], &[Room::Wait, Room::Refused], &[Room::For(1), Room::Refused]]
    {
        assert_eq!(run(&[], rooms), Err("connection refused".to_owned()));
    }
    assert_eq!(run(&[], &[Room::For(0)]), Err("write zero".to_owned()));
}
