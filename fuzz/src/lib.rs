//! The targets share this: a check of every settings file, and a peer that follows a script.
#![forbid(unsafe_code)]

#[path = "../../tests/support/script.rs"]
pub mod script;

use script::{Arrival, Room, Script};
use tp0::config::document::Entry;

/// The script that arbitrary bytes stand for. Each call is a byte that says which call it is, and an argument: a length
/// and as many bytes for a read, a room for a write.
pub fn script(mut bytes: &[u8]) -> Script {
    let mut script = Script::default();
    while let Some(call) = next(&mut bytes) {
        match call % 8 {
            0..=2 => {
                let length = next(&mut bytes).unwrap_or_default().into();
                let (chunk, rest) = bytes.split_at(bytes.len().min(length));
                bytes = rest;
                // A read of no bytes would be an end of stream.
                if !chunk.is_empty() {
                    script.arrivals.push_back(Arrival::Bytes(chunk.to_vec()));
                }
            }
            3 => script.arrivals.push_back(Arrival::Nothing),
            4 => script.arrivals.push_back(Arrival::End),
            5 => script.arrivals.push_back(Arrival::Reset),
            6 => script.rooms.push_back(Room::For(next(&mut bytes).unwrap_or_default().into())),
            _ => script.rooms.push_back(match next(&mut bytes).unwrap_or_default() % 4 {
                0 => Room::Refused,
                _ => Room::Wait,
            }),
        }
    }
    script
}

fn next(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

/// Reads `text` with `parse`, which must not panic, and checks what holds for any text.
pub fn check(parse: fn(&str) -> Result<Vec<Entry>, String>, text: &str) {
    let parsed = parse(text);
    let lines = 1..=text.lines().count();
    match &parsed {
        Ok(entries) => entries.iter().for_each(|entry| {
            assert!(lines.contains(&entry.line), "{entry:?}");
            assert!(!entry.key.is_empty() && entry.key == entry.key.to_lowercase(), "{entry:?}");
            let others = entries.iter().filter(|other| other.key == entry.key);
            assert_eq!(others.count(), 1, "{entry:?}");
        }),
        Err(error) => {
            let (line, _) = error.split_once(": ").expect("a line and a reason");
            assert!(lines.contains(&line.parse().expect("a line")), "{error}");
            assert!(!error.contains(['\n', '\r']), "{error:?}");
        }
    }
    // A byte order mark, line ends and a comment at the end change nothing.
    if !text.starts_with('\u{feff}') {
        assert_eq!(parse(&format!("\u{feff}{text}")), parsed);
    }
    if !text.contains('\r') {
        assert_eq!(parse(&text.replace('\n', "\r\n")), parsed);
        assert_eq!(parse(&format!("{text}\n# comment\n")), parsed);
    }
}
