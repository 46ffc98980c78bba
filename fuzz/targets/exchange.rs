//! The client's exchange: it sends the message once, and only the message's echo is a success.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tp0::client::exchange::{Error, Exchange, Progress};
use tp0::sys::poll::Interest;

const MESSAGE: &[u8] = b"ab\n";

fuzz_target!(|script: &[u8]| {
    let mut stream = tp0_fuzz::script(script);
    let mut exchange = Exchange::new(MESSAGE);
    loop {
        let over = stream.arrivals.is_empty();
        let step = exchange.advance(&mut stream);
        assert!(MESSAGE.starts_with(&stream.taken), "sent something else");
        match step {
            Ok(Progress::Done) => {
                assert_eq!((&stream.taken[..], &stream.given[..]), (MESSAGE, MESSAGE));
                return;
            }
            Ok(Progress::Wait(Interest::Readable)) if over => {
                assert_eq!(stream.taken, MESSAGE);
                return assert!(MESSAGE.starts_with(&stream.given) && stream.given != MESSAGE);
            }
            Ok(Progress::Wait(Interest::Readable)) => assert_eq!(stream.taken, MESSAGE),
            Ok(Progress::Wait(Interest::Writable)) => assert_ne!(stream.taken, MESSAGE),
            Err(Error::Differs(_)) => return assert!(!MESSAGE.starts_with(&stream.given)),
            Err(Error::Io(error)) => {
                let (received, expected) = (stream.given.len(), MESSAGE.len());
                let cut = format!("the answer ended after {received} of {expected} bytes");
                let is_cut = stream.has_ended && received < expected && error.to_string() == cut;
                return assert!(stream.has_failed || is_cut && MESSAGE.starts_with(&stream.given));
            }
        }
    }
});
