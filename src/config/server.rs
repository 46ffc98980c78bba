//! The server's settings, from an INI file.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use super::ini;
use super::{ConfigError, Key, LevelSetting, Lookup, Settings, duration, level, number};

const PORT: Key = Key::same("SERVER_PORT");
const LISTEN_BACKLOG: Key = Key::same("SERVER_LISTEN_BACKLOG");
const LOGGING_LEVEL: Key = Key::same("LOGGING_LEVEL");
const BIND: Key = Key::same("SERVER_BIND");
const WORKERS: Key = Key::same("SERVER_WORKERS");
const MESSAGE_LIMIT: Key = Key::same("SERVER_MESSAGE_LIMIT");
const MAX_CONNECTIONS: Key = Key::same("SERVER_MAX_CONNECTIONS");
const TIMEOUT: Key = Key::same("SERVER_TIMEOUT");
const DRAIN_TIMEOUT: Key = Key::same("SERVER_DRAIN_TIMEOUT");
const ALL: [Key; 9] = [
    MAX_CONNECTIONS,
    PORT,
    LISTEN_BACKLOG,
    LOGGING_LEVEL,
    BIND,
    WORKERS,
    MESSAGE_LIMIT,
    TIMEOUT,
    DRAIN_TIMEOUT,
];

const MAX_WORKERS: u32 = 256;
const MAX_MESSAGE_LIMIT: u32 = 1 << 30;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// 0 lets the kernel pick a free one.
    pub port: u16,
    /// For listen(2).
    pub listen_backlog: u16,
    pub logging_level: LevelSetting,
    pub bind: IpAddr,
    /// Event loops.
    pub workers: usize,
    /// Bytes in one message, its newline included.
    pub message_limit: usize,
    /// Open connections, at the most.
    pub max_connections: usize,
    /// From accept to the echo sent.
    pub timeout: Duration,
    /// What a half-received message may still take once the end has begun.
    pub drain_timeout: Duration,
    /// Keys of the file that mean nothing here.
    pub unknown: Vec<String>,
}

impl ServerConfig {
    pub fn load(path: &Path, lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let settings = Settings::read(path, ini::parse, lookup)?;
        let optional = |key, from, to| settings.get(key, |text| number(text, from, to));
        Ok(Self {
            port: settings.required(PORT, |text| number(text, 0, 65535))? as u16,
            listen_backlog: settings.required(LISTEN_BACKLOG, |text| number(text, 1, 65535))?
                as u16,
            logging_level: settings.required(LOGGING_LEVEL, level)?,
            bind: settings.get(BIND, address)?.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
            workers: optional(WORKERS, 1, MAX_WORKERS)?.unwrap_or_else(processors) as usize,
            message_limit: optional(MESSAGE_LIMIT, 1, MAX_MESSAGE_LIMIT)?.unwrap_or(65536) as usize,
            max_connections: optional(MAX_CONNECTIONS, 1, 1 << 20)?.unwrap_or(16384) as usize,
            timeout: settings
                .get(TIMEOUT, |text| duration(text, false))?
                .unwrap_or(Duration::from_secs(60)),
            drain_timeout: settings
                .get(DRAIN_TIMEOUT, |text| duration(text, true))?
                .unwrap_or(Duration::from_millis(500)),
            unknown: settings.unknown(&ALL),
        })
    }
}

/// The processors that this process may use: its affinity and the quota of its control group count.
fn processors() -> u32 {
    available_parallelism().map_or(1, |count| count.get().min(MAX_WORKERS as usize) as u32)
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an IPv4 or IPv6 address"))
}
