//! The real server over loopback: what it answers, and what it logs.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::program::{Program, SERVER, command};
use crate::support::server::Server;
use crate::support::sockets::{read_to_end, reset};
use crate::support::{DEADLINE, os_error, until, untimed};

#[test]
fn logs_a_message_as_the_original_does() {
    let server = Server::start(&[("SERVER_LISTEN_BACKLOG", "7"), ("LOGGING_LEVEL", "info")]);
    let message = "[CLIENT 1] Message N°1\n".as_bytes();
    assert_eq!(server.exchange(message), message);
    server.program.wait_for("receive_message");
    let port = server.address.port();
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{ended:?}");

    let mut lines: Vec<_> = ended.lines.iter().map(|line| untimed(line)).collect();
    // The message may be there when the connection is accepted, or come later.
    lines[3..5].sort();
    let config = format!(
        "INFO     action: config | result: success | port: {port} | listen_backlog: 7 | logging_level: info"
    );
    let expected = [
        &config,
        "INFO     action: accept_connections | result: in_progress",
        "INFO     action: accept_connections | result: success | ip: 127.0.0.1",
        "INFO     action: accept_connections | result: in_progress",
        "INFO     action: receive_message | result: success | ip: 127.0.0.1 | msg: [CLIENT 1] Message N°1",
        "INFO     action: shutdown | result: in_progress | signal: SIGTERM",
    ];
    assert_eq!(lines[..6], expected);
    assert_eq!(lines.last(), Some(&"INFO     action: shutdown | result: success"));
}

#[test]
fn echoes_any_bytes() {
    let server = Server::start(&[("SERVER_MESSAGE_LIMIT", "16777216")]);
    let all: Vec<u8> = (0..=255).filter(|&byte| byte != b'\n').chain([b'\n']).collect();
    let larger_than_all_buffers = [vec![0xff; 16_000_000], vec![b'\n']].concat();
    let messages: [&[u8]; 4] = [b"hello\n", b" \r \t\n", "ñandú °\n".as_bytes(), &all];
    for message in messages {
        assert_eq!(server.exchange(message), message);
    }
    let mut peer = server.connect();
    let mut writer = peer.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&larger_than_all_buffers).unwrap());
        assert!(read_to_end(&mut peer) == larger_than_all_buffers, "not the message");
    });
}

/// The server lingers. A close with unread bytes sends a reset, and so does a closed connection when more bytes come.
#[test]
fn a_peer_may_go_on_writing_for_two_seconds_after_its_message() {
    let server = Server::start(&[]);
    let mut peer = server.connect();
    let start = Instant::now();
    peer.write_all(&[b"first\n", &[b'x'; 200_000][..]].concat()).unwrap();
    assert_eq!(read_to_end(&mut peer), b"first\n");
    until("the server closes", || peer.write_all(b"more").is_err());
    assert!(start.elapsed() >= Duration::from_secs(2), "a reset after {:?}", start.elapsed());
}

/// `printf hola | nc` keeps its side open, and waits.
#[test]
fn a_peer_that_is_idle_for_a_second_has_sent_its_message() {
    let server = Server::start(&[]);
    let mut peer = server.connect();
    let start = Instant::now();
    peer.write_all(b"hola").unwrap();
    assert_eq!(read_to_end(&mut peer), b"hola");
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    server.program.wait_for("result: success | ip: 127.0.0.1 | msg: hola");
}

#[test]
fn pieces_that_follow_each_other_sooner_are_one_message() {
    let server = Server::start(&[]);
    let is_answered_at_once = |pieces: &[&str]| {
        let mut peer = server.connect();
        for piece in pieces {
            thread::sleep(Duration::from_millis(400));
            peer.write_all(piece.as_bytes()).unwrap();
        }
        let end = Instant::now();
        read_to_end(&mut peer) == b"one message\n" && end.elapsed() < Duration::from_millis(500)
    };
    // A busy machine may hold a piece or the echo up, but not each time.
    for pieces in [&["one ", "mes", "sag", "e\n "][..], &["one ", "message\n "]] {
        assert!((0..3).any(|_| is_answered_at_once(pieces)), "{pieces:?}");
    }
}

/// As `nc -z` and health checks do.
#[test]
fn a_peer_that_leaves_without_a_byte_is_no_failure() {
    let server = Server::start(&[]);
    drop(server.connect());
    reset(server.connect());
    let half_closed = server.connect();
    half_closed.shutdown(Shutdown::Write).unwrap();
    assert_eq!(server.exchange(b"last\n"), b"last\n");
    server.program.wait_for("msg: last");
    let (ended, _) = server.program.stop();
    let rest = ended.lines.iter().filter(|line| !line.contains("accept_connections"));
    let rest: Vec<_> = rest.map(|line| untimed(line)).take(3).collect();
    assert!(rest[1].ends_with("msg: last"), "{rest:#?}");
    assert!(rest[2].contains("action: shutdown"), "{rest:#?}");
}

/// `docker pause`, or a suspended machine, for longer than SERVER_TIMEOUT.
#[test]
fn after_a_pause_of_the_process_it_receives_and_sends_first() {
    let server = Server::start(&[
        ("SERVER_WORKERS", "1"),
        ("SERVER_TIMEOUT", "3s"),
        ("SERVER_MESSAGE_LIMIT", "100000000"),
    ]);
    let large = [vec![b'x'; 200_000], vec![b'\n']].concat();
    let larger_than_all_buffers = [vec![b'x'; 5_000_000], vec![b'\n']].concat();
    let mut slow = server.connect();
    slow.write_all(&larger_than_all_buffers).unwrap();
    server.program.wait_for("receive_message | result: success");
    let messages: [&[u8]; 3] = [b"whole\n", b"half", &large];
    let mut peers = messages.map(|_| server.connect());
    server.program.wait_for_count("accept_connections | result: success", 4);

    // The stop interrupts epoll_wait(2), which then returns without an event, so the deadlines come first.
    let state = format!("/proc/{}/stat", server.program.pid());
    until("it waits for events", || fs::read_to_string(&state).unwrap().contains(") S "));
    server.program.signal(libc::SIGSTOP);
    until("it is stopped", || fs::read_to_string(&state).unwrap().contains(") T "));
    let stopped = Instant::now();
    for (peer, message) in peers.iter_mut().zip(messages) {
        peer.write_all(message).unwrap();
    }
    peers[1].shutdown(Shutdown::Write).unwrap();
    // Takes what the kernel has, so that the rest of the echo finds room.
    let mut echo = Vec::new();
    slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    slow.read_to_end(&mut echo).expect_err("no end yet");
    slow.set_read_timeout(Some(DEADLINE)).unwrap();
    thread::sleep(Duration::from_millis(3200).saturating_sub(stopped.elapsed()));
    server.program.signal(libc::SIGCONT);

    for (peer, message) in peers.iter_mut().zip(messages) {
        assert!(read_to_end(peer) == message, "not the message of {} bytes", message.len());
    }
    echo.extend(read_to_end(&mut slow));
    assert!(echo == larger_than_all_buffers, "{} bytes", echo.len());
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = Program::spawn(&mut Server::command(&[("SERVER_PORT", &port)])).wait();
    assert_eq!(ended.status.code(), Some(1));
    let error = os_error(libc::EADDRINUSE);
    assert_eq!(ended.stderr, format!("cannot listen on 127.0.0.1:{port}: {error}\n"));
}

#[test]
fn listens_on_ipv6_and_shows_ipv4_peers_as_such() {
    let server = Server::start(&[("SERVER_BIND", "::")]);
    assert_eq!(server.exchange(b"over IPv4\n"), b"over IPv4\n");
    server.program.wait_for("ip: 127.0.0.1 | msg: over IPv4");
}

#[test]
fn help_version_and_bad_usage() {
    for (arguments, status, stdout, stderr) in [
        (&["--help"][..], 0, "usage: server [--config PATH | --help | --version]", ""),
        (&["-h"], 0, "usage: server [--config PATH | --help | --version]", ""),
        (&["--version"], 0, "server 0.1.0", ""),
        (&["-V"], 0, "server 0.1.0", ""),
        (&["--port"], 2, "", "\"--port\": unknown argument, see --help\n"),
        (&["extra"], 2, "", "\"extra\": unknown argument, see --help\n"),
        (&["--config"], 2, "", "--config: a path must follow\n"),
        (&["--config", ""], 2, "", "--config: a path must follow\n"),
    ] {
        let ended = Program::spawn(command(SERVER, &[]).args(arguments)).wait();
        assert_eq!(ended.status.code(), Some(status), "{arguments:?}");
        assert_eq!(ended.lines.first().map_or("", String::as_str), stdout, "{arguments:?}");
        assert_eq!(ended.stderr, stderr, "{arguments:?}");
    }
}
