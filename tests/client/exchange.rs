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
        let progress = match stream.taken.len() {
            0 => "no answer to the connection request".to_owned(),
            24 => format!("{} of 24 bytes of the echo received", stream.given.len()),
            sent => format!("{sent} of 24 bytes taken"),
        };
        assert_eq!(exchange.to_string(), progress);
        let at_end = stream.is_over();
        let reads = stream.reads;
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
fn a_byte_at_a_time_with_waits_between() {
    let arrivals: Vec<_> = MESSAGE.iter().flat_map(|&byte| [Nothing, Bytes(vec![byte])]).collect();
    let rooms = [Room::Wait, Room::For(1)].repeat(MESSAGE.len());
    assert_eq!(run(&arrivals, &rooms), Ok(Progress::Done));
}

#[test]
fn what_follows_a_part_of_the_echo() {
    let other = || Err("the answer differs from the message, from here on: #".to_owned());
    for length in 0..MESSAGE.len() {
        let (part, rest) = MESSAGE.split_at(length);
        for (arrivals, expected) in [
            ([bytes(part), bytes(rest)], Ok(Progress::Done)),
            ([bytes(part), End], Err(format!("the answer ended after {length} of 24 bytes"))),
            ([bytes(part), Reset], Err("connection reset".to_owned())),
            ([bytes(part), bytes(b"#")], other()),
            ([bytes(part), Bytes([rest, b"#"].concat())], other()),
            ([Bytes([part, b"#"].concat()), Nothing], other()),
        ] {
            assert_eq!(run(&arrivals, &[Room::For(length + 1)]), expected, "{arrivals:?}");
        }
    }
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
