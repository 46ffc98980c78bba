//! The targets share this: a check of every settings file, and a peer that follows a script.
#![forbid(unsafe_code)]

#[path = "../../tests/support/script.rs"]
pub mod script;
mod settings;

use script::{Arrival, Room, Script};
pub use settings::check;

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
