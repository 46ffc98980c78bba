//! The client's settings, from a YAML file.

use std::path::Path;
use std::time::Duration;

use super::yaml;
use super::{ConfigError, Key, LevelSetting, Lookup, Settings, duration, level};

const ID: Key = Key { file: "id", variable: "CLI_ID" };
const ADDRESS: Key = Key { file: "server.address", variable: "CLI_SERVER_ADDRESS" };
const TIMEOUT: Key = Key { file: "server.timeout", variable: "CLI_SERVER_TIMEOUT" };
const AMOUNT: Key = Key { file: "loop.amount", variable: "CLI_LOOP_AMOUNT" };
const PERIOD: Key = Key { file: "loop.period", variable: "CLI_LOOP_PERIOD" };
const LEVEL: Key = Key { file: "log.level", variable: "CLI_LOG_LEVEL" };
const ALL: [Key; 6] = [ID, ADDRESS, TIMEOUT, AMOUNT, PERIOD, LEVEL];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// 1 to 64 printable characters, no blank.
    pub id: String,
    pub server_address: Address,
    /// What one message may take, retries included.
    pub server_timeout: Duration,
    /// Messages.
    pub loop_amount: u64,
    /// Pause between two messages.
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

impl ClientConfig {
    pub fn load(path: &Path, lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let settings = Settings::read(path, yaml::parse, lookup)?;
        Ok(Self {
            id: settings.required(ID, id)?,
            server_address: settings.required(ADDRESS, address)?,
            server_timeout: settings
                .get(TIMEOUT, |text| duration(text, false))?
                .unwrap_or(Duration::from_secs(30)),
            loop_amount: settings.required(AMOUNT, amount)?,
            loop_period: settings.required(PERIOD, |text| duration(text, true))?,
            log_level: settings.required(LEVEL, level)?,
            unknown: settings.unknown(&ALL),
        })
    }
}

fn id(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.chars().count());
    // Beyond ASCII, what Debug escapes is not printable.
    let is_printable =
        |c: char| if c.is_ascii() { c.is_ascii_graphic() } else { c.escape_debug().count() == 1 };
    if !fits || !text.chars().all(is_printable) {
        return Err(format!("{text:?} is not 1 to 64 printable characters without a blank"));
    }
    Ok(text.to_owned())
}

fn amount(text: &str) -> Result<u64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let amount = text.parse().ok().filter(|_| digits);
    amount.ok_or_else(|| format!("{text:?} is not a number of messages, 0 or more"))
}

fn address(text: &str) -> Result<Address, String> {
    let fail = |reason: &str| Err(format!("{text:?} is not host:port: {reason}"));
    let Some((host, port)) = text.rsplit_once(':') else {
        return fail("no port");
    };
    let Some(port) = super::number(port, 1, 65535).ok() else {
        return fail("the port is not a number from 1 to 65535");
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
        return fail("a host has no blanks");
    }
    Ok(Address { host, port: port as u16, written: text.to_owned() })
}
