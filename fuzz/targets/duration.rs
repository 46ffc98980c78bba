//! A duration that the parser reads can be printed, and the parser reads the printed text as the same duration.
#![no_main]

use std::time::Duration;

use tp0::config::duration::{self, GoDuration};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(duration) =
        std::str::from_utf8(bytes).ok().and_then(|text| duration::parse(text).ok())
    {
        check(duration);
    }
    if let Some(number) = bytes.first_chunk() {
        check(Duration::from_nanos(u64::from_le_bytes(*number) >> 1));
    }
});

fn check(duration: Duration) {
    assert_eq!(duration::parse(&GoDuration(duration).to_string()), Ok(duration));
}
