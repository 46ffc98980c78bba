//! Where a setting comes from: the environment, which a test can replace, the file, or the default. An error is one
//! line that says where, what and why.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::document::Entry;
use crate::escape::Escaped;

/// A program's settings. `load`, `--help`, the list of unknown keys and the test of docs/reference.md use this table.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// What the names of the environment's variables begin with.
    pub prefix: &'static str,
    pub rows: &'static [Setting],
}

#[derive(Debug)]
pub struct Setting {
    /// Its name in the file.
    pub key: &'static str,
    /// Written as in a file. None if the setting is required.
    pub default: Option<&'static str>,
    pub help: &'static str,
}

impl Setting {
    pub const fn required(key: &'static str, help: &'static str) -> Self {
        Self { key, default: None, help }
    }

    pub const fn optional(key: &'static str, default: &'static str, help: &'static str) -> Self {
        Self { key, default: Some(default), help }
    }
}

impl Table {
    /// The name of a setting in the environment, as viper makes it: `server.address` is CLI_SERVER_ADDRESS.
    pub fn variable(&self, key: &str) -> String {
        format!("{}{}", self.prefix, key.to_ascii_uppercase().replace('.', "_"))
    }
}

/// Where the environment's variables come from: [`environment`], except in a test.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The environment of this process.
pub fn environment(variable: &str) -> Option<OsString> {
    std::env::var_os(variable)
}

const IS_A_DIRECTORY: &str = "a directory, not a file: the Docker engine makes one if it finds no file \
     to mount: the file is missing, or the engine sees another machine's files (ssh://, or its socket inside a \
     container); remove the directory, put the file back and start again";

const NO_PERMISSION: &str =
    "no permission to read it: chmod a+r it, or in a container the file that is mounted there";

/// A file and the environment, in one place.
pub struct Settings<'a> {
    table: Table,
    /// The path for messages. It is escaped, so that they stay one line.
    path: String,
    /// None if the file is missing.
    entries: Option<Vec<Entry>>,
    environment: Environment<'a>,
}

impl<'a> Settings<'a> {
    pub fn read(
        table: Table,
        path: &Path,
        parse: fn(&str) -> Result<Vec<Entry>, String>,
        environment: Environment<'a>,
    ) -> Result<Self, String> {
        let text = read_file(path);
        let path = Escaped(path.as_os_str().as_bytes()).to_string();
        let entries = match text.map_err(|reason| format!("{path}: {reason}"))? {
            Some(text) => Some(parse(&text).map_err(|error| format!("{path}:{error}"))?),
            None => None,
        };
        Ok(Self { table, path, entries, environment })
    }

    /// The setting as `parse` reads it. `parse` returns the reason if it refuses the text. A setting
    /// that is set to nothing counts as unset.
    pub fn get<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        let setting = self.table.rows.iter().find(|setting| setting.key == key);
        let setting = setting.expect("the table has a row for each setting that is read");
        let variable = self.table.variable(key);
        if let Some(value) = (self.environment)(&variable).filter(|value| !value.is_empty()) {
            let text = value.to_str().ok_or_else(|| format!("{value:?} is not UTF-8"));
            let result = text.and_then(parse);
            return result.map_err(|reason| format!("environment: {variable}: {reason}"));
        }
        let entry = self.entries.iter().flatten().find(|entry| entry.key.eq_ignore_ascii_case(key));
        if let Some(entry) = entry.filter(|entry| !entry.value.is_empty()) {
            return parse(&entry.value).map_err(|reason| self.refusal(key, entry, &reason));
        }
        match setting.default {
            Some(default) => parse(default),
            None => Err(self.missing(setting, entry)),
        }
    }

    fn refusal(&self, key: &str, entry: &Entry, reason: &str) -> String {
        let has_comment = entry.value.contains([';', '#']);
        let advice = if has_comment { "; write a comment on a line of its own" } else { "" };
        format!("{}:{}: {key}: {reason}{advice}", self.path, entry.line)
    }

    fn missing(&self, setting: &Setting, entry: Option<&Entry>) -> String {
        let key = setting.key;
        let variable = self.table.variable(key);
        let path = &self.path;
        if let Some(entry) = entry {
            return format!("{path}:{}: {key}: required, and set to nothing", entry.line);
        }
        let place = if self.entries.is_some() { "here" } else { "here (there is no such file)" };
        let mut message = format!(
            "{path}: {key}: required, and set neither {place} nor in the environment as {variable}"
        );
        let unknown = self.unknown();
        if !unknown.is_empty() {
            message += &format!("; unknown here: {}", unknown.join(", "));
        }
        message
    }

    /// The keys of the file that the table does not have.
    pub fn unknown(&self) -> Vec<String> {
        let keys = self.entries.iter().flatten().map(|entry| &entry.key);
        let is_known =
            |key: &str| self.table.rows.iter().any(|row| row.key.eq_ignore_ascii_case(key));
        keys.filter(|key| !is_known(key)).cloned().collect()
    }
}

/// The text of a file; None if there is no such file.
fn read_file(path: &Path) -> Result<Option<String>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            return match error.kind() {
                ErrorKind::NotFound => Ok(None),
                ErrorKind::IsADirectory => Err(IS_A_DIRECTORY.to_owned()),
                ErrorKind::PermissionDenied => Err(NO_PERMISSION.to_owned()),
                _ => Err(format!("cannot be read: {error}")),
            };
        }
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_ends = valid.iter().filter(|&&byte| byte == b'\n').count();
        format!("line {} is not UTF-8", line_ends + 1)
    })
}
