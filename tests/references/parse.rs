//! The parsers at the end of a pipe, for the comparison with the reference parsers. `parse ini|yaml|duration` reads
//! texts from stdin, each with the byte 0xff after it, which UTF-8 never has. It answers each with a line of JSON:
//! pairs of key and value, or nanoseconds and the printed duration, or null if the parser refuses the text.

use std::io::{self, BufRead};

use tp0::config::document::Entry;
use tp0::config::duration::{self, GoDuration};
use tp0::config::{ini, yaml};

fn main() -> io::Result<()> {
    let answer = match std::env::args().nth(1).as_deref() {
        Some("ini") => |text: &str| document(ini::parse(text)),
        Some("yaml") => |text: &str| document(yaml::parse(text)),
        Some("duration") => duration,
        _ => panic!("usage: parse ini|yaml|duration"),
    };
    for text in io::stdin().lock().split(0xff) {
        let text = String::from_utf8(text?).expect("UTF-8");
        println!("{}", answer(&text));
    }
    Ok(())
}

fn document(result: Result<Vec<Entry>, String>) -> String {
    let Ok(entries) = result else { return "null".to_owned() };
    let pairs =
        entries.iter().map(|entry| format!("[{}, {}]", json(&entry.key), json(&entry.value)));
    format!("[{}]", pairs.collect::<Vec<_>>().join(", "))
}

fn duration(text: &str) -> String {
    let Ok(duration) = duration::parse(text) else { return "null".to_owned() };
    format!("[{}, {}]", duration.as_nanos(), json(&GoDuration(duration).to_string()))
}

/// A JSON string, except that it leaves control characters as they are.
fn json(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
