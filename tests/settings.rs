//! Settings: precedence, defaults, and every error word for word.

mod support;

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::{CLIENT, Program, SERVER, command, folder};
use tp0::config::{ClientConfig, ServerConfig};
use tp0::log::Level;

const INI: &str = "[DEFAULT]
SERVER_PORT = 12345
SERVER_LISTEN_BACKLOG = 5
LOGGING_LEVEL = INFO
";

const YAML: &str = "id: 7
server:
  address: server:12345
loop:
  amount: 5
  period: 5s
log:
  level: info
";

fn file(test: &str, text: &str) -> PathBuf {
    let path = folder(test).join("settings");
    std::fs::write(&path, text).expect("a settings file");
    path
}

type Variables = [(&'static str, &'static str)];

fn lookup(variables: &Variables) -> impl Fn(&str) -> Option<OsString> {
    let map: HashMap<_, _> = variables.iter().copied().collect();
    move |name| map.get(name).map(OsString::from)
}

fn server(path: &Path, variables: &Variables) -> Result<ServerConfig, String> {
    ServerConfig::load(path, &lookup(variables)).map_err(|error| error.to_string())
}

fn client(path: &Path, variables: &Variables) -> Result<ClientConfig, String> {
    ClientConfig::load(path, &lookup(variables)).map_err(|error| error.to_string())
}

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
    let more = "batch:\n  maxAmount: 10\nSERVER.TIMEOUT: 1.5s\n";
    let config = client(&file("client-keys", &format!("{YAML}{more}")), &[]).unwrap();
    assert_eq!(config.server_timeout, Duration::from_millis(1500));
    assert_eq!(config.unknown, ["batch.maxamount"]);
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

#[test]
fn server_errors_say_where_what_and_why() {
    let table = [
        ("SERVER_PORT = 70000", "5: SERVER_PORT: \"70000\" is not a number from 0 to 65535"),
        ("SERVER_PORT = +1", "5: SERVER_PORT: \"+1\" is not a number from 0 to 65535"),
        (
            "SERVER_LISTEN_BACKLOG = many",
            "5: SERVER_LISTEN_BACKLOG: \"many\" is not a number from 1 to 65535",
        ),
        (
            "SERVER_LISTEN_BACKLOG = 0",
            "5: SERVER_LISTEN_BACKLOG: \"0\" is not a number from 1 to 65535",
        ),
        (
            "LOGGING_LEVEL = loud",
            "5: LOGGING_LEVEL: \"loud\" is not a level (DEBUG INFO NOTICE WARNING WARN ERROR CRITICAL FATAL)",
        ),
        ("SERVER_BIND = server", "5: SERVER_BIND: \"server\" is not an IPv4 or IPv6 address"),
        ("SERVER_WORKERS = 257", "5: SERVER_WORKERS: \"257\" is not a number from 1 to 256"),
        (
            "SERVER_MESSAGE_LIMIT = 0",
            "5: SERVER_MESSAGE_LIMIT: \"0\" is not a number from 1 to 1073741824",
        ),
        (
            "SERVER_MAX_CONNECTIONS = 1048577",
            "5: SERVER_MAX_CONNECTIONS: \"1048577\" is not a number from 1 to 1048576",
        ),
        ("SERVER_TIMEOUT = 0s", "5: SERVER_TIMEOUT: \"0s\" leaves no time at all"),
        ("SERVER_DRAIN_TIMEOUT = -1s", "5: SERVER_DRAIN_TIMEOUT: \"-1s\" is negative"),
    ];
    for (line, error) in table {
        let key = line.split(' ').next().unwrap();
        let others: String = INI
            .lines()
            .map(|line| if line.starts_with(key) { "\n".to_owned() } else { format!("{line}\n") })
            .collect();
        let path = file("server-errors", &format!("{others}{line}\n"));
        assert_eq!(server(&path, &[]).unwrap_err(), format!("{}:{error}", path.display()));
    }
}

#[test]
fn client_errors_say_where_what_and_why() {
    let table: [(&Variables, &str); 14] = [
        (
            &[("CLI_ID", "a\u{200b}")],
            "CLI_ID: \"a\\u{200b}\" is not 1 to 64 printable characters without a blank",
        ),
        (
            &[("CLI_SERVER_ADDRESS", "http://server:1")],
            "CLI_SERVER_ADDRESS: \"http://server:1\" is not host:port: a host has no \"/\"",
        ),
        (
            &[("CLI_ID", "a b")],
            "CLI_ID: \"a b\" is not 1 to 64 printable characters without a blank",
        ),
        (
            &[("CLI_ID", "a\u{7}")],
            "CLI_ID: \"a\\u{7}\" is not 1 to 64 printable characters without a blank",
        ),
        (
            &[("CLI_SERVER_ADDRESS", "server")],
            "CLI_SERVER_ADDRESS: \"server\" is not host:port: no port",
        ),
        (&[("CLI_SERVER_ADDRESS", ":1")], "CLI_SERVER_ADDRESS: \":1\" is not host:port: no host"),
        (
            &[("CLI_SERVER_ADDRESS", "server:0")],
            "CLI_SERVER_ADDRESS: \"server:0\" is not host:port: the port is not a number from 1 to 65535",
        ),
        (
            &[("CLI_SERVER_ADDRESS", "::1:80")],
            "CLI_SERVER_ADDRESS: \"::1:80\" is not host:port: an IPv6 address needs brackets, as in [::1]:12345",
        ),
        (&[("CLI_SERVER_TIMEOUT", "0")], "CLI_SERVER_TIMEOUT: \"0\" leaves no time at all"),
        (
            &[("CLI_LOOP_AMOUNT", "-1")],
            "CLI_LOOP_AMOUNT: \"-1\" is not a number of messages, 0 or more",
        ),
        (
            &[("CLI_LOOP_AMOUNT", "5.0")],
            "CLI_LOOP_AMOUNT: \"5.0\" is not a number of messages, 0 or more",
        ),
        (&[("CLI_LOOP_PERIOD", "5")], "CLI_LOOP_PERIOD: \"5\" has no unit (such as \"5s\")"),
        (&[("CLI_LOOP_PERIOD", "-5s")], "CLI_LOOP_PERIOD: \"-5s\" is negative"),
        (
            &[("CLI_LOG_LEVEL", "2")],
            "CLI_LOG_LEVEL: \"2\" is not a level (DEBUG INFO NOTICE WARNING WARN ERROR CRITICAL FATAL)",
        ),
    ];
    let path = file("client-errors", YAML);
    for (variables, error) in table {
        assert_eq!(client(&path, variables).unwrap_err(), format!("environment: {error}"));
    }
}

#[test]
fn what_is_missing_is_named() {
    let path = file("missing", "[DEFAULT]\nSERVER_PORT =\n");
    assert_eq!(
        server(&path, &[]).unwrap_err(),
        format!(
            "{}: SERVER_PORT: required, and set neither here nor in the environment as SERVER_PORT",
            path.display()
        )
    );
    assert_eq!(
        client(Path::new("nowhere/config.yaml"), &[]).unwrap_err(),
        "nowhere/config.yaml: id: required, and set neither here (there is no such file) nor in the environment as CLI_ID"
    );
}

#[test]
fn a_file_that_is_none_is_named() {
    let folder = folder("no-file");
    assert_eq!(
        server(&folder, &[]).unwrap_err(),
        format!(
            "{}: a directory, not a file: an engine makes one where the file to mount is missing; remove it, put the file back and start again",
            folder.display()
        )
    );
    let path = folder.join("config.ini");
    std::fs::write(&path, b"[DEFAULT]\nSERVER_PORT = \xff\n").unwrap();
    assert_eq!(
        server(&path, &[]).unwrap_err(),
        format!("{}: not UTF-8: byte 0xff in line 2", path.display())
    );
    assert_eq!(
        server(Path::new("/dev/zero"), &[]).unwrap_err(),
        "/dev/zero: larger than 1048576 bytes"
    );
    assert!(!server(Path::new("no\nfile"), &[]).unwrap_err().contains('\n'), "one line");
    let error = server(&path.join("below"), &[]).unwrap_err();
    assert_eq!(
        error,
        format!("{}: cannot be read: Not a directory (os error 20)", path.join("below").display())
    );
}

/// The programs themselves: the line on stderr, nothing on stdout, status 2.
#[test]
fn the_programs_end_with_2() {
    let ini =
        file("status-server", "[DEFAULT]\nSERVER_PORT = 12345\nSERVER_LISTEN_BACKLOG = many\n");
    let ended = Program::spawn(command(SERVER, &[]).arg("--config").arg(&ini)).wait();
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(
        ended.stderr,
        format!(
            "{}:3: SERVER_LISTEN_BACKLOG: \"many\" is not a number from 1 to 65535\n",
            ini.display()
        )
    );
    assert!(ended.lines.is_empty());
    let ended = Program::start(CLIENT, &[]).wait();
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(
        ended.stderr,
        "./config.yaml: id: required, and set neither here (there is no such file) nor in the environment as CLI_ID\n"
    );
    let yaml = file("status-client", "id: 1\nserver:\n\taddress: x\n");
    let ended = Program::spawn(command(CLIENT, &[]).arg("--config").arg(&yaml)).wait();
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.starts_with(&format!("{}:3: ", yaml.display())), "{ended:?}");
}

/// Keys that mean nothing here are named once, at DEBUG.
#[test]
fn unknown_keys_are_named_at_debug() {
    let ini =
        file("unknown", &INI.replace("INFO", "DEBUG\nSERVER_IP = server").replace("12345", "0"));
    let server =
        Program::spawn(command(SERVER, &[("SERVER_BIND", "127.0.0.1")]).arg("--config").arg(&ini));
    let line = server.wait_for("ignore_key");
    assert!(
        line.ends_with("DEBUG    action: ignore_key | result: success | key: server_ip"),
        "{line}"
    );
    server.wait_for("accept_connections");
    assert!(server.stop().0.status.success());
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
