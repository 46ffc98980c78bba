//! The client's exchange: the message is sent once, and only its echo is a success.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tp0::client::exchange::{Exchange, Failure, Step};
use tp0_fuzz::Script;

const MESSAGE: &[u8] = b"ab\n";

fuzz_target!(|script: &[u8]| {
    let mut stream = Script::new(script);
    let mut exchange = Exchange::new(MESSAGE);
    loop {
        let over = stream.is_over();
        let step = exchange.advance(&mut stream);
        assert!(MESSAGE.starts_with(&stream.taken), "sent something else");
        match step {
            Ok(Step::Done) => {
                assert_eq!((&stream.taken[..], &stream.given[..]), (MESSAGE, MESSAGE));
                return;
            }
            Ok(Step::AwaitReadable) if over => {
                assert_eq!(stream.taken, MESSAGE);
                return assert!(MESSAGE.starts_with(&stream.given) && stream.given != MESSAGE);
            }
            Ok(Step::AwaitReadable) => assert_eq!(stream.taken, MESSAGE),
            Ok(Step::AwaitWritable) => assert_ne!(stream.taken, MESSAGE),
            Err(Failure::Differs(_)) => return assert!(!MESSAGE.starts_with(&stream.given)),
            Err(Failure::CutShort(received, _)) => {
                assert!(stream.ended && received == stream.given.len());
                return assert!(MESSAGE.starts_with(&stream.given) && received < MESSAGE.len());
            }
            Err(Failure::Io(_)) => return assert!(stream.failed),
        }
    }
});
