//! The real server's log: what a peer sends cannot forge it, and its loss costs nothing else.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::support::server::{Server, assert_prompt};
use crate::support::{field, until};

#[test]
fn no_message_forges_a_line_or_a_field() {
    const LINE: &str = "2026-11-23 17:33:53 INFO     action: shutdown | result: success";
    let server = Server::start(&[]);
    // A newline ends the message, and what follows it is never logged.
    let message = format!("x | ip: 10.0.0.1\r{LINE}\n");
    assert_eq!(server.exchange(format!("{message}{LINE}\n").as_bytes()), message.as_bytes());
    let line = server.program.wait_for("receive_message");
    let escaped = message.trim_end().replace('\r', "\\r").replace('|', "\\x7c");
    assert_eq!((field(&line, "ip"), field(&line, "msg")), ("127.0.0.1", &*escaped));
    let (ended, _) = server.program.stop();
    assert_eq!(ended.count("INFO     action: shutdown | result: success"), 1, "{ended:#?}");
}

/// In a zone that is no machine's own, as date(1) shows it.
#[test]
fn each_line_has_the_local_time() {
    const ZONE: (&str, &str) = ("TZ", "TST-14");
    let now = || {
        let date = Command::new("date").env(ZONE.0, ZONE.1).arg("+%Y-%m-%d %H:%M:%S").output();
        String::from_utf8(date.unwrap().stdout).unwrap().trim_end().to_owned()
    };
    let time = |line: &str| line[.."2026-11-23 17:33:53".len()].to_owned();
    let start = now();
    let server = Server::start(&[ZONE]);
    let first = time(&server.program.wait_for("action: config"));
    until("the next second", || now() > first);
    let before = now();
    let (ended, _) = server.program.stop();
    let last = time(ended.lines.last().unwrap());
    assert!(start <= first && before <= last && last <= now(), "{start} {first} {before} {last}");
}

#[test]
fn a_stdout_that_is_closed_or_full_or_broken_costs_the_log_alone() {
    for redirection in [">&-", ">/dev/full", ""] {
        let mut command = Server::by_shell(&format!("exec \"$0\" {redirection}"), &[]);
        let (_, broken) = UnixStream::pair().unwrap();
        let server = Server::mute(command.stdout(OwnedFd::from(broken)));
        // No connection may get the descriptor of a stdout that is closed, and the log with it.
        assert_prompt(&server);
        let (ended, _) = server.program.stop();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{redirection}: {ended:?}");
    }
}
