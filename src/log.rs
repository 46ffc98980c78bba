//! Log lines: `2026-11-23 17:33:53 INFO     action: … | result: … | key: value`.

use std::fmt::{self, Arguments, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

    /// Its name as a line shows it, padded: the formatter would write each blank by itself.
    fn padded(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG   ",
            Self::Info => "INFO    ",
            Self::Notice => "NOTICE  ",
            Self::Warning => "WARNING ",
            Self::Error => "ERROR   ",
            Self::Critical => "CRITICAL",
        }
    }
}

/// Lines on their way to stdout. Each thread has its own, and hands over all its lines in one write, so
/// that lines of several threads never mix.
#[derive(Debug)]
pub struct Log {
    level: Level,
    lines: Vec<u8>,
    /// When lines were last written in time.
    written: Instant,
    /// The second that `timestamp` shows: the C library is asked once a second, not once a line.
    second: u64,
    timestamp: String,
}

/// The buffer that is kept between two writes, in bytes. More than that is written without delay.
const KEEP: usize = 64 * 1024;
/// More than that is not gathered, in bytes, even of one turn.
const MOST: usize = 1024 * 1024;
/// From one write of a busy program to the next, at the least: waking whoever reads a pipe costs more than
/// many lines do.
const INTERVAL: Duration = Duration::from_millis(1);
/// How long lines wait for others at the most. More than a tick of the kernel's clock (4 ms, as a rule), which
/// then need not be set for it.
const LATEST: Duration = Duration::from_millis(5);

impl Log {
    /// A log of the lines at `level` and above.
    pub fn new(level: Level) -> Self {
        let (lines, timestamp) = (Vec::new(), String::new());
        Self { level, lines, written: Instant::now(), second: u64::MAX, timestamp }
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
        if writeln!(lines, "{} {} {line}", self.timestamp, level.padded()).is_err() {
            self.lines.truncate(start);
        }
        if self.lines.len() > MOST {
            self.flush();
        }
    }

    fn tick(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if now != self.second {
            self.second = now;
            let t = local_time(now as i64);
            self.timestamp.clear();
            // Text never fails to grow by so little: the room for it is kept.
            let _ = write!(
                self.timestamp,
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
                t.year, t.month, t.day, t.hour, t.minute, t.second
            );
        }
    }

    /// Writes out what there is, unless it has just done so: then the lines wait a moment for more of them.
    pub fn flush_in_time(&mut self, now: Instant) {
        let is_time = now >= self.written + INTERVAL || self.lines.len() > KEEP;
        if is_time && !self.lines.is_empty() {
            self.flush();
            self.written = now;
        }
    }

    /// By when the lines that wait are to be written, if there are any.
    pub fn due(&self) -> Option<Instant> {
        (!self.lines.is_empty()).then_some(self.written + LATEST)
    }

    /// Writes out what there is. A stdout that is closed or broken, or a full disk, costs the lines and
    /// nothing else: the program's work is not its log. A full pipe is waited for, as lines are not
    /// dropped; a second signal ends that too.
    pub fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let mut is_torn = IS_TORN.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_torn && self.lines.try_reserve(1).is_ok() {
            self.lines.insert(0, b'\n');
        }
        if let Some(last) = stdout::write(&self.lines).checked_sub(1) {
            *is_torn = self.lines[last] != b'\n';
        }
        self.lines.clear();
        self.lines.shrink_to(KEEP);
    }
}

/// Text that fails to grow where there is no memory for it. A large message makes a line of four times
/// its length: too little memory for that costs the line, and not the program.
struct Reserving<'a>(&'a mut Vec<u8>);

/// In bytes. A shorter piece is copied byte by byte, and most of them are: a dot or a number of an
/// address, a blank, a level. musl's memcpy takes longer than that to begin.
const SHORT: usize = 32;

impl fmt::Write for Reserving<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.capacity() - self.0.len() < text.len() {
            self.0.try_reserve(text.len()).map_err(|_| fmt::Error)?;
        }
        match text.len() {
            ..SHORT => text.bytes().for_each(|byte| self.0.push(byte)),
            _ => self.0.extend_from_slice(text.as_bytes()),
        }
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
            assert_eq!(Level::parse(level.padded().trim_end()), Some(level), "{name}");
            assert_eq!(level.padded().len(), 8, "{name}");
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
