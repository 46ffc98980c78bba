//! The real server's log: what a peer sends cannot forge it, and its loss costs nothing else.

#[path = "support/load.rs"]
mod load;
mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use load::{assert_prompt, close_stdout, complete, limit_file_size, mute, shrink_send_buffer};
use support::{DEADLINE, Program, Server, folder, half_close, read_to_end, until};

/// `name: value`
fn pair(part: &str) -> Option<(&str, &str)> {
    part.split_once(':').map(|(name, value)| (name.trim(), value.trim()))
}

/// Action, result and details.
type Line<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>);

/// Reads a line as the course's tests do.
fn parse(line: &str) -> Option<Line<'_>> {
    let mut parts = line.split('|');
    let (_, action) = parts.next()?.split_once("action: ")?;
    let (_, result) = pair(parts.next()?).filter(|(name, _)| *name == "result")?;
    let is_known = ["success", "fail", "in_progress"].contains(&result);
    let details = parts.map(pair).collect::<Option<_>>()?;
    is_known.then_some((action.trim(), result, details))
}

#[test]
fn no_message_forges_a_line_or_a_field() {
    const LINE: &str = "2026-11-23 17:33:53 INFO     action: shutdown | result: success";
    let forged = format!("x\r{LINE}");
    let messages: [(&[u8], &str); 9] = [
        (b"x | result: fail | ip: 10.0.0.1", "x \\x7c result: fail \\x7c ip: 10.0.0.1"),
        (b"|||", "\\x7c\\x7c\\x7c"),
        (forged.as_bytes(), &forged.replace('\r', "\\r").replace('|', "\\x7c")),
        (b"\x1b[2K\x1b[1A", "\\x1b[2K\\x1b[1A"),
        (b"\\x7c \\n", "\\\\x7c \\\\n"),
        (b"\xff\xc3\xed\xa0\x80", "\\xff\\xc3\\xed\\xa0\\x80"),
        (b"\0\x07\x08\x0b\x0c\x7f", "\\x00\\x07\\x08\\x0b\\x0c\\x7f"),
        ("\u{85}\u{2028}\u{2029}\u{202e}".as_bytes(), "\\u{85}\\u{2028}\\u{2029}\\u{202e}"),
        ("[CLIENT 1] Message N°1: ñ 日本語".as_bytes(), "[CLIENT 1] Message N°1: ñ 日本語"),
    ];
    let server = Server::start(&[("SERVER_WORKERS", "1")]);
    for (message, _) in messages {
        // A newline ends the message, and what follows it is never logged.
        let bytes = [message, b"\n", LINE.as_bytes(), b"\n"].concat();
        assert_eq!(server.exchange(&bytes), [message, b"\n"].concat());
        let mut without_newline = server.connect();
        without_newline.write_all(message).unwrap();
        half_close(&without_newline);
        assert_eq!(read_to_end(&mut without_newline), message);
    }
    let (ended, _) = server.program.stop();
    let lines = ended.lines.iter();
    let lines = lines.map(|line| parse(line).unwrap_or_else(|| panic!("not a line: {line:?}")));
    let received: Vec<_> = lines.filter(|line| line.0 == "receive_message").collect();
    assert_eq!(received.len(), 2 * messages.len());
    for (lines, (_, shown)) in received.chunks(2).zip(messages) {
        let details = vec![("ip", "127.0.0.1"), ("msg", shown)];
        assert_eq!(lines[0], ("receive_message", "success", details));
        assert_eq!(lines[0], lines[1]);
    }
    assert_eq!(ended.count("INFO     action: shutdown | result: success"), 1);
}

fn assert_works_and_ends(server: Server) {
    // The first connection would get the descriptor of a stdout that is closed, and the log with it.
    let first = server.connect();
    assert_prompt(&server);
    complete(vec![first], b"first\n", b"first\n");
    assert_eq!(server.exchange(&[&[b'|'; 60_000][..], b"\n"].concat()).len(), 60_001);
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
    let program = Program::spawn(Server::command(&[]).stdout(OwnedFd::from(writer)));
    let mut lines = BufReader::new(reader).lines();
    let mut next = || lines.next().unwrap().unwrap();
    while !next().contains("action: accept_connections") {}
    drop(lines);
    assert_works_and_ends(mute(program));
}

/// The disk has room again after a line has been cut off: the next one does not go on in it.
#[test]
fn a_line_that_is_cut_off_spoils_no_other() {
    let path = folder("cut-off").join("log");
    let log = File::create(&path).unwrap();
    let server = mute(Program::spawn(Server::command(&[]).stdout(log)));
    let text = || fs::read_to_string(&path).unwrap();
    until("it has logged its start", || text().ends_with("result: in_progress\n"));
    limit_file_size(server.program.pid(), text().len() as u64 + 10);
    for _ in 0..20 {
        assert_eq!(server.exchange(b"lost\n"), b"lost\n");
    }
    limit_file_size(server.program.pid(), libc::RLIM_INFINITY);
    assert_eq!(server.exchange(b"found\n"), b"found\n");
    assert!(server.program.stop().0.status.success());
    let text = text();
    let is_whole = |line: &&str| line.starts_with("20") && parse(line).is_some();
    let (whole, cut_off): (Vec<_>, Vec<_>) = text.lines().partition(is_whole);
    assert_eq!(cut_off, [&whole[0][..10]], "{text}");
    assert!(whole.iter().any(|line| line.ends_with("msg: found")), "{text}");
}

/// The end's time goes on while nobody reads its lines.
#[test]
fn a_log_that_is_held_up_does_not_delay_the_end() {
    const SILENT: usize = 200;
    let (reader, writer) = UnixStream::pair().unwrap();
    shrink_send_buffer(&writer);
    let environment = [("SERVER_WORKERS", "1"), ("SERVER_DRAIN_TIMEOUT", "3s")];
    let writer = OwnedFd::from(writer);
    let server = mute(Program::spawn(Server::command(&environment).stdout(writer)));
    let mut half = server.connect();
    half.write_all(b"half").unwrap();
    let _silent: Vec<_> = (0..SILENT).map(|_| server.connect()).collect();
    reader.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
    let accepted = lines.by_ref().filter(|line| line.contains("accept_connections | result: succ"));
    assert_eq!(accepted.take(SILENT + 1).count(), SILENT + 1);

    let start = Instant::now();
    server.program.terminate();
    // The lines of those that are closed after 50 ms are more than anything holds unread.
    until("time passes", || start.elapsed() > Duration::from_millis(2500));
    let last = lines.last().unwrap();
    let took = start.elapsed();
    assert!(last.ends_with("action: shutdown | result: success"), "{last}");
    assert!(took < Duration::from_millis(4250), "{took:?} for a drain of 3 s");
    assert!(server.program.wait().status.success());
}

/// Whoever started the program may share a stdout with it that does not block.
#[test]
fn a_stdout_that_does_not_block_is_waited_for() {
    let (reader, writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    shrink_send_buffer(&writer);
    let server = mute(Program::spawn(Server::command(&[]).stdout(OwnedFd::from(writer))));
    // Each takes four bytes in the log, so that its reader cannot always be ahead of it.
    assert_eq!(server.exchange(&[&[b'|'; 60_000][..], b"\n"].concat()).len(), 60_001);
    reader.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("receive_message")).unwrap();
    assert_eq!(line.matches("\\x7c").count(), 60_000);
    drop(lines);
    assert_works_and_ends(server);
}
