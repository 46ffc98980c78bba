//! Settings: every error word for word. The parsers' own errors are in their unit tests.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::directory;
use crate::support::limits::drop_capabilities;
use crate::support::program::{CLIENT, Program, SERVER, command};
use crate::support::settings::{INI, YAML, client, file, server};

use tp0::config::{ClientConfig, ServerConfig, Setting};

#[test]
fn a_bad_value_is_named_with_the_reason() {
    let table = "
        SERVER_PORT=70000 => is not a number from 0 to 65535
        SERVER_LISTEN_BACKLOG=0 => is not a number from 1 to 65535
        LOGGING_LEVEL=loud => is not a level (CRITICAL FATAL ERROR WARNING WARN NOTICE INFO DEBUG)
        SERVER_BIND=server => is not an IPv4 or IPv6 address
        SERVER_WORKERS=257 => is not a number from 1 to 256
        SERVER_MESSAGE_LIMIT=0 => is not a number from 1 to 1073741824
        SERVER_MAX_CONNECTIONS=1048577 => is not a number from 1 to 1048576
        SERVER_TIMEOUT=0s => must be greater than 0
        SERVER_DRAIN_TIMEOUT=2562048h => is longer than 292 years
        CLI_ID=a b => is not 1 to 64 printable characters without a space
        CLI_ID=\u{7} => is not 1 to 64 printable characters without a space
        CLI_ID=\u{200b} => is not 1 to 64 printable characters without a space
        CLI_ID=12345678901234567890123456789012345678901234567890123456789012345 => is not 1 to 64 printable characters without a space
        CLI_SERVER_ADDRESS=server => is not host:port: no port
        CLI_SERVER_ADDRESS=:1 => is not host:port: no host
        CLI_SERVER_ADDRESS=[]:1 => is not host:port: no host
        CLI_SERVER_ADDRESS=server:0 => is not host:port: the port \"0\" is not a number from 1 to 65535
        CLI_SERVER_ADDRESS=::1:80 => is not host:port: an IPv6 address needs brackets, as in [::1]:12345
        CLI_SERVER_ADDRESS=server/x:1 => is not host:port: a host has no \"/\" and no spaces
        CLI_SERVER_ADDRESS=a b:1 => is not host:port: a host has no \"/\" and no spaces
        CLI_SERVER_TIMEOUT=0 => must be greater than 0
        CLI_LOOP_AMOUNT=-1 => is not a number from 0 to 18446744073709551615
        CLI_LOOP_AMOUNT=+5 => is not a number from 0 to 18446744073709551615
        CLI_LOOP_AMOUNT= 5 => is not a number from 0 to 18446744073709551615
        CLI_LOOP_AMOUNT=010 => is not a number from 0 to 18446744073709551615
        CLI_LOOP_PERIOD=5 => is not a duration: write numbers with units (h m s ms us µs ns) and no sign, such as \"1m30s\"
        CLI_LOG_LEVEL=2 => is not a level (CRITICAL FATAL ERROR WARNING WARN NOTICE INFO DEBUG)
    ";
    let (ini, yaml) = (file("bad-value-server", INI), file("bad-value-client", YAML));
    for line in table.trim().lines() {
        let (setting, reason) = line.trim().split_once(" => ").unwrap();
        let (variable, value) = setting.split_once('=').unwrap();
        let error = if variable.starts_with("CLI_") {
            client(&yaml, &[(variable, value)]).unwrap_err()
        } else {
            server(&ini, &[(variable, value)]).unwrap_err()
        };
        assert_eq!(error, format!("environment: {variable}: {value:?} {reason}"));
    }
    // `load` reads each row of the programs' tables, because each has a value here that it refuses.
    for settings in [ServerConfig::SETTINGS, ClientConfig::SETTINGS] {
        for Setting { key, .. } in settings.rows {
            let variable = settings.variable(key);
            assert!(table.contains(&format!(" {variable}=")), "no bad value of {variable}");
        }
    }
}

#[test]
fn a_variable_that_is_not_utf8_is_named() {
    let environment = |_: &str| Some(OsString::from_vec(vec![0xff]));
    let error = ClientConfig::load(Path::new("nowhere"), &environment).unwrap_err();
    assert_eq!(error, "environment: CLI_ID: \"\\xFF\" is not UTF-8");
}

#[test]
fn a_missing_setting_is_named() {
    // The course's older files.
    let path = file("missing", &YAML.replace("amount: 5", "lapse: 1m"));
    let reason = "required, and set neither here nor in the environment as CLI_LOOP_AMOUNT; unknown here: loop.lapse";
    let error = format!("{}: loop.amount: {reason}", path.display());
    assert_eq!(client(&path, &[]).unwrap_err(), error);
    assert_eq!(
        client(Path::new("nowhere"), &[]).unwrap_err(),
        "nowhere: id: required, and set neither here (there is no such file) nor in the environment as CLI_ID"
    );
}

#[test]
fn a_path_that_is_no_settings_file_is_named() {
    let directory = directory("no-file");
    let not_utf8 = directory.join("not-utf8");
    fs::write(&not_utf8, b"[DEFAULT]\nSERVER_PORT = \xff\n").unwrap();
    let below_a_file = not_utf8.join("below");
    let is_a_directory = "a directory, not a file: the Docker engine makes one if it finds no file to mount: the file is missing, or the engine sees another machine's files (ssh://, or its socket inside a container); remove the directory, put the file back and start again";
    let table = [
        (&directory, is_a_directory),
        (&not_utf8, "line 2 is not UTF-8"),
        (&below_a_file, "cannot be read: Not a directory (os error 20)"),
    ];
    for (path, reason) in table {
        assert_eq!(server(path, &[]).unwrap_err(), format!("{}: {reason}", path.display()));
    }
    let error = server(Path::new("no\nfile"), &[]).unwrap_err();
    assert!(error.starts_with("no\\nfile: "), "one line: {error}");
}

#[test]
fn a_file_without_permission_is_named() {
    let ini = file("not-readable", INI);
    fs::set_permissions(&ini, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = command(SERVER, &[]);
    drop_capabilities(command.arg("--config").arg(&ini));
    let ended = Program::spawn(&mut command).wait();
    assert_eq!(ended.status.code(), Some(2));
    let reason =
        "no permission to read it: chmod a+r it, or in a container the file that is mounted there";
    assert_eq!(ended.stderr, format!("{}: {reason}\n", ini.display()));
}

/// The programs themselves: the line on stderr, nothing on stdout, status 2.
#[test]
fn the_programs_end_with_2() {
    let table = r#"
        [DEFAULT]\nSERVER_PORT = => 2: SERVER_PORT: required, and set to nothing
        [DEFAULT]\nSERVER_PORT = x => 2: SERVER_PORT: "x" is not a number from 0 to 65535
        [DEFAULT]\nSERVER_PORT = 1 # c => 2: SERVER_PORT: "1 # c" is not a number from 0 to 65535; write a comment on a line of its own
        server:\n  address => 2: no ":" in "address": write a key, a ":" and its value
        id: 1\nserver:\n  address: x => 3: server.address: "x" is not host:port: no port
    "#;
    for line in table.trim().lines() {
        let (text, error) = line.trim().split_once(" => ").unwrap();
        let path = file("status", &text.replace(r"\n", "\n"));
        let program = if text.starts_with('[') { SERVER } else { CLIENT };
        let ended = Program::spawn(command(program, &[]).arg("--config").arg(&path)).wait();
        assert_eq!(ended.stderr, format!("{}:{error}\n", path.display()));
        assert_eq!(ended.status.code(), Some(2), "{program}");
        assert!(ended.lines.is_empty(), "{program}: {ended:?}");
    }
}
