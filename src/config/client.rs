//! The client's settings, from a YAML file.

use std::path::Path;
use std::time::Duration;

use super::duration;
use super::settings::{Environment, Setting, Settings, Text};
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
    /// Keys of the file that mean nothing here.
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

const fn row(key: Text, variable: Text, default: Option<Text>, help: Text) -> Setting {
    Setting { key, variable, default, help }
}

impl ClientConfig {
    pub const SETTINGS: &[Setting] = &[
        row("id", "CLI_ID", None, "1 to 64 printable characters, no space"),
        row("server.address", "CLI_SERVER_ADDRESS", None, "host:port"),
        row("server.timeout", "CLI_SERVER_TIMEOUT", Some("30s"), "for a message and its retries"),
        row("loop.amount", "CLI_LOOP_AMOUNT", None, "messages, 0 or more"),
        row("loop.period", "CLI_LOOP_PERIOD", None, "pause between messages"),
        row("log.level", "CLI_LOG_LEVEL", None, LEVELS),
    ];

    pub fn load(path: &Path, environment: Environment<'_>) -> Result<Self, String> {
        let settings = Settings::read(Self::SETTINGS, path, yaml::parse, environment)?;
        Ok(Self {
            id: settings.get("id", id)?,
            server_address: settings.get("server.address", address)?,
            server_timeout: settings.get("server.timeout", positive_duration)?,
            loop_amount: settings.get("loop.amount", amount)?,
            loop_period: settings.get("loop.period", duration::parse)?,
            log_level: settings.get("log.level", level)?,
            unknown: settings.unknown(),
        })
    }
}

fn id(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.chars().count());
    // Beyond ASCII, what Debug escapes is not printable.
    let is_printable =
        |c: char| if c.is_ascii() { c.is_ascii_graphic() } else { c.escape_debug().count() == 1 };
    if !fits || !text.chars().all(is_printable) {
        return Err(format!("{text:?} is not 1 to 64 printable characters without a space"));
    }
    Ok(text.to_owned())
}

fn amount(text: &str) -> Result<u64, String> {
    let refusal = |_| format!("{text:?} is not a plain decimal number, 0 or more");
    number(0..=u64::MAX)(text).map_err(refusal)
}

fn address(text: &str) -> Result<Address, String> {
    let fail = |reason: &str| Err(format!("{text:?} is not host:port: {reason}"));
    let Some((host, port)) = text.rsplit_once(':') else {
        return fail("no port");
    };
    let Ok(port) = number(1..=65535)(port) else {
        return fail("the port is not a plain decimal number from 1 to 65535");
    };
    if host.contains('/') {
        return fail("a host has no \"/\"");
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return fail("an IPv6 address needs brackets, as in [::1]:12345");
    }
    let host = bare.unwrap_or(host).to_owned();
    if host.is_empty() {
        return fail("no host");
    }
    if host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return fail("a host has no spaces");
    }
    Ok(Address { host, port, written: text.to_owned() })
}
