//! Log lines: `2026-11-23 17:33:53 INFO     action: … | result: … | key: value`.

use std::fmt::{self, Arguments, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sys::{self, local_time};

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
        Some(match name.to_ascii_uppercase().as_str() {
            "DEBUG" => Self::Debug,
            "INFO" => Self::Info,
            "NOTICE" => Self::Notice,
            "WARNING" | "WARN" => Self::Warning,
            "ERROR" => Self::Error,
            "CRITICAL" | "FATAL" => Self::Critical,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Notice => "NOTICE",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

/// Lines on their way to stdout. Each thread has its own; [`Log::flush`] hands over all its lines in
/// one write, so that lines of several threads never mix.
#[derive(Debug)]
pub struct Log {
    level: Level,
    lines: String,
    /// The second that `timestamp` shows: the C library is asked once a second, not once a line.
    second: u64,
    timestamp: String,
}

/// The buffer that is kept between two turns, in bytes.
const KEEP: usize = 64 * 1024;

impl Log {
    /// A log of the lines at `level` and above.
    pub fn new(level: Level) -> Self {
        Self { level, lines: String::new(), second: u64::MAX, timestamp: String::new() }
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

    pub fn write(&mut self, level: Level, line: Arguments<'_>) {
        if level < self.level {
            return;
        }
        self.tick();
        let start = self.lines.len();
        let mut lines = Reserving(&mut self.lines);
        if writeln!(lines, "{} {:<8} {line}", self.timestamp, level.name()).is_err() {
            self.lines.truncate(start);
        }
    }

    fn tick(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if now != self.second {
            self.second = now;
            let t = local_time(now as i64);
            self.timestamp = format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
                t.year, t.month, t.day, t.hour, t.minute, t.second
            );
        }
    }

    /// Writes out what there is. A stdout that is closed or broken, or a full disk, costs the lines and
    /// nothing else: the program's work is not its log. A full pipe is waited for, as lines are not
    /// dropped; a second signal ends that too.
    pub fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let mut is_torn = IS_TORN.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_torn {
            self.lines.insert(0, '\n');
        }
        let bytes = self.lines.as_bytes();
        if let Some(last) = sys::write_to_stdout(bytes).checked_sub(1) {
            *is_torn = bytes[last] != b'\n';
        }
        self.lines.clear();
        self.lines.shrink_to(KEEP);
    }
}

/// Text that fails to grow where there is no memory for it. A large message makes a line of four times
/// its length: too little memory for that costs the line, and not the program.
struct Reserving<'a>(&'a mut String);

impl fmt::Write for Reserving<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.try_reserve(text.len()).map_err(|_| fmt::Error)?;
        self.0.push_str(text);
        Ok(())
    }
}

/// Whether the last line on stdout lacks its end, because a disk was full just then. Locked while
/// lines are written: those of several threads do not mix.
static IS_TORN: Mutex<bool> = Mutex::new(false);

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
    use super::{Escaped, Level};

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
