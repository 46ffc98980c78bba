//! The server's connection: a message is what comes up to its newline or the end, is reported and
//! echoed once, and nothing else is ever sent or kept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tp0::server::connection::{Connection, Error, Next};
use tp0::sys::poll::Interest;
use tp0_fuzz::Script;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (limit, scratch, script) = input;
    run(usize::from(limit).max(1), usize::from(scratch).max(1), Script::new(script));
});

fn run(limit: usize, scratch: usize, mut stream: Script) {
    let (mut connection, mut scratch) = (Connection::NEW, vec![0; scratch]);
    let (mut message, mut echoed) = (None, false);
    let end = loop {
        let over = stream.is_over();
        stream.read_calls = 0;
        let report = |bytes: &[u8]| {
            assert!(message.is_none(), "reported twice");
            message = Some(bytes.to_vec());
        };
        let step = connection.advance(&mut stream, &mut scratch, limit, report);
        assert!(stream.read_calls <= 1, "one peer holds up the others");
        assert!(kept(&connection) <= (2 * limit).max(8), "kept: {}", kept(&connection));
        if let Some(message) = &message {
            assert_eq!(Some(&message[..]), expected(&stream).filter(|bytes| bytes.len() <= limit));
        }
        let sent = message.as_deref().unwrap_or_default();
        assert!(sent.starts_with(&stream.taken), "sent what it did not receive");
        match step {
            Ok(Next::HalfClose) => {
                assert!(!echoed && message.is_some() && stream.taken == sent);
                echoed = true;
            }
            Ok(Next::Await(Interest::Readable)) if over => break None,
            Ok(Next::Await(_)) => {}
            Ok(Next::Close) => {
                assert!(stream.ended || stream.failed);
                break None;
            }
            Err(Error::TooLong(_)) => {
                let part = expected(&stream).unwrap_or(&stream.given);
                assert!(part.len() > limit && message.is_none());
                return;
            }
            Err(failure) => break Some(failure),
        }
    };
    match end {
        Some(Error::Empty) => assert!(stream.ended && stream.given.is_empty()),
        Some(_) => assert!(stream.failed && !echoed),
        None => assert_eq!(echoed, expected(&stream).is_some(), "no echo of a whole message"),
    }
}

/// The message in what the peer has said, if it is whole.
fn expected(stream: &Script) -> Option<&[u8]> {
    let newline = stream.given.iter().position(|&byte| byte == b'\n');
    match newline {
        Some(at) => Some(&stream.given[..=at]),
        None => (stream.ended && !stream.given.is_empty()).then_some(&stream.given[..]),
    }
}

/// The bytes of the connection's buffer, used or not.
fn kept(connection: &Connection) -> usize {
    match connection {
        Connection::Receiving(buffer) => buffer.capacity(),
        Connection::Sending { message, .. } => message.capacity(),
        Connection::Lingering => 0,
    }
}
