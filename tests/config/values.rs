//! Settings: precedence, defaults, and each key read from a file.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::support::settings::{INI, YAML, client, file, server};

use tp0::config::{ClientConfig, ServerConfig};
use tp0::log::Level;

#[test]
fn the_server_has_defaults() {
    let config = server(&file("server-defaults", INI), &[]).unwrap();
    let ServerConfig { port, listen_backlog, logging_level, bind, workers, .. } = config;
    assert_eq!((port, listen_backlog), (12345, 5));
    assert_eq!((logging_level.level, logging_level.written.as_str()), (Level::Info, "INFO"));
    assert_eq!(bind, "0.0.0.0".parse::<IpAddr>().unwrap());
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(workers, processors.min(256));
    assert_eq!((config.message_limit, config.max_connections), (65536, 16384));
    assert_eq!(config.timeout, Duration::from_secs(60));
    assert_eq!(config.drain_timeout, Duration::from_millis(500));
    assert!(config.unknown.is_empty(), "{:?}", config.unknown);
}

#[test]
fn the_server_reads_each_key() {
    let more = "server_bind = ::1
server_workers: 3
Server_Message_Limit = 1000
SERVER_MAX_CONNECTIONS = 2000
SERVER_TIMEOUT = 1m30s
SERVER_DRAIN_TIMEOUT = 0
SERVER_IP = server
[other]
server_port = 1
";
    let config = server(&file("server-keys", &format!("{INI}{more}")), &[]).unwrap();
    assert_eq!(config.port, 12345, "another section's key is another key");
    assert_eq!(config.bind, "::1".parse::<IpAddr>().unwrap());
    assert_eq!((config.workers, config.message_limit, config.max_connections), (3, 1000, 2000));
    assert_eq!((config.timeout, config.drain_timeout), (Duration::from_secs(90), Duration::ZERO));
    assert_eq!(config.unknown, ["server_ip", "other.server_port"]);
}

#[test]
fn the_client_has_a_default_and_reads_each_key() {
    let path = file("client-defaults", YAML);
    let config = client(&path, &[]).unwrap();
    assert_eq!(config.server_timeout, Duration::from_secs(30));
    let more = "batch:\n  maxAmount: 10\n";
    let yaml = YAML.replace("server:\n", "SERVER:\n  Timeout: 1.5s\n") + more;
    let config = client(&file("client-keys", &yaml), &[]).unwrap();
    let ClientConfig { id, server_address, loop_amount, loop_period, log_level, .. } = config;
    assert_eq!((id.as_str(), loop_amount, loop_period), ("7", 5, Duration::from_secs(5)));
    assert_eq!((server_address.host.as_str(), server_address.port), ("server", 12345));
    assert_eq!(config.server_timeout, Duration::from_millis(1500));
    assert_eq!((log_level.level, log_level.written.as_str()), (Level::Info, "info"));
    assert_eq!(config.unknown, ["batch.maxamount"]);
}

#[test]
fn the_environment_overrides_the_file() {
    let variables = [("SERVER_PORT", "1"), ("LOGGING_LEVEL", "")];
    let config = server(&file("server-environment", INI), &variables).unwrap();
    assert_eq!(config.port, 1);
    assert_eq!(config.logging_level.level, Level::Info, "an empty variable counts as unset");
}

#[test]
fn the_environment_suffices() {
    let longest = "ñ".repeat(64);
    let variables = [
        ("CLI_ID", longest.as_str()),
        ("CLI_SERVER_ADDRESS", "[::1]:80"),
        ("CLI_LOOP_AMOUNT", "0"),
        ("CLI_LOOP_PERIOD", "0"),
        ("CLI_LOG_LEVEL", "Warn"),
    ];
    let config = client(Path::new("nowhere/config"), &variables).unwrap();
    assert_eq!(config.id, longest);
    assert_eq!((config.server_address.host.as_str(), config.server_address.port), ("::1", 80));
    assert_eq!((config.loop_period, config.log_level.level), (Duration::ZERO, Level::Warning));
}

/// The settings that the repository ships are good, and five messages of the shipped loop are ours.
#[test]
fn the_shipped_files_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = server(&root.join("server/config.ini"), &[]).unwrap();
    assert_eq!((config.port, config.listen_backlog), (12345, 5));
    let config = client(&root.join("client/config.yaml"), &[("CLI_ID", "1")]).unwrap();
    assert_eq!((config.server_address.written.as_str(), config.loop_amount), ("server:12345", 5));
}
