//! Settings in a subset of YAML: nested block mappings of scalars, each on its line.
//!
//! The parser accepts only what PyYAML (YAML 1.1) and Go's yaml.v3 (YAML 1.2 with remnants of 1.1) read alike. It
//! refuses the rest with its line. Keys have no case, as in Go's viper, with which the original client reads its
//! settings. Section numbers are those of YAML 1.2.2.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::document::{Entry, check_characters, numbered_lines};
use super::duration;

/// Words that some parser, in some spelling, reads as a boolean or null (§10.3).
const RESERVED: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];

/// Reads a whole document. A key with nothing after it and nothing under it is null and gives no
/// entry, so that it counts as not set.
///
/// # Errors
///
/// The first line that the parser refuses, and why: `3: a tab in the indentation: use spaces`.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut parser = Parser::default();
    for (number, line) in numbered_lines(text) {
        parser.read(number, line).map_err(|reason| format!("{number}: {reason}"))?;
    }
    Ok(parser.entries)
}

/// An open block mapping (§8.2.2).
struct Mapping {
    /// Spaces before each of its keys.
    indent: usize,
    /// What its keys' full names begin with: nothing, or the parent's full name and a dot.
    prefix: String,
}

#[derive(Default)]
struct Parser {
    /// There was a `---` or a key.
    has_begun: bool,
    /// From the outermost to the current one.
    mappings: Vec<Mapping>,
    /// Full name of the last key if it has no value: a deeper line opens a mapping under it.
    parent: Option<String>,
    /// Line of each key, by its full name.
    keys: HashMap<String, usize>,
    entries: Vec<Entry>,
}

impl Parser {
    fn read(&mut self, number: usize, line: &str) -> Result<(), String> {
        check_characters(line)?;
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') {
            return Ok(());
        }
        if content.starts_with('\t') {
            return Err("a tab in the indentation: use spaces".to_owned());
        }
        let is_first = !self.has_begun;
        self.has_begun = true;
        match line.strip_prefix("---") {
            Some(rest) if is_first => check_end_of_line(rest, "\"---\""),
            Some(_) => Err("a second document begins: only one is supported".to_owned()),
            None => self.setting(number, indent, content),
        }
    }

    fn setting(&mut self, number: usize, indent: usize, content: &str) -> Result<(), String> {
        let (name, rest) = split_key(content)?;
        let key = format!("{}{name}", self.enter_mapping(indent)?);
        if let Some(above) = self.keys.insert(key.clone(), number) {
            return Err(format!("{key:?} already stands on line {above}"));
        }
        match value(rest)? {
            Some(value) => self.entries.push(Entry { key, value, line: number }),
            None => self.parent = Some(key),
        }
        Ok(())
    }

    /// Opens and closes mappings until the current one has this indentation (§6.1). Returns its prefix.
    fn enter_mapping(&mut self, indent: usize) -> Result<&str, String> {
        let parent = self.parent.take();
        match self.mappings.last() {
            None => self.mappings.push(Mapping { indent, prefix: String::new() }),
            Some(current) if indent > current.indent => {
                let parent = parent.ok_or("indented under a key that has a value already")?;
                self.mappings.push(Mapping { indent, prefix: parent + "." });
            }
            Some(_) => {}
        }
        while self.mappings.last().is_some_and(|mapping| mapping.indent > indent) {
            self.mappings.pop();
        }
        match self.mappings.last() {
            Some(mapping) if mapping.indent == indent => Ok(&mapping.prefix),
            _ => Err("the indentation matches no enclosing level".to_owned()),
        }
    }
}

/// A key, in lower case, and what follows its colon.
fn split_key(content: &str) -> Result<(String, &str), String> {
    check_construct(content)?;
    let Some((key, rest)) = content.split_once(':') else {
        return Err(format!("no \":\" in {content:?}: write a key, a \":\" and its value"));
    };
    let key = key.trim_end_matches(' ');
    check_key(key)?;
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return Err(format!("no space after the \":\" of {key:?}"));
    }
    Ok((key.to_ascii_lowercase(), rest))
}

fn check_key(key: &str) -> Result<(), String> {
    if key.starts_with(['"', '\'']) {
        return Err("the key is in quotes: write it without them".to_owned());
    }
    if let Some((parent, child)) = key.split_once('.') {
        return Err(format!(
            "the key {key:?} has a dot: write {child:?}, indented, on a line under {parent:?}"
        ));
    }
    let is_word = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let has_other = key.contains(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    if !is_word || has_other {
        return Err(format!(
            "{key:?} is not a key: write a word of ASCII letters, digits, \"_\" and \"-\""
        ));
    }
    if is_reserved(key) {
        return Err(format!(
            "the key {key:?} is not text to every YAML parser: write another word"
        ));
    }
    Ok(())
}

/// Refuses constructs of YAML that are outside the subset, by the character that they begin with (§5.3).
fn check_construct(text: &str) -> Result<(), String> {
    let construct = match text.chars().next() {
        Some('-') if text == "-" || text.starts_with("- ") => "sequences (\"- \")",
        Some('[' | '{') => "flow collections (\"[\", \"{\")",
        Some('&') => "anchors (\"&\")",
        Some('*') => "aliases (\"*\")",
        Some('!') => "tags (\"!\")",
        Some('|' | '>') => "block scalars (\"|\", \">\")",
        _ => return Ok(()),
    };
    Err(format!("{construct} are not supported: write a key on each line, and text in quotes"))
}

/// The value after a key's colon; `None` if there is none.
fn value(rest: &str) -> Result<Option<String>, String> {
    let text = rest.trim_start_matches(' ');
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if text.starts_with(['"', '\'']) {
        let (value, rest) = quoted(text)?;
        check_end_of_line(rest, "the closing quote")?;
        return Ok(Some(value));
    }
    check_construct(text)?;
    let text = text.split(" #").next().unwrap_or(text).trim_end_matches(' ');
    if !is_plain(text) {
        return Err(format!("{text:?} needs quotes: not every YAML parser reads it as that text"));
    }
    Ok(Some(text.to_owned()))
}

/// Accepts spaces and a comment (§6.6). The refusal calls the text before them `before`.
fn check_end_of_line(rest: &str, before: &str) -> Result<(), String> {
    let text = rest.trim_start_matches(' ');
    let is_comment = text.starts_with('#') && text.len() < rest.len();
    if text.is_empty() || is_comment {
        return Ok(());
    }
    Err(format!("{text:?} after {before}"))
}

/// Whether every parser reads a value without quotes as the text that is written (§7.3.3): a word or
/// several, a whole number or a boolean as parsers print it, a duration, or an IPv4 address.
fn is_plain(text: &str) -> bool {
    if text.contains('\t') || text.contains(": ") || text.ends_with(':') {
        return false;
    }
    let is_word = text.starts_with(char::is_alphabetic) && !is_reserved(text);
    let is_whole_number = text.parse().is_ok_and(|number: i64| number.to_string() == text);
    let is_boolean = matches!(text, "true" | "false");
    let is_duration = duration::parse(text).is_ok();
    let is_address = text.parse::<Ipv4Addr>().is_ok() || text.parse::<SocketAddrV4>().is_ok();
    is_word || is_whole_number || is_boolean || is_duration || is_address
}

fn is_reserved(text: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// A quoted scalar that ends on its line (§7.3.1, §7.3.2), and what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut chars = text.chars();
    let quote = chars.next();
    let mut value = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quote == Some('"') => match chars.next() {
                Some(c @ ('"' | '\\')) => value.push(c),
                _ => {
                    return Err("after a backslash only \" and \\ are supported: \
                         write the character itself, or use single quotes"
                        .to_owned());
                }
            },
            '\'' if quote == Some('\'') && chars.as_str().starts_with('\'') => {
                chars.next();
                value.push('\'');
            }
            _ if quote == Some(c) => return Ok((value, chars.as_str())),
            _ => value.push(c),
        }
    }
    Err("the quote is not closed on its line".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::config::document::assert_parses;

    #[test]
    fn reads_documents() {
        let table = r#"
            \n# c\n\n  # c =>
            ---\n# c\n =>
            --- # c\r\nA: b # c\r\n\r\n => a=b@2
            server:\n  address: server:12345\nLoop:\n    Amount: 5 => server.address=server:12345@2 loop.amount=5@4
            a:\n  b:\n    c: 1\n  d:\n    e: 2\nf: 3 => a.b.c=1@3 a.d.e=2@5 f=3@6
            a:\n b: 1\nc: 2 => a.b=1@2 c=2@3
            \n  a: 1\n  b: 2 => a=1@2 b=2@3
            a:\nb: # c\nc: "" => c=@3
            a:\n\n# c\n      # c\n  b: 1 => a.b=1@5
            _x-1 : 1 => _x-1=1@1
            k: a  b   # c => k=a  b@1
            k: 'it''s # "x\\' # c => k=it's # "x\\@1
            k: "a # b: 'c''" => k=a # b: 'c''@1
            k: "\"\\x" => k="\x@1
        "#;
        assert_parses(parse, table);
    }

    #[test]
    fn refuses_documents() {
        let table = r##"
            \ta: 1 => 1: a tab in the indentation: use spaces
            a:\n \tb: 1 => 2: a tab in the indentation: use spaces
            a:\tb => 1: no space after the ":" of "a"
            a:b => 1: no space after the ":" of "a"
            a: b\n  c => 2: no ":" in "c": write a key, a ":" and its value
            "a": 1 => 1: the key is in quotes: write it without them
            'a b': 1 => 1: the key is in quotes: write it without them
            a.b: x => 1: the key "a.b" has a dot: write "b", indented, on a line under "a"
            ---\n--- => 2: a second document begins: only one is supported
            a: 1\n---\nb: 2 => 2: a second document begins: only one is supported
            --- a: b => 1: "a: b" after "---"
            a: 1\nA: 2 => 2: "a" already stands on line 1
            a:\n  b: 1\na:\n  c: 2 => 3: "a" already stands on line 1
            a: 1\n  b: 2 => 2: indented under a key that has a value already
            a:\nb: ""\n  c: 2 => 3: indented under a key that has a value already
            a:\n    b: 1\n  c: 2 => 3: the indentation matches no enclosing level
            \n  a: 1\nb: 2 => 3: the indentation matches no enclosing level
            a: 1\rb: 2 => 1: the character U+000D is not allowed
            k: "a"b => 1: "b" after the closing quote
            k: 'a'# c => 1: "# c" after the closing quote
            k: "a\" => 1: the quote is not closed on its line
            k: 'a'' => 1: the quote is not closed on its line
        "##;
        assert_parses(parse, table);
    }

    #[test]
    fn refuses_escapes() {
        for value in [r#""\n""#, r#""\u00e9""#, r#""a\"#] {
            let refusal = r#"1: after a backslash only " and \ are supported: write the character itself, or use single quotes"#;
            assert_eq!(parse(&format!("k: {value}")), Err(refusal.to_owned()));
        }
    }

    #[test]
    fn refuses_constructs_by_name() {
        let table = [
            ("- a", r#"sequences ("- ")"#),
            ("-", r#"sequences ("- ")"#),
            ("{a: b}", r#"flow collections ("[", "{")"#),
            ("[::1]:12345", r#"flow collections ("[", "{")"#),
            ("&x a: 1", r#"anchors ("&")"#),
            ("*x", r#"aliases ("*")"#),
            ("!!str a", r#"tags ("!")"#),
            ("|", r#"block scalars ("|", ">")"#),
            (">-", r#"block scalars ("|", ">")"#),
        ];
        for (text, construct) in table {
            let refusal = format!(
                "1: {construct} are not supported: write a key on each line, and text in quotes"
            );
            assert_eq!(parse(text), Err(refusal.clone()));
            assert_eq!(parse(&format!("k: {text}")), Err(refusal));
        }
    }

    #[test]
    fn refuses_keys() {
        for key in ["", "1", "-a", "a b", "a/b", "a\tb", "ñ", "añ", "? a", "<<", "~"] {
            let refusal = format!(
                r#"1: {key:?} is not a key: write a word of ASCII letters, digits, "_" and "-""#
            );
            assert_eq!(parse(&format!("{key}: 1")), Err(refusal));
        }
        for key in "true False yes No on OFF y N null".split(' ') {
            let refusal =
                format!("1: the key {key:?} is not text to every YAML parser: write another word");
            assert_eq!(parse(&format!("{key}: 1")), Err(refusal));
        }
    }

    #[test]
    fn reads_or_refuses_plain_values() {
        let plain = "x ñ a#b:c it's 10.0.0.1 10.0.0.1:12345 1h15m30.5s .5s 0 -3 9223372036854775807 true false";
        for value in plain.split(' ') {
            assert_parses(parse, &format!("k: {value} => k={value}@1"));
        }
        let words = "True FALSE yes No on OFF y N null ~";
        let numbers = "010 0x1f 1_000 +3 -0 9223372036854775808 1.0 .5 1e3 12:30 2024-01-01 .inf";
        let others = ["1a", "-abc", "=", "@a", "/a", "]", "---", "a: b", "a:", "a\tb", "a\t# c"];
        for value in words.split(' ').chain(numbers.split(' ')).chain(others) {
            let refusal =
                format!("1: {value:?} needs quotes: not every YAML parser reads it as that text");
            assert_eq!(parse(&format!("k: {value}")), Err(refusal));
        }
    }
}
