//! Settings in the INI of Python's `configparser.ConfigParser` with its default options.
//!
//! This parser refuses what that one refuses. It also refuses what that one reads in a way that a reader of the file
//! may not expect: continuation lines, `%` interpolation, text after a section header. Source: "Supported INI File
//! Structure" in the documentation of `configparser`.

use std::collections::HashMap;

use super::document::{Entry, check_characters, numbered_lines};

/// The section whose keys get no prefix (`configparser.DEFAULTSECT`, case-sensitive).
const DEFAULT_SECTION: &str = "DEFAULT";

/// Reads a whole document. A comment stands on a line of its own: in `5 ; five`, all of it is the
/// value, as in `configparser`.
///
/// # Errors
///
/// The first line that the parser refuses, and why: `3: "PORT" is already set on line 2`.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut parser = Parser::default();
    for (number, line) in numbered_lines(text) {
        parser.read(number, line).map_err(|reason| format!("{number}: {reason}"))?;
    }
    Ok(parser.entries)
}

#[derive(Default)]
struct Parser {
    /// Prefix of the current section's keys; `None` before the first header.
    prefix: Option<String>,
    /// Indentation of the setting above, whose value a deeper line would continue.
    indent_above: Option<usize>,
    /// Line of each section's header, by its name as written.
    sections: HashMap<String, usize>,
    /// Line of each key, by its full name.
    keys: HashMap<String, usize>,
    entries: Vec<Entry>,
}

impl Parser {
    fn read(&mut self, number: usize, line: &str) -> Result<(), String> {
        check_characters(line)?;
        let content = line.trim();
        if is_comment_or_empty(content) {
            return Ok(());
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if self.indent_above.is_some_and(|above| indent > above) {
            return Err(
                "indented deeper than the setting above, whose value it would continue: remove the indentation"
                    .to_owned(),
            );
        }
        if content.starts_with('[') {
            self.indent_above = None;
            self.section(number, content)
        } else {
            self.indent_above = Some(indent);
            self.setting(number, content)
        }
    }

    fn section(&mut self, number: usize, content: &str) -> Result<(), String> {
        let name = section_name(content)?;
        if name == DEFAULT_SECTION {
            // configparser lets this one section go on further down.
            self.prefix = Some(String::new());
            return Ok(());
        }
        if let Some(above) = self.sections.insert(name.to_owned(), number) {
            return Err(format!("the section {name:?} already stands on line {above}"));
        }
        self.prefix = Some(format!("{}.", name.to_lowercase()));
        Ok(())
    }

    fn setting(&mut self, number: usize, content: &str) -> Result<(), String> {
        let Some(prefix) = &self.prefix else {
            return Err(format!("{content:?} stands before the first section, such as [DEFAULT]"));
        };
        let (name, value) = content.split_once(['=', ':']).unwrap_or_default();
        if name.is_empty() {
            return Err(format!("{content:?} has no \"=\" or \":\" after a key"));
        }
        let (name, value) = (name.trim_end(), value.trim_start());
        if value.contains('%') {
            return Err(format!(
                "the value of {name:?} has a \"%\": interpolation is not supported"
            ));
        }
        let key = format!("{prefix}{}", name.to_lowercase());
        if let Some(above) = self.keys.insert(key.clone(), number) {
            return Err(format!("{name:?} is already set on line {above}"));
        }
        self.entries.push(Entry { key, value: value.to_owned(), line: number });
        Ok(())
    }
}

fn is_comment_or_empty(content: &str) -> bool {
    content.is_empty() || content.starts_with(['#', ';'])
}

/// The name in a header, which may have a comment after it. `configparser` takes everything up to
/// the last `]`, keeps the spaces inside and drops what follows: `[DEFAULT] PORT = 1` sets nothing.
fn section_name(content: &str) -> Result<&str, String> {
    let (name, rest) = content[1..].rsplit_once(']').unwrap_or_default();
    let is_name = !name.is_empty() && name == name.trim() && !name.contains(']');
    if is_name && is_comment_or_empty(rest.trim_start()) {
        return Ok(name);
    }
    Err(format!("{content:?} is not a section header, such as [DEFAULT], alone on its line"))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::config::document::assert_parses;

    #[test]
    fn reads_documents() {
        let table = r#"
            [DEFAULT]\r\nA = 1\r\nB=2\r\n => a=1@2 b=2@3
            # c\n; c\n[DEFAULT]\n  # c\nA: 1\n => a=1@5
            [DEFAULT] ; c\nA = 1 => a=1@2
            [DEFAULT]\nA = 1 ; c => a=1 ; c@2
            [DEFAULT]\nA = b = c : d => a=b = c : d@2
            [DEFAULT]\nA : b = c => a=b = c@2
            [DEFAULT]\nA =\nB= => a=@2 b=@3
            [DEFAULT]\nlong key = "x" \t => long key="x"@2
            [DEFAULT]\n  A = 1\n  B = 2\n C = 3\n => a=1@2 b=2@3 c=3@4
            [DEFAULT]\nA = 1\n   # c\nB = 2 => a=1@2 b=2@4
            [DEFAULT]\nA = 1\n[Other]\n  A = 2\n[DEFAULT]\nB = 3\n => a=1@2 other.a=2@4 b=3@6
            [DEFAULT]\nA;B = 1 => a;b=1@2
            [x]\n[X] =>
            [default]\nA = 1 => default.a=1@2
            [a b]\nC = 1 => a b.c=1@2
        "#;
        assert_parses(parse, table);
        assert_parses(parse, "[DEFAULT]\\nA = \u{a0}1\u{a0} => a=1@2");
    }

    #[test]
    fn refuses_documents() {
        let table = r#"
            A = 1 => 1: "A = 1" stands before the first section, such as [DEFAULT]
            [DEFAULT]\nA => 2: "A" has no "=" or ":" after a key
            [DEFAULT]\n = 1 => 2: "= 1" has no "=" or ":" after a key
            [DEFAULT]\nA = 1\na : 1 => 3: "a" is already set on line 2
            [DEFAULT]\nA = 1\n[DEFAULT]\nA = 1 => 4: "A" is already set on line 2
            [DEFAULT]\nx.a = 1\n[x]\nA = 1 => 4: "A" is already set on line 2
            [x]\n[DEFAULT]\n[x] => 3: the section "x" already stands on line 1
            [DEFAULT]\nA = 50% => 2: the value of "A" has a "%": interpolation is not supported
            [DEFAULT]\rA = 1 => 1: the character U+000D is not allowed
        "#;
        assert_parses(parse, table);
    }

    #[test]
    fn refuses_what_would_continue_a_value() {
        let refusal = "indented deeper than the setting above, whose value it would continue: remove the indentation";
        for (text, line) in [
            ("[DEFAULT]\nA = 1\n 2", 3),
            ("[DEFAULT]\nA =\n\n\tB = 2", 4),
            ("[DEFAULT]\nA = 1\n  [other]\nB = 2", 3),
            ("[DEFAULT]\n  A = 1\n B = 2\n  C = 3", 4),
        ] {
            assert_eq!(parse(text), Err(format!("{line}: {refusal}")), "{text:?}");
        }
    }

    #[test]
    fn refuses_headers() {
        for header in
            ["[DEFAULT", "[]", "[ DEFAULT ]", "[DEFAULT]]", "[DEFAULT] ; [x]", "[DEFAULT] A = 1"]
        {
            let refusal = format!(
                "1: {header:?} is not a section header, such as [DEFAULT], alone on its line"
            );
            assert_eq!(parse(header), Err(refusal));
        }
    }
}
