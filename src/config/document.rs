//! What the parsers of settings files share: the lines they read and the entries they answer with.

use std::fmt;

/// One setting as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Lower case; nesting is written with dots (`server.address`). INI's section `DEFAULT` adds no
    /// prefix, any other section does (`other.key`).
    pub key: String,
    pub value: String,
    /// Line of the key, from 1.
    pub line: usize,
}

/// A document that is refused: the line, from 1, and the reason, lower case, no full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    pub line: usize,
    pub reason: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.reason)
    }
}

/// Hands `read` each line of a document and its number, from 1: without its end (LF, CRLF or CR, which
/// Python's universal newlines and YAML 1.2.2 §5.4 agree on) and without a byte order mark at the start.
///
/// # Errors
///
/// The first line that `read` refuses, or that has a character on which the reference parsers disagree,
/// wherever it stands.
pub fn read_lines(
    text: &str,
    mut read: impl FnMut(usize, &str) -> Result<(), String>,
) -> Result<(), SyntaxError> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let (line, after) = rest.split_at(rest.find(['\n', '\r']).unwrap_or(rest.len()));
        let result = match line.chars().find(|&c| is_ambiguous(c)) {
            Some(c) => Err(format!("the character U+{:04X} is not allowed", u32::from(c))),
            None => read(number, line),
        };
        result.map_err(|reason| SyntaxError { line: number, reason })?;
        rest = after.strip_prefix("\r\n").unwrap_or_else(|| after.get(1..).unwrap_or_default());
    }
    Ok(())
}

/// Control characters but the tab: PyYAML refuses them, and Python strips U+001C to U+001F as spaces
/// where Rust does not. U+2028 and U+2029: they end a line in YAML 1.1 and not in 1.2. A byte order
/// mark inside the text and the two noncharacters: not printable by YAML 1.2.2 §5.1.
fn is_ambiguous(c: char) -> bool {
    c.is_control() && c != '\t'
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// For the tables of the parsers' tests: entries as `key=value@line`, or the refusal.
#[cfg(test)]
pub fn shown(result: Result<Vec<Entry>, SyntaxError>) -> String {
    let show = |entry: &Entry| format!("{}={}@{}", entry.key, entry.value, entry.line);
    match result {
        Ok(entries) => entries.iter().map(show).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string(),
    }
}
