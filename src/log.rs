//! Log lines: `2026-11-23 17:33:53 INFO     action: … | result: … | key: value`.

use std::fmt::{self, Arguments, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sys::stdout;
use crate::sys::time::local_time;

/// How much a line matters. Python's names and Go's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
}

impl Level {
    /// Reads a level's name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let known = NAMES.iter().find(|(known, _)| known.trim_end().eq_ignore_ascii_case(name));
        known.map(|&(_, level)| level)
    }
}

/// First the names as a line shows them, by level; then other names that settings accept. Padded here, so
/// that a line needs no formatting for it.
const NAMES: [(&str, Level); 8] = [
    ("DEBUG   ", Level::Debug),
    ("INFO    ", Level::Info),
    ("NOTICE  ", Level::Notice),
    ("WARNING ", Level::Warning),
    ("ERROR   ", Level::Error),
    ("CRITICAL", Level::Critical),
    ("WARN", Level::Warning),
    ("FATAL", Level::Critical),
];

/// Lines on their way to stdout. Each worker has its own, and writes all its lines at once.
#[derive(Debug)]
pub struct Log {
    level: Level,
    lines: Vec<u8>,
    /// The second that `timestamp` shows: the C library is asked once a second, not once a line.
    second: u64,
    timestamp: String,
}

/// Bytes of lines that are gathered before they are written, and kept allocated afterwards.
const GATHERED: usize = 64 * 1024;

impl Log {
    /// A log of the lines at `level` and above.
    pub fn new(level: Level) -> Self {
        Self { level, lines: Vec::new(), second: u64::MAX, timestamp: String::new() }
    }

    pub fn debug(&mut self, line: Arguments<'_>) {
        self.write(Level::Debug, line);
    }

    pub fn info(&mut self, line: Arguments<'_>) {
        self.write(Level::Info, line);
    }

    pub fn warning(&mut self, line: Arguments<'_>) {
        self.write(Level::Warning, line);
    }

    pub fn error(&mut self, line: Arguments<'_>) {
        self.write(Level::Error, line);
    }

    /// Adds a line in memory, which [`Log::flush`] writes out. Above 64 KiB this flushes by itself. A line for
    /// which there is no memory is lost.
    pub fn write(&mut self, level: Level, line: Arguments<'_>) {
        if level < self.level {
            return;
        }
        self.update_timestamp();
        let start = self.lines.len();
        let mut lines = Fallible(&mut self.lines);
        if writeln!(lines, "{} {} {line}", self.timestamp, NAMES[level as usize].0).is_err() {
            self.lines.truncate(start);
        }
        if self.lines.len() > GATHERED {
            self.flush();
        }
    }

    fn update_timestamp(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if now != self.second {
            self.second = now;
            self.timestamp = local_time(now as i64);
        }
    }

    /// Writes the lines out. An error does not stop the program: see [`stdout::write_lines`] for what is
    /// lost.
    pub fn flush(&mut self) {
        if !self.lines.is_empty() {
            stdout::write_lines(&self.lines);
            self.lines.clear();
            self.lines.shrink_to(GATHERED);
        }
    }
}

/// Text that fails to grow where there is no memory: a line is up to four times as long as its
/// message, and too little memory for one line must not end the program.
struct Fallible<'a>(&'a mut Vec<u8>);

impl fmt::Write for Fallible<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.try_reserve(text.len()).map_err(|_| fmt::Error)?;
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Bytes from elsewhere as the value of a field: whatever could end the field or the line, or steer
/// a terminal, is escaped, and so is what is not UTF-8. Distinct bytes stay distinct.
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let mut rest = chunk.valid();
            while let Some((at, c)) = rest.char_indices().find(|&(_, c)| must_be_escaped(c)) {
                f.write_str(&rest[..at])?;
                escape(f, c)?;
                rest = &rest[at + c.len_utf8()..];
            }
            f.write_str(rest)?;
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Beside the control characters: the separators of fields and escapes, Unicode's own line ends, and
/// the marks that turn the direction of what follows.
fn must_be_escaped(c: char) -> bool {
    match c {
        ' '..='~' => matches!(c, '|' | '\\'),
        _ => c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'),
    }
}

fn escape(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\\' => f.write_str("\\\\"),
        c if c.is_ascii() => write!(f, "\\x{:02x}", u32::from(c)),
        c => write!(f, "\\u{{{:x}}}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Escaped, Level, NAMES};

    #[test]
    fn levels() {
        for (name, level) in [
            ("CRITICAL", Level::Critical),
            ("fatal", Level::Critical),
            ("Error", Level::Error),
            ("WARNING", Level::Warning),
            ("warn", Level::Warning),
            ("NOTICE", Level::Notice),
            ("info", Level::Info),
            ("DEBUG", Level::Debug),
        ] {
            assert_eq!(Level::parse(name), Some(level), "{name}");
            let (shown, of) = NAMES[level as usize];
            assert_eq!((shown.len(), of), (8, level), "{name}");
        }
        assert_eq!(Level::parse("loud"), None);
        assert_eq!(Level::parse(""), None);
    }

    #[test]
    fn escapes() {
        let table: [(&[u8], &str); 12] = [
            (b"", ""),
            ("[CLIENT 1] Message N°1".as_bytes(), "[CLIENT 1] Message N°1"),
            (b"a\nb\r\n", "a\\nb\\r\\n"),
            (b"tab\there", "tab\\there"),
            (b"x | result: fail", "x \\x7c result: fail"),
            (b"\\n", "\\\\n"),
            (b"\x1b[31mred\x07", "\\x1b[31mred\\x07"),
            (b"\0\x7f", "\\x00\\x7f"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"caf\xc3", "caf\\xc3"),
            ("\u{85}\u{2028}\u{202e}".as_bytes(), "\\u{85}\\u{2028}\\u{202e}"),
            ("日本語 🙂".as_bytes(), "日本語 🙂"),
        ];
        for (bytes, expected) in table {
            assert_eq!(Escaped(bytes).to_string(), expected, "{bytes:?}");
        }
    }
}
