//! Settings: precedence and defaults.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use crate::support::settings::{INI, YAML, client, file, server};

use tp0::log::Level;

#[test]
fn server_defaults() {
    let config = server(&file("server-defaults", INI), &[]).unwrap();
    assert_eq!((config.port, config.listen_backlog), (12345, 5));
    assert_eq!(
        (config.logging_level.level, config.logging_level.written.as_str()),
        (Level::Info, "INFO")
    );
    assert_eq!(config.bind, "0.0.0.0".parse::<IpAddr>().unwrap());
    assert!((1..=256).contains(&config.workers));
    assert_eq!((config.message_limit, config.max_connections), (65536, 16384));
    assert_eq!(
        (config.timeout, config.drain_timeout),
        (Duration::from_secs(60), Duration::from_millis(500))
    );
    assert!(config.unknown.is_empty());
}

#[test]
fn server_keys() {
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
fn client_defaults_and_keys() {
    let config = client(&file("client-defaults", YAML), &[]).unwrap();
    assert_eq!((config.id.as_str(), config.loop_amount), ("7", 5));
    assert_eq!(
        (config.server_address.host.as_str(), config.server_address.port),
        ("server", 12345)
    );
    assert_eq!(
        (config.loop_period, config.server_timeout),
        (Duration::from_secs(5), Duration::from_secs(30))
    );
    assert_eq!((config.log_level.level, config.log_level.written.as_str()), (Level::Info, "info"));
    let more = "batch:\n  maxAmount: 10\nSERVER.TIMEOUT: 1.5s\ntama\u{f1}o lote: 3\n";
    let config = client(&file("client-keys", &format!("{YAML}{more}")), &[]).unwrap();
    assert_eq!(config.server_timeout, Duration::from_millis(1500));
    assert_eq!(config.unknown, ["batch.maxamount", "tama\u{f1}o lote"]);
}

#[test]
fn the_environment_comes_before_the_file() {
    let config =
        server(&file("server-environment", INI), &[("SERVER_PORT", "1"), ("LOGGING_LEVEL", "")]);
    let config = config.unwrap();
    assert_eq!(
        (config.port, config.logging_level.level),
        (1, Level::Info),
        "empty counts as unset"
    );
    let config =
        client(&file("client-environment", YAML), &[("CLI_ID", "x"), ("CLI_LOOP_PERIOD", "0")]);
    let config = config.unwrap();
    assert_eq!((config.id.as_str(), config.loop_period), ("x", Duration::ZERO));
}

#[test]
fn the_environment_suffices() {
    let nowhere = Path::new("nowhere/config");
    let variables =
        [("SERVER_PORT", "0"), ("SERVER_LISTEN_BACKLOG", "65535"), ("LOGGING_LEVEL", "fatal")];
    assert_eq!(server(nowhere, &variables).unwrap().logging_level.level, Level::Critical);
    let variables = [
        ("CLI_ID", "1"),
        ("CLI_SERVER_ADDRESS", "[::1]:80"),
        ("CLI_LOOP_AMOUNT", "0"),
        ("CLI_LOOP_PERIOD", "1h"),
        ("CLI_LOG_LEVEL", "Warn"),
    ];
    let config = client(nowhere, &variables).unwrap();
    assert_eq!((config.server_address.host.as_str(), config.server_address.port), ("::1", 80));
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
