//! Settings in the INI of Python's `configparser.ConfigParser` with its default options.
//!
//! What that parser reads in a way a reader of the file may not expect is refused, not imitated:
//! continuation lines, `%` interpolation, text after a section header. What it refuses is refused.
//! Source: "Supported INI File Structure" in the documentation of `configparser`.

use std::collections::HashMap;

use crate::document::{Entry, SyntaxError, lines};

/// The section whose keys get no prefix (`configparser.DEFAULTSECT`, case-sensitive).
const DEFAULT_SECTION: &str = "DEFAULT";

/// Reads a whole document. A comment stands on a line of its own: in `5 ; five`, all of it is the
/// value, as in `configparser`.
///
/// # Errors
///
/// The first line that is not understood, and why.
pub fn parse(text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let mut parser = Parser::default();
    for (number, line) in lines(text)? {
        parser.read(number, line).map_err(|reason| SyntaxError::new(number, reason))?;
    }
    Ok(parser.entries)
}

#[derive(Default)]
struct Parser {
    /// Prefix of the current section's keys; `None` before the first header.
    prefix: Option<String>,
    /// Line of each section's header, by its name as written.
    sections: HashMap<String, usize>,
    /// Line of each key, by its full name.
    keys: HashMap<String, usize>,
    /// Line and indentation of the value that a deeper line would continue.
    open_value: Option<(usize, usize)>,
    entries: Vec<Entry>,
}

impl Parser {
    fn read(&mut self, number: usize, line: &str) -> Result<(), String> {
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        match self.open_value {
            Some((above, depth)) if indent > depth => {
                return Err(format!(
                    "indented deeper than line {above}, whose value it would continue"
                ));
            }
            _ if content.starts_with('[') => {
                self.open_value = None;
                self.section(number, content)
            }
            _ => {
                self.open_value = Some((number, indent));
                self.option(number, content)
            }
        }
    }

    fn section(&mut self, number: usize, content: &str) -> Result<(), String> {
        let name = section_name(content)?;
        if name == DEFAULT_SECTION {
            // configparser lets this one section be continued further down.
            self.prefix = Some(String::new());
            return Ok(());
        }
        if let Some(above) = self.sections.insert(name.to_owned(), number) {
            return Err(format!("the section {name:?} already stands on line {above}"));
        }
        self.prefix = Some(format!("{}.", name.to_lowercase()));
        Ok(())
    }

    fn option(&mut self, number: usize, content: &str) -> Result<(), String> {
        let Some(prefix) = &self.prefix else {
            return Err(format!("{content:?} stands before the first section, such as [DEFAULT]"));
        };
        let Some((name, value)) = content.split_once(['=', ':']) else {
            return Err(format!("{content:?} has no \"=\" or \":\""));
        };
        let (name, value) = (name.trim_end(), value.trim_start());
        if name.is_empty() {
            return Err("no key before the delimiter".to_owned());
        }
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

/// The name in a header, which may have a comment after it. `configparser` takes everything up to
/// the last `]`, keeps the blanks inside and drops what follows: `[DEFAULT] PORT = 1` sets nothing.
fn section_name(content: &str) -> Result<&str, String> {
    let Some((name, rest)) = content[1..].rsplit_once(']') else {
        return Err("the section header has no \"]\"".to_owned());
    };
    let rest = rest.trim_start();
    if name.contains(']') {
        return Err("more than one \"]\" in the section header".to_owned());
    }
    if !(rest.is_empty() || rest.starts_with(['#', ';'])) {
        return Err(format!("{rest:?} after the section header"));
    }
    if name.is_empty() {
        return Err("the section has no name".to_owned());
    }
    if name != name.trim() {
        return Err(format!("blanks around the section name {name:?}, which would be part of it"));
    }
    Ok(name)
}
