//! The server's settings, from an INI file.

use std::net::IpAddr;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use super::duration;
use super::ini;
use super::settings::{Environment, Setting, Settings, Table};
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
    /// Keys of the file that the server does not know.
    pub unknown: Vec<String>,
}

const MAX_WORKERS: usize = 256;

impl ServerConfig {
    pub const SETTINGS: Table = Table {
        prefix: "",
        rows: &[
            Setting::required("SERVER_PORT", "0 to 65535; 0 picks a free port"),
            Setting::required("SERVER_LISTEN_BACKLOG", "1 to 65535, for listen(2)"),
            Setting::required("LOGGING_LEVEL", LEVELS),
            Setting::optional("SERVER_BIND", "0.0.0.0", "IP address to listen on"),
            Setting::optional(
                "SERVER_WORKERS",
                "auto",
                "event loops, 1 to 256; auto: the processors",
            ),
            Setting::optional("SERVER_MESSAGE_LIMIT", "65536", "bytes in one message"),
            Setting::optional("SERVER_MAX_CONNECTIONS", "16384", "open connections, 1 to 1048576"),
            Setting::optional("SERVER_TIMEOUT", "60s", "from accept to the echo sent"),
            Setting::optional("SERVER_DRAIN_TIMEOUT", "500ms", "for half a message after SIGTERM"),
        ],
    };

    pub fn load(path: &Path, environment: Environment<'_>) -> Result<Self, String> {
        let settings = Settings::read(Self::SETTINGS, path, ini::parse, environment)?;
        Ok(Self {
            port: settings.get("SERVER_PORT", |text| number(text, 0..=65535))?,
            listen_backlog: settings
                .get("SERVER_LISTEN_BACKLOG", |text| number(text, 1..=65535))?,
            logging_level: settings.get("LOGGING_LEVEL", level)?,
            bind: settings.get("SERVER_BIND", ip_address)?,
            workers: settings.get("SERVER_WORKERS", workers)?,
            message_limit: settings
                .get("SERVER_MESSAGE_LIMIT", |text| number(text, 1..=1 << 30))?,
            max_connections: settings
                .get("SERVER_MAX_CONNECTIONS", |text| number(text, 1..=1 << 20))?,
            timeout: settings.get("SERVER_TIMEOUT", positive_duration)?,
            drain_timeout: settings.get("SERVER_DRAIN_TIMEOUT", duration::parse)?,
            unknown: settings.unknown(),
        })
    }
}

fn ip_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an IPv4 or IPv6 address"))
}

fn workers(text: &str) -> Result<usize, String> {
    if text == "auto" {
        // The processors that the process may use, by its affinity and by the quota of its control group.
        let processors = available_parallelism().map_or(1, |count| count.get());
        return Ok(processors.min(MAX_WORKERS));
    }
    number(text, 1..=MAX_WORKERS)
}
