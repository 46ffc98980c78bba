//! Where a setting comes from: the environment, which a test can replace, the file, or the default. An error is one
//! line that says where, what and why.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::document::{Entry, SyntaxError};
use crate::escape::Escaped;

/// A string literal.
pub type Text = &'static str;

/// A row of a program's table of settings. What `load` reads, `--help`, the known keys and the tests
/// of README's tables follow from it.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file.
    pub key: Text,
    /// Its name in the environment.
    pub variable: Text,
    /// As a file would have it. None: required. SERVER_WORKERS has words for `--help` here: read with `find`.
    pub default: Option<Text>,
    pub help: Text,
}

/// Where the environment's variables come from: [`environment`], but for a test.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The environment of this process.
pub fn environment(variable: &str) -> Option<OsString> {
    std::env::var_os(variable)
}

/// No settings file is larger, in bytes; /dev/zero is.
const LARGEST: u64 = 1 << 20;

/// A file and the environment, as one place to ask for a setting.
pub struct Settings<'a> {
    table: &'static [Setting],
    path: &'a Path,
    /// None where the file is missing.
    entries: Option<Vec<Entry>>,
    environment: Environment<'a>,
}

impl<'a> Settings<'a> {
    pub fn read(
        table: &'static [Setting],
        path: &'a Path,
        parse: fn(&str) -> Result<Vec<Entry>, SyntaxError>,
        environment: Environment<'a>,
    ) -> Result<Self, String> {
        let entries = read_file(path)?.map(|text| parse(&text)).transpose();
        let entries = entries.map_err(|error| format!("{}:{error}", shown(path)))?;
        Ok(Self { table, path, entries, environment })
    }

    /// The setting as `parse` reads it, which answers with the reason where it cannot.
    pub fn get<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        match (self.find(key, &parse)?, self.row(key).default) {
            (Some(setting), _) => Ok(setting),
            (None, Some(default)) => parse(default),
            (None, None) => Err(self.missing(self.row(key))),
        }
    }

    /// The same without the default. A setting that is set to nothing counts as unset.
    pub fn find<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let variable = self.row(key).variable;
        if let Some(value) = (self.environment)(variable).filter(|value| !value.is_empty()) {
            let text = value.to_str().ok_or_else(|| format!("{value:?} is not UTF-8"));
            let fail = |reason| format!("environment: {variable}: {reason}");
            return text.and_then(parse).map(Some).map_err(fail);
        }
        let has_value = |entry: &&Entry| is(entry, key) && !entry.value.is_empty();
        let Some(entry) = self.entries.iter().flatten().find(has_value) else { return Ok(None) };
        let place = format!("{}:{}", shown(self.path), entry.line);
        parse(&entry.value).map(Some).map_err(|reason| format!("{place}: {key}: {reason}"))
    }

    fn row(&self, key: &str) -> &'static Setting {
        self.table.iter().find(|row| row.key == key).expect("a row for each setting that is read")
    }

    fn missing(&self, Setting { key, variable, .. }: &Setting) -> String {
        let path = shown(self.path);
        let place = if self.entries.is_some() { "here" } else { "here (there is no such file)" };
        let unknown = match self.unknown().join(", ") {
            keys if keys.is_empty() => keys,
            keys => format!("; unknown here: {keys}"),
        };
        format!(
            "{path}: {key}: required, and set neither {place} nor in the environment as {variable}{unknown}"
        )
    }

    /// The keys of the file that nobody asks for.
    pub fn unknown(&self) -> Vec<String> {
        let is_unknown = |entry: &&Entry| !self.table.iter().any(|row| is(entry, row.key));
        let unknown = self.entries.iter().flatten().filter(is_unknown);
        unknown.map(|entry| entry.key.clone()).collect()
    }
}

/// The keys of a file are in lower case.
fn is(entry: &Entry, key: &str) -> bool {
    entry.key.eq_ignore_ascii_case(key)
}

/// A path in a message, which stays one line whatever the path holds.
fn shown(path: &Path) -> Escaped<'_> {
    Escaped(path.as_os_str().as_bytes())
}

/// The text of a file; None where there is none.
fn read_file(path: &Path) -> Result<Option<String>, String> {
    let fail = |reason: String| Err(format!("{}: {reason}", shown(path)));
    let mut bytes = Vec::new();
    let read = |file: File| file.take(LARGEST + 1).read_to_end(&mut bytes);
    match File::open(path).and_then(read) {
        Ok(_) if bytes.len() as u64 > LARGEST => fail(format!("larger than {LARGEST} bytes")),
        Ok(_) => String::from_utf8(bytes).map(Some).or_else(|error| {
            let (text, rest) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
            let line = text.iter().filter(|&&byte| byte == b'\n').count() + 1;
            fail(format!("not UTF-8: byte 0x{:02x} in line {line}", rest[0]))
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::IsADirectory => fail(
            "a directory, not a file: an engine makes one where the file to mount is missing; \
             remove it, put the file back and start again"
                .to_owned(),
        ),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => fail(
            "no permission to read it: chmod a+r it, or in a container the file that is mounted there"
                .to_owned(),
        ),
        Err(error) => fail(format!("cannot be read: {error}")),
    }
}
