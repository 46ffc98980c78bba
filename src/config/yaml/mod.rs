//! Settings in a subset of YAML: block mappings of single-line scalars, nested up to 32 deep.
//!
//! Accepted is only what PyYAML (YAML 1.1) and Go's yaml.v3 (YAML 1.2 with remnants of 1.1) read
//! alike; the rest is refused with its line. Keys follow Go's viper, which the original client reads
//! its settings with: without regard to case, and `server.address:` is `address:` under `server:`.
//! Section numbers are those of YAML 1.2.2.

mod scalar;

use std::collections::HashMap;

use super::document::{Entry, SyntaxError, read_lines};

/// Mappings inside one another: far above any settings file, far below PyYAML's limit of recursion.
const MAX_DEPTH: usize = 32;

/// Reads a whole document. A key with nothing after it and nothing under it is null and gives no
/// entry, so that it counts as not set.
///
/// # Errors
///
/// The first line that is not understood, and why.
pub fn parse(text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let mut parser = Parser::default();
    read_lines(text, |number, line| parser.read(number, line))?;
    refuse_values_with_children(&parser.entries)?;
    Ok(parser.entries)
}

/// An open block mapping (§8.2.2).
struct Mapping {
    /// Spaces before each of its keys.
    indent: usize,
    /// What its keys' full names begin with: nothing, or the parent's and a dot.
    prefix: String,
}

#[derive(Default)]
struct Parser {
    /// There was a `---` or a key.
    has_begun: bool,
    /// From the outermost to the current one.
    mappings: Vec<Mapping>,
    /// Full name of the last key, while it has no value: a deeper line opens a mapping under it.
    parent: Option<String>,
    /// Line of each key, by its full name.
    keys: HashMap<String, usize>,
    entries: Vec<Entry>,
}

impl Parser {
    fn read(&mut self, number: usize, line: &str) -> Result<(), String> {
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        if content.is_empty() || content.starts_with('#') {
            return Ok(());
        }
        if content.starts_with('\t') {
            return Err("a tab in the indentation: use spaces".to_owned());
        }
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        let is_marker = |rest: &&str| rest.is_empty() || rest.starts_with([' ', '\t']);
        match line.strip_prefix("---").filter(is_marker) {
            Some(_) if has_begun => Err("a second document begins: only one is supported".into()),
            Some(rest) => scalar::end_of_line(rest, "\"---\""),
            None => self.setting(number, indent, content),
        }
    }

    fn setting(&mut self, number: usize, indent: usize, content: &str) -> Result<(), String> {
        let (key, rest) = scalar::key(content)?;
        let prefix = self.enter(indent)?;
        let key = format!("{prefix}{key}");
        if let Some(above) = self.keys.insert(key.clone(), number) {
            return Err(format!("{key:?} already stands on line {above}"));
        }
        match scalar::value(rest)? {
            Some(value) => self.entries.push(Entry { key, value, line: number }),
            None => self.parent = Some(key),
        }
        Ok(())
    }

    /// Opens and closes mappings until the current one has this indentation; its prefix (§6.1).
    fn enter(&mut self, indent: usize) -> Result<&str, String> {
        let parent = self.parent.take();
        let depth = self.mappings.last().map(|mapping| mapping.indent);
        if depth.is_none_or(|depth| indent > depth) {
            let prefix = match parent {
                Some(parent) => parent + ".",
                None if depth.is_none() => String::new(),
                None => return Err("indented deeper than a setting that has its value".to_owned()),
            };
            self.mappings.push(Mapping { indent, prefix });
        }
        while self.mappings.last().is_some_and(|mapping| mapping.indent > indent) {
            self.mappings.pop();
        }
        match self.mappings.last() {
            _ if self.mappings.len() > MAX_DEPTH => {
                Err(format!("more than {MAX_DEPTH} mappings inside one another"))
            }
            Some(mapping) if mapping.indent == indent => Ok(&mapping.prefix),
            _ => Err("the indentation fits no line above".to_owned()),
        }
    }
}

/// With flat keys a setting can have a value and settings under it (`a: 1` and `a.b: 2`), of which
/// viper finds one or the other, by the order of its own look-ups.
fn refuse_values_with_children(entries: &[Entry]) -> Result<(), SyntaxError> {
    let lines: HashMap<&str, usize> = entries.iter().map(|e| (e.key.as_str(), e.line)).collect();
    for entry in entries {
        for (dot, _) in entry.key.match_indices('.') {
            let parent = &entry.key[..dot];
            if let Some(&line) = lines.get(parent) {
                let reason =
                    format!("{parent:?} has a value on line {line} and {:?} under it", entry.key);
                return Err(SyntaxError { line: entry.line.max(line), reason });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
