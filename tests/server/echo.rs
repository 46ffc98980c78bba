//! The real server over loopback: what it answers, and what it logs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::program::{Program, SERVER, command};
use crate::support::server::Server;
use crate::support::sockets::{half_close, read_to_end, reset};
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

/// The server lingers: bytes that nobody reads would make its close a reset.
#[test]
fn bytes_after_the_newline_never_cost_the_echo() {
    let server = Server::start(&[]);
    let message = [vec![b'x'; 60_000], vec![b'\n']].concat();
    for _ in 0..20 {
        assert_eq!(server.exchange(&[&message[..], &[b'y'; 65_536]].concat()), message);
    }
}

/// A write to a connection that the server has closed meets a reset.
#[test]
fn a_peer_may_go_on_writing_for_two_seconds_after_the_end() {
    let server = Server::start(&[]);
    let mut peer = server.connect();
    peer.write_all(b"first\n").unwrap();
    assert_eq!(read_to_end(&mut peer), b"first\n");
    let end = Instant::now();
    until("the server closes", || peer.write_all(b"more").is_err());
    assert!(end.elapsed() >= Duration::from_millis(1500), "a reset after {:?}", end.elapsed());
}

#[test]
fn a_message_over_the_limit_is_refused() {
    let server = Server::start(&[("SERVER_MESSAGE_LIMIT", "10")]);
    assert_eq!(server.exchange(b"123456789\n"), b"123456789\n");
    assert_eq!(server.exchange(b"1234567890\n"), b"");
    let line = server.program.wait_for("result: fail");
    assert_eq!(
        untimed(&line),
        "ERROR    action: receive_message | result: fail | ip: 127.0.0.1 | error: the message is longer than 10 bytes"
    );
}

#[test]
fn a_connection_has_one_deadline() {
    let server = Server::start(&[("SERVER_TIMEOUT", "300ms")]);
    let mut silent = server.connect();
    let mut half = server.connect();
    half.write_all(b"half").unwrap();
    assert_eq!(read_to_end(&mut silent), b"");
    assert_eq!(read_to_end(&mut half), b"");

    let mut lines = server.program.wait_for_count("result: fail", 2);
    lines.sort();
    let error = "ERROR    action: receive_message | result: fail | ip: 127.0.0.1 | error: timed out after 300ms: ";
    assert_eq!(untimed(&lines[0]), format!("{error}no byte received"));
    assert_eq!(untimed(&lines[1]), format!("{error}no newline in 4 bytes received"));
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
    // A busy machine may hold a piece up for a second, but not each time.
    for pieces in [&["one ", "mes", "sag", "e\n "][..], &["one ", "message\n "]] {
        assert!((0..3).any(|_| is_answered_at_once(pieces)), "{pieces:?}");
    }
}

/// As `nc -z` and health checks do.
#[test]
fn a_peer_that_leaves_without_a_byte_is_no_failure() {
    let server = Server::start(&[]);
    let leave: [fn(TcpStream); 3] = [drop, reset, |peer| half_close(&peer)];
    for leave in leave {
        leave(server.connect());
    }
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
fn what_came_during_a_pause_of_the_process_is_served() {
    let environment = [("SERVER_TIMEOUT", "1s"), ("SERVER_MESSAGE_LIMIT", "1000000")];
    let server = Server::start(&environment);
    let large = [vec![b'x'; 200_000], vec![b'\n']].concat();
    let messages: [&[u8]; 3] = [b"whole\n", b"half", &large];
    let mut peers = messages.map(|_| server.connect());
    server.program.wait_for_count("accept_connections | result: success", peers.len());
    server.program.signal(libc::SIGSTOP);
    let stopped = Instant::now();
    for (peer, message) in peers.iter_mut().zip(messages) {
        peer.write_all(message).unwrap();
    }
    half_close(&peers[1]);
    thread::sleep(Duration::from_millis(1200).saturating_sub(stopped.elapsed()));
    server.program.signal(libc::SIGCONT);
    for (peer, message) in peers.iter_mut().zip(messages) {
        assert!(read_to_end(peer) == message, "not the message of {} bytes", message.len());
    }
}

#[test]
fn an_echo_for_which_a_pause_of_the_process_made_room_is_sent() {
    let environment = [("SERVER_TIMEOUT", "2s"), ("SERVER_MESSAGE_LIMIT", "100000000")];
    let server = Server::start(&environment);
    let message = [vec![b'x'; 5_000_000], vec![b'\n']].concat();
    let mut peer = server.connect();
    peer.write_all(&message).unwrap();
    server.program.wait_for("receive_message | result: success");
    server.program.signal(libc::SIGSTOP);
    let stopped = Instant::now();
    // Takes what the kernel has, so that the rest of the echo finds room.
    let mut echo = vec![0; message.len()];
    let mut count = 0;
    peer.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    while let Ok(more) = peer.read(&mut echo[count..]) {
        count += more;
    }
    thread::sleep(Duration::from_millis(2200).saturating_sub(stopped.elapsed()));
    server.program.signal(libc::SIGCONT);
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    echo.truncate(count);
    echo.extend(read_to_end(&mut peer));
    assert!(echo == message, "{} of {} bytes", echo.len(), message.len());
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
