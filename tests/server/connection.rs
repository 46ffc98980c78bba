//! The server's connection over a scripted peer: a byte at a time, short writes, nothing there yet, an end of stream or a
//! reset anywhere.

use tp0::server::connection::{Connection, Received};

use crate::support::script::Arrival::{self, Bytes, End, Nothing, Reset};
use crate::support::script::{
    Room::{self, For, Wait},
    Script,
};

const LIMIT: usize = 64;

/// What became of a connection.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// The message that was received, if it was complete.
    message: Option<Vec<u8>>,
    sent: Vec<u8>,
    end: Result<Ended, String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Ended {
    /// The peer has ended its side, or has reset the connection.
    Closed,
    /// The script is over, and the connection waits for the peer.
    Waiting(String),
}

/// Takes a connection through its states as the event loop does.
fn run(arrivals: &[Arrival], rooms: &[Room], scratch: usize) -> Outcome {
    let mut stream = Script::new(arrivals, rooms);
    let mut message = None;
    let end = advance(&mut stream, &mut vec![0; scratch], &mut message);
    Outcome { message, sent: stream.taken, end }
}

fn advance(
    stream: &mut Script,
    scratch: &mut [u8],
    received: &mut Option<Vec<u8>>,
) -> Result<Ended, String> {
    let mut connection = Connection::NEW;
    for _ in 0..1000 {
        let is_over = stream.is_over();
        stream.reads = 0;
        let has_closed = match connection {
            Connection::Receiving(_) => {
                let result = connection.receive(stream, scratch, LIMIT);
                match result.map_err(|error| error.to_string())? {
                    Received::Message => {
                        let Connection::Sending { message, .. } = &connection else {
                            panic!("not ready to send: {connection:?}");
                        };
                        *received = Some(message.clone());
                        continue;
                    }
                    Received::End => true,
                    Received::Nothing | Received::Part => false,
                }
            }
            Connection::Sending { .. } => {
                if connection.send(stream).map_err(|error| error.to_string())? {
                    connection = Connection::HalfClosed;
                }
                continue;
            }
            Connection::HalfClosed | Connection::Lingering => {
                Connection::has_closed(stream, scratch)
            }
        };
        assert!(stream.reads <= 1, "one peer holds up the others");
        if has_closed {
            return Ok(Ended::Closed);
        }
        if is_over {
            return Ok(Ended::Waiting(connection.to_string()));
        }
    }
    panic!("it never ends: {connection:?} {stream:?}");
}

fn bytes(text: &[u8]) -> Arrival {
    Bytes(text.to_vec())
}

/// The message is echoed whole, and the peer then ends its side, whatever a read can take.
fn assert_echo(arrivals: &[Arrival], rooms: &[Room], message: &[u8]) {
    let expected =
        Outcome { message: Some(message.to_vec()), sent: message.to_vec(), end: Ok(Ended::Closed) };
    for scratch in [1, 2, 7, 1000] {
        let outcome = run(arrivals, rooms, scratch);
        assert_eq!(outcome, expected, "{arrivals:?} {rooms:?}, reads of {scratch} bytes");
    }
}

#[test]
fn a_message_ends_with_a_newline_or_with_the_stream() {
    let all: Vec<u8> = (0..LIMIT as u8 - 1).map(|n| n.wrapping_mul(37) | 0x80).collect();
    let longest = [&all[..], b"\n"].concat();
    let whole: [&[u8]; 4] = [b"hello\n", b"\n", b"  spaces \t\r\n", &longest];
    for message in whole {
        assert_echo(&[bytes(message), End], &[], message);
        assert_echo(&[bytes(message), Reset], &[], message);

        let slow = message.iter().flat_map(|&byte| [Nothing, Bytes(vec![byte])]);
        assert_echo(&slow.chain([End]).collect::<Vec<_>>(), &[], message);
    }
    assert_echo(&[bytes(b"hel"), Nothing, bytes(b"lo"), End], &[], b"hello");
    assert_echo(&[Bytes(vec![b'x'; LIMIT]), End], &[], &[b'x'; LIMIT]);
}

#[test]
fn what_follows_the_newline_is_dropped() {
    assert_echo(&[bytes(b"one\ntwo\n"), bytes(b"three"), Nothing, End], &[], b"one\n");
    assert_echo(&[bytes(b"o"), bytes(b"ne\ntwo\n"), End], &[For(2), Wait], b"one\n");
}

#[test]
fn writes_may_be_short() {
    for rooms in [&[For(1), Wait, For(2), Wait, Wait, For(1)][..], &[Wait, Wait, Wait]] {
        assert_echo(&[bytes(b"hello\n"), End], rooms, b"hello\n");
    }
}

#[test]
fn it_waits_for_the_peer_in_each_state() {
    for (arrivals, waiting) in [
        (&[Nothing][..], "no byte received"),
        (&[bytes(b"h")], "no newline in 1 bytes received"),
        (&[bytes(b"hello\n"), Nothing, bytes(b"more")], "echo sent"),
    ] {
        let outcome = run(arrivals, &[], 1000);
        assert_eq!(outcome.end, Ok(Ended::Waiting(waiting.to_owned())), "{arrivals:?}");
    }
    let mut connection = Connection::Sending { message: b"hello\n".to_vec(), sent: 0 };
    assert!(!connection.send(&mut Script::new(&[], &[For(2), Wait])).unwrap());
    assert_eq!(connection.to_string(), "4 bytes of the echo not taken");
}

#[test]
fn only_a_peer_without_a_byte_is_silent() {
    let mut connection = Connection::NEW;
    assert!(connection.is_silent());
    let mut stream = Script::new(&[bytes(b"h")], &[]);
    let received = connection.receive(&mut stream, &mut [0; 8], LIMIT).unwrap();
    assert_eq!(received, Received::Part);
    assert!(!connection.is_silent());
}

/// The event loop calls this for a peer that is idle.
#[test]
fn what_has_come_can_be_taken_for_the_message() {
    let mut connection = Connection::NEW;
    let mut stream = Script::new(&[bytes(b"hola")], &[]);
    connection.receive(&mut stream, &mut [0; 8], LIMIT).unwrap();
    connection.end_message();
    assert!(connection.send(&mut stream).unwrap());
    assert_eq!(stream.taken, b"hola");
}

#[test]
fn a_message_over_the_limit_is_refused() {
    let error = Err("the message is longer than 64 bytes".to_owned());
    let with_newline = [&[b'x'; LIMIT][..], b"\n"].concat();
    for message in [vec![b'x'; LIMIT + 1], with_newline] {
        for scratch in [1, 7, 1000] {
            let outcome = run(&[Bytes(message.clone()), Nothing], &[], scratch);
            let expected = Outcome { message: None, sent: Vec::new(), end: error.clone() };
            assert_eq!(outcome, expected, "reads of {scratch} bytes");
        }
    }
}

/// As a health check does.
#[test]
fn an_end_without_a_byte_is_no_failure() {
    for arrivals in [[Nothing, End], [Nothing, Reset]] {
        let expected = Outcome { message: None, sent: Vec::new(), end: Ok(Ended::Closed) };
        assert_eq!(run(&arrivals, &[], 1000), expected, "{arrivals:?}");
    }
}

#[test]
fn a_reset_or_a_closed_pipe_fails() {
    for (arrivals, rooms, error) in [
        (&[bytes(b"hel"), Reset][..], &[][..], "connection reset"),
        (&[bytes(b"hello\n")], &[For(2), Room::Refused], "connection refused"),
        (&[bytes(b"hello\n")], &[For(0)], "write zero"),
    ] {
        assert_eq!(run(arrivals, rooms, 1000).end, Err(error.to_owned()), "{arrivals:?}");
    }
}
