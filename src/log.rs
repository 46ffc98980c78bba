//! Log lines: `2026-11-23 17:33:53 INFO     action: … | result: … | key: value`.

use std::fmt::{Arguments, Write as _};
use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sys::time::local_time;

/// How much a line matters. The names are those of Python and Go.
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
        match name.to_ascii_uppercase().as_str() {
            "DEBUG" => Some(Self::Debug),
            "INFO" => Some(Self::Info),
            "NOTICE" => Some(Self::Notice),
            "WARNING" | "WARN" => Some(Self::Warning),
            "ERROR" => Some(Self::Error),
            "CRITICAL" | "FATAL" => Some(Self::Critical),
            _ => None,
        }
    }

    /// The name as a line shows it, padded to eight characters.
    fn padded_name(self) -> &'static str {
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

/// Lines on their way to stdout. Each worker has its own log, and writes the lines of a loop iteration together.
#[derive(Debug)]
pub struct Log {
    level: Level,
    lines: String,
    /// The second that `timestamp` shows. The log asks the C library once per second, not once per line.
    second: u64,
    timestamp: String,
}

/// The log flushes by itself when it holds more bytes than these.
const BUFFER: usize = 64 * 1024;

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

    /// Adds a line in memory, which [`Log::flush`] writes out.
    pub fn write(&mut self, level: Level, line: Arguments<'_>) {
        if level < self.level {
            return;
        }
        self.update_timestamp();
        let name = level.padded_name();
        writeln!(self.lines, "{} {name} {line}", self.timestamp).expect("a String takes all");
        if self.lines.len() > BUFFER {
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

    /// Writes the lines out, in one write while stdout takes them. If stdout is closed or broken, the lines are lost.
    pub fn flush(&mut self) {
        if !self.lines.is_empty() {
            // std writes whole lines at once and holds none of them back.
            let _ = io::stdout().lock().write_all(self.lines.as_bytes());
            self.lines.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

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
            assert_eq!(level.padded_name().len(), 8, "{name}");
        }
        use Level::*;
        assert!([Debug, Info, Notice, Warning, Error, Critical].is_sorted());
        assert_eq!(Level::parse("loud"), None);
        assert_eq!(Level::parse(""), None);
    }
}
