//! The library's parsers at the end of a pipe, for the comparison with the reference parsers:
//! `parse ini|yaml|duration` reads documents from stdin, each its length in bytes on a line and then its
//! text, and answers each with one line of JSON. An example to Cargo, which then neither installs it nor
//! builds it into an image.

use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

use tp0::config::document::Entry;
use tp0::config::{duration, ini, yaml};

fn main() -> ExitCode {
    let answer = match std::env::args().nth(1).as_deref() {
        Some("ini") => |text: &str| document(ini::parse(text)),
        Some("yaml") => |text: &str| document(yaml::parse(text)),
        Some("duration") => duration,
        _ => {
            eprintln!("usage: parse ini|yaml|duration");
            return ExitCode::from(2);
        }
    };
    match serve(answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parse: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(answer: fn(&str) -> String) -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut length = String::new();
    while input.read_line(&mut length)? > 0 {
        let mut text = vec![0; length.trim_end().parse().map_err(io::Error::other)?];
        input.read_exact(&mut text)?;
        let text = String::from_utf8(text).map_err(io::Error::other)?;
        writeln!(output, "{}", answer(&text))?;
        output.flush()?;
        length.clear();
    }
    Ok(())
}

fn document(result: Result<Vec<Entry>, String>) -> String {
    match result {
        Ok(entries) => {
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{\"entries\": [{}]}}", entries.join(", "))
        }
        Err(reason) => format!("{{\"reason\": {}}}", string(&reason)),
    }
}

fn entry(entry: &Entry) -> String {
    format!("[{}, {}, {}]", string(&entry.key), string(&entry.value), entry.line)
}

fn duration(text: &str) -> String {
    match duration::parse(text) {
        Ok(found) => {
            let printed = duration::GoDuration(found).to_string();
            format!("{{\"nanoseconds\": {}, \"text\": {}}}", found.as_nanos(), string(&printed))
        }
        Err(reason) => format!("{{\"reason\": {}}}", string(&reason)),
    }
}

/// A JSON string (RFC 8259 §7).
fn string(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '\0'..='\x1f' => json += &format!("\\u{:04x}", u32::from(c)),
            _ => json.push(c),
        }
    }
    json + "\""
}
