//! The real server's log: what a peer sends cannot forge it, and its loss costs nothing else.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::limits::{close_stdout, limit_file_size};
use crate::support::load::complete;
use crate::support::log_lines::parse;
use crate::support::program::Program;
use crate::support::server::{Server, assert_prompt, mute};
use crate::support::sockets::{
    half_close, make_fifo, read_to_end, shrink_pipe, shrink_send_buffer,
};
use crate::support::{DEADLINE, directory, until};

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
    let received: Vec<_> = lines.filter(|line| line.action == "receive_message").collect();
    assert_eq!(received.len(), 2 * messages.len());
    for (lines, (_, shown)) in received.chunks(2).zip(messages) {
        assert_eq!(lines[0].result, "success");
        assert_eq!(lines[0].fields, [("ip", "127.0.0.1"), ("msg", shown)]);
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
    let path = directory("cut-off").join("log");
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

/// A full pipe that nobody reads: the first signal ends the server that waits for it, with all its workers.
#[test]
fn a_stdout_that_nobody_reads_delays_no_shutdown() {
    let (reader, writer) = UnixStream::pair().unwrap();
    shrink_send_buffer(&writer);
    let environment = [("SERVER_WORKERS", "2"), ("SERVER_DRAIN_TIMEOUT", "200ms")];
    let writer = OwnedFd::from(writer);
    let server = mute(Program::spawn(Server::command(&environment).stdout(writer)));
    let pid = server.program.pid();
    let message = [&[b'x'; 60_000][..], b"\n"].concat();
    let mut peers: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for peer in &mut peers {
        peer.write_all(&message).unwrap();
    }
    let waits_in_poll = |task: fs::DirEntry| {
        let kernel_function = fs::read_to_string(task.path().join("wchan")).unwrap();
        kernel_function.starts_with("poll_schedule_timeout")
    };
    let tasks = || fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(Result::unwrap);
    until("it waits for its reader", || tasks().any(waits_in_poll));
    server.program.terminate();
    assert!(server.program.wait().status.success());
    drop((peers, reader));
}

/// `server & other | reader`: a write may block although poll(2) has called the pipe writable, if the other
/// is faster. So the server has the pipe without blocking, and the other has it as it was.
#[test]
fn a_pipe_that_others_write_to_cannot_block_it() {
    let fifo = directory("shared-pipe").join("pipe");
    make_fifo(&fifo);
    let both = File::options().read(true).write(true).open(&fifo).unwrap();
    let stdout = both.try_clone().unwrap();
    let server = mute(Program::spawn(Server::command(&[]).stdout(stdout)));
    let blocks = |process: &str, fd: i32| {
        let information = fs::read_to_string(format!("/proc/{process}/fdinfo/{fd}")).unwrap();
        let flags = information.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        i32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_NONBLOCK == 0
    };
    assert!(!blocks(&server.program.pid().to_string(), libc::STDOUT_FILENO));
    assert!(blocks("self", both.as_raw_fd()));
    assert!(server.program.stop().0.status.success());
}

/// What the shutdown writes waits for a reader that is slow. A busy machine may make it slower still.
#[test]
fn a_slow_reader_has_all_lines_of_the_shutdown() {
    const SILENT: usize = 100;
    let fifo = directory("slow-reader").join("pipe");
    make_fifo(&fifo);
    let has_all_lines = |_: &i32| {
        // Open for both, so that no open waits for the other end.
        let both = File::options().read(true).write(true).open(&fifo).unwrap();
        shrink_pipe(&both);
        let reader = File::open(&fifo).unwrap();
        let mut command = Server::command(&[("SERVER_WORKERS", "1")]);
        let server = mute(Program::spawn(command.stdout(both)));
        let _silent: Vec<_> = (0..SILENT).map(|_| server.connect()).collect();
        drop(command);
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        let accepted = lines.by_ref().filter(|line| line.contains("result: success | ip: "));
        assert_eq!(accepted.take(SILENT).count(), SILENT);
        let begin = Instant::now();
        server.program.terminate();
        until("the reader is slow", || begin.elapsed() > Duration::from_millis(250));
        let rest: Vec<_> = lines.collect();
        assert!(server.program.wait().status.success());
        rest.iter().filter(|line| line.contains("close_connection")).count() == SILENT
            && rest.last().is_some_and(|line| line.ends_with("shutdown | result: success"))
    };
    let whole = (0..10).filter(has_all_lines).count();
    assert!(whole > 5, "{whole} of 10");
}

/// Whoever started the program may share a stdout with it that does not block.
#[test]
fn a_stdout_that_does_not_block_is_waited_for() {
    let (reader, writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    reader.set_read_timeout(Some(DEADLINE)).unwrap();
    let reader = thread::spawn(move || {
        let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
        lines.find(|line| line.contains("receive_message")).unwrap()
    });
    let server = mute(Program::spawn(Server::command(&[]).stdout(OwnedFd::from(writer))));
    // Each takes four bytes in the log, more in all than the socket holds.
    assert_eq!(server.exchange(&[&[b'|'; 60_000][..], b"\n"].concat()).len(), 60_001);
    assert_eq!(reader.join().unwrap().matches("\\x7c").count(), 60_000);
    assert_works_and_ends(server);
}
