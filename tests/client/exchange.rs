//! The client's exchange over a scripted server: a byte at a time, short writes, nothing there yet, an end of stream or a
//! reset anywhere, and answers that are not the echo.

use tp0::client::exchange::{Exchange, Progress};
use tp0::sys::poll::Interest;

use crate::support::script::Arrival::{self, Bytes, End, Nothing, Reset};
use crate::support::script::{Room, Script};

const MESSAGE: &[u8] = "[CLIENT 1] Message N°1\n".as_bytes();

/// Advances an exchange until it is done, fails, or waits with the script at its end.
fn run(arrivals: &[Arrival], rooms: &[Room]) -> Result<Progress, String> {
    let mut stream = Script::new(arrivals, rooms);
    let mut exchange = Exchange::new(MESSAGE);
    loop {
        let at_end = stream.is_over();
        let reads = stream.reads;
        let is_unanswered = exchange.to_string() == "no answer to the connection request";
        assert_eq!(is_unanswered, stream.taken.is_empty());
        match exchange.advance(&mut stream).map_err(|error| error.to_string())? {
            step @ Progress::Wait(_) if !at_end => {
                let whole = stream.taken == MESSAGE;
                assert_eq!(step == Progress::Wait(Interest::Readable), whole, "{step:?}");
                assert!(whole || stream.reads == reads, "no answer is read before all is sent");
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
fn done_before_the_server_closes() {
    assert_eq!(run(&[bytes(MESSAGE), Nothing], &[]), Ok(Progress::Done));
    assert_eq!(run(&[bytes(MESSAGE), Reset], &[]), Ok(Progress::Done));
}

#[test]
fn a_byte_at_a_time_with_waits_between() {
    let arrivals: Vec<_> = MESSAGE.iter().flat_map(|&byte| [Nothing, Bytes(vec![byte])]).collect();
    let rooms = [Room::Wait, Room::For(1)].repeat(MESSAGE.len());
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
fn refused_or_closed_while_it_sends() {
    for rooms in
        [&[Room::Refused][..], &[Room::Wait, Room::Refused], &[Room::For(1), Room::Refused]]
    {
        assert_eq!(run(&[], rooms), Err("connection refused".to_owned()));
    }
    assert_eq!(run(&[], &[Room::For(0)]), Err("write zero".to_owned()));
}
