//! The server's connection over a scripted peer: a byte at a time, short writes, nothing there yet, an end of stream or a
//! reset anywhere.

use tp0::server::connection::{Connection, Received};

use crate::support::script::Arrival::{self, Bytes, End, Nothing, Reset};
use crate::support::script::Room::{self, For, Refused, Wait};
use crate::support::script::Script;

const LIMIT: usize = 64;

/// Takes a connection through its states as the event loop does. Returns how it ended: the peer has closed, or an error,
/// or a wait for the peer after the end of the script.
fn run(stream: &mut Script, scratch: &mut [u8]) -> Result<String, String> {
    let mut connection = Connection::NEW;
    for _ in 0..1000 {
        let is_over = stream.is_over();
        stream.reads = 0;
        let has_closed = match connection {
            Connection::Receiving(_) => {
                let received = connection.receive(stream, scratch, LIMIT);
                received.map_err(|error| error.to_string())? == Received::End
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
            return Ok("closed".to_owned());
        }
        if is_over {
            return Ok(connection.to_string());
        }
    }
    panic!("it never ends: {connection:?} {stream:?}");
}

fn bytes(text: &[u8]) -> Arrival {
    Bytes(text.to_vec())
}

/// The peer receives `echo`, however much a read can take, and the connection ends as `end` says.
fn assert_ends(arrivals: &[Arrival], rooms: &[Room], echo: &[u8], end: &str) {
    for scratch in [1, 2, 7, 1000] {
        let mut stream = Script::new(arrivals, rooms);
        let ended = run(&mut stream, &mut vec![0; scratch]).unwrap_or_else(|error| error);
        let outcome = (ended.as_str(), stream.taken.as_slice());
        assert_eq!(outcome, (end, echo), "{arrivals:?} {rooms:?}, reads of {scratch} bytes");
    }
}

#[test]
fn a_message_ends_with_a_newline_or_with_the_stream() {
    let longest = [&[0xff; LIMIT - 1][..], b"\n"].concat();
    let messages: [&[u8]; 4] = [b"hello\n", b"\n", b"  spaces \t\r\n", &longest];
    for message in messages {
        assert_ends(&[bytes(message), End], &[], message, "closed");
        assert_ends(&[bytes(message), Reset], &[], message, "closed");

        let slow = message.iter().flat_map(|&byte| [Nothing, Bytes(vec![byte])]);
        assert_ends(&slow.chain([End]).collect::<Vec<_>>(), &[], message, "closed");
    }
    assert_ends(&[bytes(b"hel"), Nothing, bytes(b"lo"), End], &[], b"hello", "closed");
    assert_ends(&[bytes(&[b'x'; LIMIT]), End], &[], &[b'x'; LIMIT], "closed");
}

#[test]
fn what_follows_the_newline_is_dropped() {
    assert_ends(&[bytes(b"one\ntwo\n"), bytes(b"three"), Nothing, End], &[], b"one\n", "closed");
    assert_ends(&[bytes(b"o"), bytes(b"ne\ntwo\n"), End], &[For(2), Wait], b"one\n", "closed");
}

#[test]
fn writes_may_be_short() {
    for rooms in [&[For(1), Wait, For(2), Wait, Wait, For(1)][..], &[Wait, Wait, Wait]] {
        assert_ends(&[bytes(b"hello\n"), End], rooms, b"hello\n", "closed");
    }
}

#[test]
fn it_waits_for_the_peer_in_each_state() {
    assert_ends(&[Nothing], &[], b"", "no byte received");
    assert_ends(&[bytes(b"h")], &[], b"", "no newline in 1 bytes received");
    assert_ends(&[bytes(b"hello\n"), Nothing, bytes(b"more")], &[], b"hello\n", "echo sent");

    let mut connection = Connection::Sending { message: b"hello\n".to_vec(), sent: 0 };
    assert!(!connection.send(&mut Script::new(&[], &[For(2), Wait])).unwrap());
    assert_eq!(connection.to_string(), "4 bytes of the echo not taken");
}

#[test]
fn a_message_over_the_limit_is_refused() {
    let error = "the message is longer than 64 bytes";
    assert_ends(&[bytes(&[b'x'; LIMIT + 1]), Nothing], &[], b"", error);
    assert_ends(&[bytes(&[b'x'; LIMIT]), bytes(b"\n")], &[], b"", error);
}

#[test]
fn a_reset_or_a_closed_pipe_fails() {
    assert_ends(&[bytes(b"hel"), Reset], &[], b"", "connection reset");
    assert_ends(&[bytes(b"hello\n")], &[For(2), Refused], b"he", "connection refused");
    assert_ends(&[bytes(b"hello\n")], &[For(0)], b"", "write zero");
}
