//! Settings: every error word for word.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::directory;
use crate::support::limits::keep_to_permissions;
use crate::support::program::{CLIENT, Program, SERVER, command};
use crate::support::settings::{INI, Variables, YAML, client, file, server};

#[test]
fn server_errors_say_where_what_and_why() {
    let table = [
        (
            "SERVER_PORT = 080",
            "5: SERVER_PORT: \"080\" is not a plain decimal number from 0 to 65535",
        ),
        ("SERVER_PORT = 70000", "5: SERVER_PORT: \"70000\" is not a number from 0 to 65535"),
        (
            "SERVER_PORT = +1",
            "5: SERVER_PORT: \"+1\" is not a plain decimal number from 0 to 65535",
        ),
        (
            "SERVER_PORT = 1_000",
            "5: SERVER_PORT: \"1_000\" is not a plain decimal number from 0 to 65535",
        ),
        (
            "SERVER_PORT = 0x50",
            "5: SERVER_PORT: \"0x50\" is not a plain decimal number from 0 to 65535",
        ),
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
            "5: LOGGING_LEVEL: \"loud\" is not a level (CRITICAL FATAL ERROR WARNING WARN NOTICE INFO DEBUG)",
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
            "CLI_ID: \"a\\u{200b}\" is not 1 to 64 printable characters without a space",
        ),
        (
            &[("CLI_SERVER_ADDRESS", "http://server:1")],
            "CLI_SERVER_ADDRESS: \"http://server:1\" is not host:port: a host has no \"/\"",
        ),
        (
            &[("CLI_ID", "a b")],
            "CLI_ID: \"a b\" is not 1 to 64 printable characters without a space",
        ),
        (
            &[("CLI_ID", "a\u{7}")],
            "CLI_ID: \"a\\u{7}\" is not 1 to 64 printable characters without a space",
        ),
        (
            &[("CLI_SERVER_ADDRESS", "server")],
            "CLI_SERVER_ADDRESS: \"server\" is not host:port: no port",
        ),
        (&[("CLI_SERVER_ADDRESS", ":1")], "CLI_SERVER_ADDRESS: \":1\" is not host:port: no host"),
        (
            &[("CLI_SERVER_ADDRESS", "server:0")],
            "CLI_SERVER_ADDRESS: \"server:0\" is not host:port: the port is not a plain decimal number from 1 to 65535",
        ),
        (
            &[("CLI_SERVER_ADDRESS", "::1:80")],
            "CLI_SERVER_ADDRESS: \"::1:80\" is not host:port: an IPv6 address needs brackets, as in [::1]:12345",
        ),
        (&[("CLI_SERVER_TIMEOUT", "0")], "CLI_SERVER_TIMEOUT: \"0\" leaves no time at all"),
        (
            &[("CLI_LOOP_AMOUNT", "-1")],
            "CLI_LOOP_AMOUNT: \"-1\" is not a plain decimal number, 0 or more",
        ),
        (
            &[("CLI_LOOP_AMOUNT", "5.0")],
            "CLI_LOOP_AMOUNT: \"5.0\" is not a plain decimal number, 0 or more",
        ),
        (
            &[("CLI_LOOP_PERIOD", "5")],
            "CLI_LOOP_PERIOD: \"5\" has no unit (such as \"s\" for seconds)",
        ),
        (&[("CLI_LOOP_PERIOD", "-5s")], "CLI_LOOP_PERIOD: \"-5s\" is negative"),
        (
            &[("CLI_LOG_LEVEL", "2")],
            "CLI_LOG_LEVEL: \"2\" is not a level (CRITICAL FATAL ERROR WARNING WARN NOTICE INFO DEBUG)",
        ),
    ];
    let path = file("client-errors", YAML);
    for (variables, error) in table {
        assert_eq!(client(&path, variables).unwrap_err(), format!("environment: {error}"));
    }
}

/// Go reads some of these by their prefixes, and Python all of them.
#[test]
fn a_number_of_the_client_is_plain_decimal() {
    let path = file("plain-decimal", YAML);
    for text in ["010", "08", "00", "+0", "+5", "-0", "0x10", "0b1", "0o7", "1_000", "1e3", " 5"] {
        let variables = [("CLI_LOOP_AMOUNT", text)];
        assert_eq!(
            client(&path, &variables).unwrap_err(),
            format!(
                "environment: CLI_LOOP_AMOUNT: {text:?} is not a plain decimal number, 0 or more"
            )
        );
        let address = format!("server:{text}").leak();
        let variables = [("CLI_SERVER_ADDRESS", &*address)];
        let error = client(&path, &variables).unwrap_err();
        assert!(
            error.ends_with("the port is not a plain decimal number from 1 to 65535"),
            "{error}"
        );
    }
    let path = file("plain-decimal", &YAML.replace("amount: 5", "amount: \"010\""));
    let error = client(&path, &[]).unwrap_err();
    assert!(error.ends_with(":5: loop.amount: \"010\" is not a plain decimal number, 0 or more"));
    // Without the quotes the file's parser refuses it, which knows no keys.
    let path = file("plain-decimal", &YAML.replace("amount: 5", "amount: +0"));
    let error = client(&path, &[]).unwrap_err();
    assert!(error.contains(":5: \"+0\" ") && error.contains("plain decimal"), "{error}");
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
fn a_file_that_is_none_is_named() {
    let directory = directory("no-file");
    assert_eq!(
        server(&directory, &[]).unwrap_err(),
        format!(
            "{}: a directory, not a file: an engine makes one where the file to mount is missing; remove it, put the file back and start again",
            directory.display()
        )
    );
    let path = directory.join("config.ini");
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

#[test]
fn a_file_without_permission_is_named() {
    let ini = file("not-readable", INI);
    std::fs::set_permissions(&ini, std::fs::Permissions::from_mode(0o000)).unwrap();
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
