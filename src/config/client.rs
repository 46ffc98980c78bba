//! The client's settings, from a YAML file.

use std::path::Path;
use std::time::Duration;

use super::duration;
use super::settings::{Environment, Setting, Settings, Table};
use super::values::{LEVELS, LevelSetting, level, number, positive_duration};
use super::yaml;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    pub id: String,
    pub server_address: Address,
    pub server_timeout: Duration,
    pub loop_amount: u64,
    pub loop_period: Duration,
    pub log_level: LevelSetting,
    /// Keys of the file that the client does not know.
    pub unknown: Vec<String>,
}

/// A host, by name or by IP address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Without the brackets that an IPv6 address has in `written`.
    pub host: String,
    pub port: u16,
    pub written: String,
}

impl ClientConfig {
    pub const SETTINGS: Table = Table {
        prefix: "CLI_",
        rows: &[
            Setting::required("id", "1 to 64 printable characters, no space"),
            Setting::required("server.address", "host:port"),
            Setting::optional("server.timeout", "30s", "for a message and its retries"),
            Setting::required("loop.amount", "messages, 0 or more"),
            Setting::required("loop.period", "pause between messages"),
            Setting::required("log.level", LEVELS),
        ],
    };

    pub fn load(path: &Path, environment: Environment<'_>) -> Result<Self, String> {
        let settings = Settings::read(Self::SETTINGS, path, yaml::parse, environment)?;
        Ok(Self {
            id: settings.get("id", id)?,
            server_address: settings.get("server.address", address)?,
            server_timeout: settings.get("server.timeout", positive_duration)?,
            loop_amount: settings.get("loop.amount", |text| number(text, 0..=u64::MAX))?,
            loop_period: settings.get("loop.period", duration::parse)?,
            log_level: settings.get("log.level", level)?,
            unknown: settings.unknown(),
        })
    }
}

fn id(text: &str) -> Result<String, String> {
    let has_length = (1..=64).contains(&text.chars().count());
    if !has_length || !text.chars().all(is_printable) {
        return Err(format!("{text:?} is not 1 to 64 printable characters without a space"));
    }
    Ok(text.to_owned())
}

/// Beyond ASCII, a character that Debug escapes is not printable.
fn is_printable(c: char) -> bool {
    c.is_ascii_graphic() || !c.is_ascii() && c.escape_debug().count() == 1
}

fn address(text: &str) -> Result<Address, String> {
    let fail = |reason: &str| Err(format!("{text:?} is not host:port: {reason}"));
    let Some((host, port)) = text.rsplit_once(':') else {
        return fail("no port");
    };
    let port = match number(port, 1..=65535) {
        Ok(port) => port,
        Err(reason) => return fail(&format!("the port {reason}")),
    };
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if in_brackets.is_none() && host.contains(':') {
        return fail("an IPv6 address needs brackets, as in [::1]:12345");
    }
    let host = in_brackets.unwrap_or(host).to_owned();
    if host.is_empty() {
        return fail("no host");
    }
    if host.contains(|c: char| c == '/' || c.is_whitespace()) {
        return fail("a host has no \"/\" and no spaces");
    }
    Ok(Address { host, port, written: text.to_owned() })
}
