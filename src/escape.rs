//! Untrusted text as the value of a field in a log line.

use std::fmt;

/// Untrusted bytes, escaped so that they cannot forge a line or a field, nor steer a terminal. Bytes that are not UTF-8
/// are escaped too. Distinct bytes stay distinct.
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
            for &byte in chunk.invalid() {
                escape_byte(f, byte)?;
            }
        }
        Ok(())
    }
}

/// How many bytes of a message a line shows, because Docker's log drivers split a line of 16 KiB.
const SHOWN: usize = 1024;

/// A message, without its newline. Of a long one the line shows the start, and how many bytes there are in all.
pub struct Message<'a>(pub &'a [u8]);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.strip_suffix(b"\n").unwrap_or(self.0);
        if text.len() <= SHOWN {
            return Escaped(text).fmt(f);
        }
        write!(f, "{}… ({} bytes)", Escaped(&text[..SHOWN]), self.0.len())
    }
}

/// Whether it is a control character, or one of Unicode's own line ends, or separates fields, or begins an escape.
fn must_be_escaped(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '|' | '\\')
}

fn escape(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\\' => f.write_str("\\\\"),
        c if c.is_ascii() => escape_byte(f, c as u8),
        c => write!(f, "\\u{{{:x}}}", u32::from(c)),
    }
}

fn escape_byte(f: &mut fmt::Formatter<'_>, byte: u8) -> fmt::Result {
    write!(f, "\\x{byte:02x}")
}

#[cfg(test)]
mod tests {
    use super::{Escaped, Message};

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
            ("\u{85}\u{2028}\u{2029}".as_bytes(), "\\u{85}\\u{2028}\\u{2029}"),
            ("日本語 🙂".as_bytes(), "日本語 🙂"),
        ];
        for (bytes, expected) in table {
            assert_eq!(Escaped(bytes).to_string(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn shows_the_start_of_a_long_message_and_its_length() {
        for (length, expected) in [
            (0, String::new()),
            (1023, "x".repeat(1023)),
            (1024, "x".repeat(1024)),
            (1025, format!("{}… (1026 bytes)", "x".repeat(1024))),
            (65535, format!("{}… (65536 bytes)", "x".repeat(1024))),
        ] {
            let message = "x".repeat(length) + "\n";
            assert_eq!(Message(message.as_bytes()).to_string(), expected, "{length}");
        }
        assert_eq!(Message(b"no newline").to_string(), "no newline");
    }
}
