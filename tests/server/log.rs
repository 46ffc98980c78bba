//! The real server's log: what a peer sends cannot forge it, and its loss costs nothing else.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::support::limits::close_stdout;
use crate::support::load::complete;
use crate::support::log_lines::parse;
use crate::support::program::Program;
use crate::support::server::{Server, assert_prompt, mute};
use crate::support::{DEADLINE, until};

#[test]
fn no_message_forges_a_line_or_a_field() {
    const LINE: &str = "2026-11-23 17:33:53 INFO     action: shutdown | result: success";
    let forged = format!("x\r{LINE}");
    let long = "x".repeat(60_000);
    let messages: [(&[u8], &str); 6] = [
        (b"x | result: fail | ip: 10.0.0.1", "x \\x7c result: fail \\x7c ip: 10.0.0.1"),
        (forged.as_bytes(), &forged.replace('\r', "\\r").replace('|', "\\x7c")),
        (b"\x1b[2K\\n\0\x7f\xff", "\\x1b[2K\\\\n\\x00\\x7f\\xff"),
        ("\u{85}".as_bytes(), "\\u{85}"),
        ("[CLIENT 1] Message N°1: ñ 日本語".as_bytes(), "[CLIENT 1] Message N°1: ñ 日本語"),
        (long.as_bytes(), &format!("{}… (60001 bytes)", &long[..1024])),
    ];
    let server = Server::start(&[("SERVER_WORKERS", "1")]);
    for (message, _) in messages {
        // A newline ends the message, and what follows it is never logged.
        let bytes = [message, b"\n", LINE.as_bytes(), b"\n"].concat();
        assert_eq!(server.exchange(&bytes), [message, b"\n"].concat());
    }
    let (ended, _) = server.program.stop();
    let lines = ended.lines.iter();
    let lines = lines.map(|line| parse(line).unwrap_or_else(|| panic!("not a line: {line:?}")));
    let received: Vec<_> = lines.filter(|line| line.action == "receive_message").collect();
    assert_eq!(received.len(), messages.len());
    for (line, (_, shown)) in received.iter().zip(messages) {
        assert_eq!(line.result, "success");
        assert_eq!(line.fields, [("ip", "127.0.0.1"), ("msg", shown)]);
    }
    assert_eq!(ended.count("INFO     action: shutdown | result: success"), 1);
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

fn assert_works_and_ends(server: Server) {
    // The first connection would get the descriptor of a stdout that is closed, and the log with it.
    let first = server.connect();
    assert_prompt(&server);
    complete(vec![first], b"first\n", b"first\n");
    let (ended, _) = server.program.stop();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn it_starts_without_a_stdout() {
    let mut command = Server::command(&[]);
    close_stdout(command.stdout(Stdio::null()));
    assert_works_and_ends(mute(Program::spawn(&mut command)));
}

#[test]
fn a_full_disk_costs_the_log_alone() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_works_and_ends(mute(Program::spawn(Server::command(&[]).stdout(full))));
}

#[test]
fn the_reader_of_its_log_may_go() {
    let (reader, writer) = UnixStream::pair().unwrap();
    reader.set_read_timeout(Some(DEADLINE)).unwrap();
    let program = Program::spawn(Server::command(&[]).stdout(OwnedFd::from(writer)));
    let mut lines = BufReader::new(reader).lines();
    let mut next = || lines.next().unwrap().unwrap();
    while !next().contains("action: accept_connections") {}
    drop(lines);
    assert_works_and_ends(mute(program));
}
