//! What the parsers of settings files share: the lines they read and the entries they return.

/// One setting as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Lower case; nesting is written with dots (`server.address`). INI's section `DEFAULT` adds no
    /// prefix, any other section does (`other.key`).
    pub key: String,
    pub value: String,
    /// The line of the key, from 1.
    pub line: usize,
}

/// The lines of a document and their numbers, from 1, without their ends (LF or CRLF) and without the byte order mark
/// that may stand before the first one.
pub fn numbered_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    (1..).zip(text.lines())
}

/// Refuses a line with a character on which the reference parsers disagree, wherever it stands.
pub fn check_characters(line: &str) -> Result<(), String> {
    match line.chars().find(|&c| is_ambiguous(c)) {
        Some(c) => Err(format!("the character U+{:04X} is not allowed", u32::from(c))),
        None => Ok(()),
    }
}

/// PyYAML refuses control characters except the tab, and Python strips U+001C to U+001F as spaces where Rust does not.
/// U+2028 and U+2029 end a line in YAML 1.1 and not in 1.2. A byte order mark inside the text and the two noncharacters
/// are not printable (YAML 1.2.2 §5.1).
fn is_ambiguous(c: char) -> bool {
    c.is_control() && c != '\t'
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Checks a parser with a table. Each line is a document, with `\n`, `\r` and `\t` in it, and what the parser returns:
/// entries as `key=value@line`, or the refusal.
#[cfg(test)]
pub fn assert_parses(parse: fn(&str) -> Result<Vec<Entry>, String>, table: &str) {
    for line in table.trim().lines() {
        let (text, expected) = line.split_once(" =>").expect("a document and a result");
        let text = text.trim_start().replace(r"\n", "\n").replace(r"\r", "\r").replace(r"\t", "\t");
        let result = match parse(&text) {
            Ok(entries) => {
                let entries = entries.iter().map(|e| format!("{}={}@{}", e.key, e.value, e.line));
                entries.collect::<Vec<_>>().join(" ")
            }
            Err(refusal) => refusal,
        };
        assert_eq!(result, expected.trim(), "{text:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_no_ends_and_no_byte_order_mark() {
        let lines: Vec<_> = numbered_lines("\u{feff}a\r\n\nb\n").collect();
        assert_eq!(lines, [(1, "a"), (2, ""), (3, "b")]);
    }

    #[test]
    fn characters_on_which_parsers_disagree_are_refused() {
        assert_eq!(check_characters("a\tñ"), Ok(()));
        for c in "\0\r\u{1f}\u{7f}\u{85}\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}".chars() {
            let refusal = format!("the character U+{:04X} is not allowed", u32::from(c));
            assert_eq!(check_characters(&format!("a{c}b")), Err(refusal));
        }
    }
}
