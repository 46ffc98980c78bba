//! Settings: environment over file over default. The only module that opens a file or reads the
//! environment, the latter through a look-up that a test can replace.

mod client;
pub mod document;
pub mod duration;
pub mod ini;
mod server;
pub mod yaml;

pub use client::ClientConfig;
pub use server::ServerConfig;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use self::document::{Entry, SyntaxError};
use crate::log::{Escaped, Level};

/// What is wrong, where and why, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the environment's variables come from: [`environment`], but for a test.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The environment of this process.
pub fn environment(variable: &str) -> Option<OsString> {
    std::env::var_os(variable)
}

/// No settings file is larger, in bytes; /dev/zero is.
const LARGEST: u64 = 1 << 20;

/// A level, and the word it was written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelSetting {
    pub level: Level,
    pub written: String,
}

/// A setting's name in the file and in the environment.
#[derive(Debug, Clone, Copy)]
struct Key {
    file: &'static str,
    variable: &'static str,
}

impl Key {
    /// A key with one name for both.
    const fn same(name: &'static str) -> Self {
        Self { file: name, variable: name }
    }
}

/// A file and the environment, as one place to ask for a setting.
struct Settings<'a> {
    path: &'a Path,
    /// None where the file is missing.
    entries: Option<Vec<Entry>>,
    lookup: Lookup<'a>,
}

impl<'a> Settings<'a> {
    fn read(
        path: &'a Path,
        parse: fn(&str) -> Result<Vec<Entry>, SyntaxError>,
        lookup: Lookup<'a>,
    ) -> Result<Self, ConfigError> {
        let entries = match read_file(path)? {
            None => None,
            Some(text) => {
                let refused = |e: SyntaxError| ConfigError(format!("{}:{e}", shown(path)));
                Some(parse(&text).map_err(refused)?)
            }
        };
        Ok(Self { path, entries, lookup })
    }

    fn entry(&self, key: Key) -> Option<&Entry> {
        let name = key.file.to_ascii_lowercase();
        self.entries.iter().flatten().find(|entry| entry.key == name && !entry.value.is_empty())
    }

    /// The setting, read by `parse`, which answers with the reason where it cannot. None where
    /// neither the environment nor the file has it; one that is set to nothing counts as unset.
    fn get<T>(
        &self,
        key: Key,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let (origin, name, value) = match (self.lookup)(key.variable).filter(|v| !v.is_empty()) {
            Some(value) => match value.into_string() {
                Ok(value) => ("environment".to_owned(), key.variable, value),
                Err(value) => {
                    let name = key.variable;
                    return Err(ConfigError(format!(
                        "environment: {name}: {value:?} is not UTF-8"
                    )));
                }
            },
            None => match self.entry(key) {
                Some(entry) => {
                    let origin = format!("{}:{}", shown(self.path), entry.line);
                    (origin, key.file, entry.value.clone())
                }
                None => return Ok(None),
            },
        };
        match parse(&value) {
            Ok(setting) => Ok(Some(setting)),
            Err(reason) => Err(ConfigError(format!("{origin}: {name}: {reason}"))),
        }
    }

    fn required<T>(
        &self,
        key: Key,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        self.get(key, parse)?.ok_or_else(|| {
            let (path, Key { file, variable }) = (shown(self.path), key);
            let place = if self.entries.is_some() { "here" } else { "here (there is no such file)" };
            ConfigError(format!(
                "{path}: {file}: required, and set neither {place} nor in the environment as {variable}"
            ))
        })
    }

    /// The keys of the file that nobody asks for.
    fn unknown(&self, known: &[Key]) -> Vec<String> {
        let is_known =
            |entry: &Entry| known.iter().any(|k| k.file.eq_ignore_ascii_case(&entry.key));
        let unknown = self.entries.iter().flatten().filter(|entry| !is_known(entry));
        unknown.map(|entry| entry.key.clone()).collect()
    }
}

/// A path in a message, which stays one line whatever the path holds.
fn shown(path: &Path) -> Escaped<'_> {
    Escaped(path.as_os_str().as_bytes())
}

/// The text of a file; None where there is none.
fn read_file(path: &Path) -> Result<Option<String>, ConfigError> {
    let fail = |reason: String| Err(ConfigError(format!("{}: {reason}", shown(path))));
    let mut bytes = Vec::new();
    let read = |file: File| file.take(LARGEST + 1).read_to_end(&mut bytes);
    match File::open(path).and_then(read) {
        Ok(_) if bytes.len() as u64 > LARGEST => fail(format!("larger than {LARGEST} bytes")),
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = &error.as_bytes()[..valid];
                let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
                let byte = error.as_bytes()[valid];
                fail(format!("not UTF-8: byte 0x{byte:02x} in line {line}"))
            }
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::IsADirectory => fail(
            "a directory, not a file: an engine makes one where the file to mount is missing; \
             remove it, put the file back and start again"
                .to_owned(),
        ),
        Err(error) => fail(format!("cannot be read: {error}")),
    }
}

fn number(text: &str, from: u32, to: u32) -> Result<u32, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (from..=to).contains(number));
    number.ok_or_else(|| format!("{text:?} is not a number from {from} to {to}"))
}

fn level(text: &str) -> Result<LevelSetting, String> {
    let level = Level::parse(text).ok_or_else(|| {
        format!("{text:?} is not a level (DEBUG INFO NOTICE WARNING WARN ERROR CRITICAL FATAL)")
    })?;
    Ok(LevelSetting { level, written: text.to_owned() })
}

/// A duration as Go writes it.
fn duration(text: &str, may_be_zero: bool) -> Result<Duration, String> {
    let duration = duration::parse(text).map_err(|error| error.to_string())?;
    match duration.to_std() {
        Some(duration) if may_be_zero || !duration.is_zero() => Ok(duration),
        Some(_) => Err(format!("{text:?} leaves no time at all")),
        None => Err(format!("{text:?} is negative")),
    }
}
