//! Settings: every error word for word.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::directory;
use crate::support::limits::keep_to_permissions;
use crate::support::program::{CLIENT, Program, SERVER, command};
use crate::support::settings::{INI, YAML, client, file, server};

use tp0::config::ClientConfig;

#[test]
fn server_errors_say_where_what_and_why() {
    let table = [
        ("SERVER_PORT = 70000", r#""70000" is not a number from 0 to 65535"#),
        ("SERVER_PORT =", "required, and set to nothing"),
        ("SERVER_LISTEN_BACKLOG = many", r#""many" is not a number from 1 to 65535"#),
        ("SERVER_LISTEN_BACKLOG = 0", r#""0" is not a number from 1 to 65535"#),
        (
            "SERVER_LISTEN_BACKLOG = 5 ; five",
            r#""5 ; five" is not a number from 1 to 65535; write a comment on a line of its own"#,
        ),
        (
            "LOGGING_LEVEL = loud",
            r#""loud" is not a level (CRITICAL FATAL ERROR WARNING WARN NOTICE INFO DEBUG)"#,
        ),
        ("SERVER_BIND = server", r#""server" is not an IPv4 or IPv6 address"#),
        ("SERVER_WORKERS = 257", r#""257" is not a number from 1 to 256"#),
        ("SERVER_MESSAGE_LIMIT = 0", r#""0" is not a number from 1 to 1073741824"#),
        ("SERVER_MAX_CONNECTIONS = 1048577", r#""1048577" is not a number from 1 to 1048576"#),
        ("SERVER_TIMEOUT = 0s", r#""0s" must be greater than 0"#),
        (
            "SERVER_TIMEOUT = 300y",
            r#""300y" is not a duration: write numbers with units (h m s ms us µs ns) and no sign, such as "1m30s""#,
        ),
        ("SERVER_DRAIN_TIMEOUT = 2562048h", r#""2562048h" is longer than 292 years"#),
    ];
    for (line, reason) in table {
        let key = line.split(' ').next().unwrap();
        let others = INI.lines().filter(|other| !other.starts_with(key));
        let lines: Vec<_> = others.chain([line]).collect();
        let path = file("server-errors", &lines.join("\n"));
        let error = format!("{}:{}: {key}: {reason}", path.display(), lines.len());
        assert_eq!(server(&path, &[]).unwrap_err(), error, "{line:?}");
    }
}

#[test]
fn client_errors_say_where_what_and_why() {
    let table = [
        ("CLI_ID", "a b", "is not 1 to 64 printable characters without a space"),
        ("CLI_ID", "\u{7}", "is not 1 to 64 printable characters without a space"),
        ("CLI_ID", "\u{200b}", "is not 1 to 64 printable characters without a space"),
        (
            "CLI_ID",
            "12345678901234567890123456789012345678901234567890123456789012345",
            "is not 1 to 64 printable characters without a space",
        ),
        ("CLI_SERVER_ADDRESS", "server", "is not host:port: no port"),
        ("CLI_SERVER_ADDRESS", ":1", "is not host:port: no host"),
        ("CLI_SERVER_ADDRESS", "[]:1", "is not host:port: no host"),
        (
            "CLI_SERVER_ADDRESS",
            "server:0",
            r#"is not host:port: the port "0" is not a number from 1 to 65535"#,
        ),
        (
            "CLI_SERVER_ADDRESS",
            "::1:80",
            "is not host:port: an IPv6 address needs brackets, as in [::1]:12345",
        ),
        (
            "CLI_SERVER_ADDRESS",
            "server/x:1",
            r#"is not host:port: a host has no "/" and no spaces"#,
        ),
        ("CLI_SERVER_ADDRESS", "a b:1", r#"is not host:port: a host has no "/" and no spaces"#),
        ("CLI_SERVER_TIMEOUT", "0", "must be greater than 0"),
        ("CLI_LOOP_AMOUNT", "-1", "is not a number from 0 to 18446744073709551615"),
        (
            "CLI_LOOP_PERIOD",
            "-5s",
            r#"is not a duration: write numbers with units (h m s ms us µs ns) and no sign, such as "1m30s""#,
        ),
        (
            "CLI_LOG_LEVEL",
            "2",
            "is not a level (CRITICAL FATAL ERROR WARNING WARN NOTICE INFO DEBUG)",
        ),
    ];
    let path = file("client-errors", YAML);
    for (variable, value, reason) in table {
        let error = format!("environment: {variable}: {value:?} {reason}");
        assert_eq!(client(&path, &[(variable, value)]).unwrap_err(), error, "{variable}={value}");
    }
}

/// Go reads some of these by their prefixes, and Python all of them.
#[test]
fn a_number_is_plain_decimal() {
    let path = file("plain-decimal", YAML);
    for text in
        ["010", "08", "00", "+0", "+5", "-0", "0x10", "0b1", "0o7", "1_000", "1e3", "5.0", " 5"]
    {
        let error = client(&path, &[("CLI_LOOP_AMOUNT", text)]).unwrap_err();
        assert!(
            error.starts_with(&format!("environment: CLI_LOOP_AMOUNT: {text:?} is not a number")),
            "{error}"
        );
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
    assert_eq!(
        client(&path, &[]).unwrap_err(),
        format!(
            "{}: loop.amount: required, and set neither here nor in the environment as CLI_LOOP_AMOUNT; unknown here: loop.lapse",
            path.display()
        )
    );
    assert_eq!(
        client(Path::new("nowhere/config.yaml"), &[]).unwrap_err(),
        "nowhere/config.yaml: id: required, and set neither here (there is no such file) nor in the environment as CLI_ID"
    );
}

#[test]
fn a_path_that_is_no_settings_file_is_named() {
    let directory = directory("no-file");
    let not_utf8 = directory.join("not-utf8");
    fs::write(&not_utf8, b"[DEFAULT]\nSERVER_PORT = \xff\n").unwrap();
    let below_a_file = not_utf8.join("below");
    let table = [
        (
            &directory,
            "a directory, not a file: the Docker engine makes one if it finds no file to mount: the file is missing, or the engine sees another machine's files (ssh://, or its socket inside a container); remove the directory, put the file back and start again",
        ),
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
    keep_to_permissions(command.arg("--config").arg(&ini));
    let ended = Program::spawn(&mut command).wait();
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(
        ended.stderr,
        format!(
            "{}: no permission to read it: chmod a+r it, or in a container the file that is mounted there\n",
            ini.display()
        )
    );
}

/// The programs themselves: the line on stderr, nothing on stdout, status 2.
#[test]
fn the_programs_end_with_2() {
    let ini = file("status-server", "[DEFAULT]\nSERVER_PORT = 1\nSERVER_LISTEN_BACKLOG = many\n");
    let yaml = file("status-client", "id: 1\nserver:\n\taddress: x\n");
    let table = [
        (SERVER, &ini, "3: SERVER_LISTEN_BACKLOG: \"many\" is not a number from 1 to 65535"),
        (CLIENT, &yaml, "3: a tab in the indentation: use spaces"),
    ];
    for (program, path, error) in table {
        let ended = Program::spawn(command(program, &[]).arg("--config").arg(path)).wait();
        assert_eq!(ended.stderr, format!("{}:{error}\n", path.display()));
        assert_eq!(ended.status.code(), Some(2), "{program}");
        assert!(ended.lines.is_empty(), "{program}: {ended:?}");
    }
}
