//! The server's settings, from an INI file.

use std::net::IpAddr;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use super::duration;
use super::ini;
use super::settings::{Environment, Setting, Settings, Text};
use super::values::{LEVELS, LevelSetting, level, number, positive_duration};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    pub port: u16,
    pub listen_backlog: u16,
    pub logging_level: LevelSetting,
    pub bind: IpAddr,
    pub workers: usize,
    pub message_limit: usize,
    pub max_connections: usize,
    pub timeout: Duration,
    pub drain_timeout: Duration,
    /// Keys of the file that mean nothing here.
    pub unknown: Vec<String>,
}

const fn row(key: Text, default: Option<Text>, help: Text) -> Setting {
    Setting { key, variable: key, default, help }
}

pub const MAX_WORKERS: usize = 256;

impl ServerConfig {
    pub const SETTINGS: &[Setting] = &[
        row("SERVER_PORT", None, "0 to 65535; 0 picks a free port"),
        row("SERVER_LISTEN_BACKLOG", None, "1 to 65535, for listen(2)"),
        row("LOGGING_LEVEL", None, LEVELS),
        row("SERVER_BIND", Some("0.0.0.0"), "IP address to listen on"),
        row("SERVER_WORKERS", Some("the processors it may use"), "event loops, 1 to 256"),
        row("SERVER_MESSAGE_LIMIT", Some("65536"), "bytes in one message, newline included"),
        row("SERVER_MAX_CONNECTIONS", Some("16384"), "open connections, 1 to 1048576"),
        row("SERVER_TIMEOUT", Some("60s"), "from accept to the echo sent"),
        row("SERVER_DRAIN_TIMEOUT", Some("500ms"), "for a half-received message after SIGTERM"),
    ];

    pub fn load(path: &Path, environment: Environment<'_>) -> Result<Self, String> {
        let settings = Settings::read(Self::SETTINGS, path, ini::parse, environment)?;
        let workers = settings.find("SERVER_WORKERS", number(1..=MAX_WORKERS))?;
        Ok(Self {
            port: settings.get("SERVER_PORT", number(0..=65535))?,
            listen_backlog: settings.get("SERVER_LISTEN_BACKLOG", number(1..=65535))?,
            logging_level: settings.get("LOGGING_LEVEL", level)?,
            bind: settings.get("SERVER_BIND", ip_address)?,
            workers: workers.unwrap_or_else(processors),
            message_limit: settings.get("SERVER_MESSAGE_LIMIT", number(1..=1 << 30))?,
            max_connections: settings.get("SERVER_MAX_CONNECTIONS", number(1..=1 << 20))?,
            timeout: settings.get("SERVER_TIMEOUT", positive_duration)?,
            drain_timeout: settings.get("SERVER_DRAIN_TIMEOUT", duration::parse)?,
            unknown: settings.unknown(),
        })
    }
}

/// The processors that this process may use: its affinity and the quota of its control group count.
fn processors() -> usize {
    available_parallelism().map_or(1, |count| count.get().min(MAX_WORKERS))
}

fn ip_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an IPv4 or IPv6 address"))
}
