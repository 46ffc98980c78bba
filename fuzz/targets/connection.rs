//! The server's connection: it takes the bytes up to the newline or the end of stream as the message, echoes them once,
//! and never sends or keeps anything else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tp0::server::connection::{Connection, Error, Received};
use tp0_fuzz::script::Script;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (limit, scratch, bytes) = input;
    let mut scratch = vec![0; usize::from(scratch).max(1)];
    run(usize::from(limit).max(1), &mut scratch, tp0_fuzz::script(bytes));
});

fn run(limit: usize, scratch: &mut [u8], mut stream: Script) {
    let mut connection = Connection::NEW;
    loop {
        let is_over = stream.arrivals.is_empty();
        stream.reads = 0;
        match connection.receive(&mut stream, scratch, limit) {
            Ok(Received::Message) => break,
            Ok(Received::End) => {
                return assert!((stream.has_ended || stream.has_failed) && stream.given.is_empty());
            }
            Ok(Received::Nothing) if is_over => {
                return assert!(expected(&stream).is_none(), "a whole message is kept");
            }
            Ok(Received::Nothing | Received::Part) => {}
            Err(Error::TooLong(_)) => {
                let part = expected(&stream).unwrap_or(&stream.given);
                return assert!(part.len() > limit);
            }
            Err(Error::Io(_)) => return assert!(stream.has_failed),
        }
        assert!(stream.reads <= 1, "one peer holds up the others");
        let Connection::Receiving(buffer) = &connection else { panic!("{connection:?}") };
        assert!(buffer.capacity() <= (2 * limit).max(8), "kept: {}", buffer.capacity());
    }
    let message = expected(&stream).expect("a whole message").to_vec();
    assert!(message.len() <= limit);
    while let Ok(is_sent) = connection.send(&mut stream) {
        assert!(message.starts_with(&stream.taken), "sent what it did not receive");
        if is_sent {
            return assert_eq!(stream.taken, message);
        }
    }
    assert!(stream.has_failed);
}

/// The message in the bytes that the peer has sent, if it is whole.
fn expected(stream: &Script) -> Option<&[u8]> {
    let newline = stream.given.iter().position(|&byte| byte == b'\n');
    match newline {
        Some(at) => Some(&stream.given[..=at]),
        None => (stream.has_ended && !stream.given.is_empty()).then_some(&stream.given[..]),
    }
}
