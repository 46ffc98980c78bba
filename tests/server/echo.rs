//! The real server over loopback.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::program::{Program, SERVER, command};
use crate::support::server::Server;
use crate::support::sockets::{half_close, read_to_end};
use crate::support::{os_error, until, untimed};

const REQUIRED: [(&str, &str); 4] = [
    ("SERVER_PORT", "0"),
    ("SERVER_BIND", "127.0.0.1"),
    ("SERVER_LISTEN_BACKLOG", "5"),
    ("LOGGING_LEVEL", "INFO"),
];

#[test]
fn logs_a_message_as_the_original_does() {
    let server = Server::start(&[("SERVER_LISTEN_BACKLOG", "7"), ("LOGGING_LEVEL", "info")]);
    assert_eq!(
        server.exchange("[CLIENT 1] Message N°1\n".as_bytes()),
        "[CLIENT 1] Message N°1\n".as_bytes()
    );
    server.program.wait_for("receive_message");
    let port = server.address.port();
    let (ended, _) = server.program.stop();
    let mut lines: Vec<_> = ended.lines.iter().map(|line| untimed(line)).collect();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(
        lines[0],
        format!(
            "INFO     action: config | result: success | port: {port} | listen_backlog: 7 | logging_level: info"
        )
    );
    assert_eq!(lines[1], "INFO     action: accept_connections | result: in_progress");
    assert_eq!(lines[2], "INFO     action: accept_connections | result: success | ip: 127.0.0.1");
    // Whether the message is there when the connection is accepted is the kernel's affair.
    lines[3..5].sort();
    assert_eq!(lines[3], "INFO     action: accept_connections | result: in_progress");
    assert_eq!(
        lines[4],
        "INFO     action: receive_message | result: success | ip: 127.0.0.1 | msg: [CLIENT 1] Message N°1"
    );
    assert_eq!(lines[5], "INFO     action: shutdown | result: in_progress | signal: SIGTERM");
    assert_eq!(lines.last(), Some(&"INFO     action: shutdown | result: success"));
}

#[test]
fn echoes_any_bytes() {
    let server = Server::start(&[]);
    let all: Vec<u8> = (0..=255).filter(|&byte| byte != b'\n').chain([b'\n']).collect();
    let long = [vec![0xff; 60_000], vec![b'\n']].concat();
    for message in [&b"\n"[..], b"hello\n", b"  spaces \t\r\n", "ñandú °\n".as_bytes(), &all, &long]
    {
        assert_eq!(server.exchange(message), message);
    }
}

#[test]
fn echoes_what_comes_a_byte_at_a_time() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    stream.set_nodelay(true).unwrap();
    for byte in b"one byte at a time\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(read_to_end(&mut stream), b"one byte at a time\n");
}

#[test]
fn a_message_may_end_with_the_stream() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    stream.write_all(b"no newline").unwrap();
    half_close(&stream);
    assert_eq!(read_to_end(&mut stream), b"no newline");
}

#[test]
fn drops_what_follows_the_newline() {
    let server = Server::start(&[]);
    let message = [&b"first\nsecond\n"[..], &[b'x'; 65536]].concat();
    assert_eq!(server.exchange(&message), b"first\n");
    // Also when it comes after the echo.
    let mut stream = server.connect();
    stream.write_all(b"first\n").unwrap();
    let mut echo = [0; 6];
    stream.read_exact(&mut echo).unwrap();
    stream.write_all(&[b'x'; 65536]).unwrap();
    assert_eq!(read_to_end(&mut stream), b"");
}

#[test]
fn an_end_of_stream_before_a_byte_is_logged() {
    let server = Server::start(&[]);
    half_close(&server.connect());
    let line = server.program.wait_for("receive_message");
    assert_eq!(
        untimed(&line),
        "ERROR    action: receive_message | result: fail | ip: 127.0.0.1 | error: the peer closed before it sent a byte"
    );
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
    let (mut silent, mut half) = (server.connect(), server.connect());
    half.write_all(b"half").unwrap();
    assert_eq!(read_to_end(&mut silent), b"");
    assert_eq!(read_to_end(&mut half), b"");
    let mut lines = server.program.wait_for_count("result: fail", 2);
    lines.sort();
    let error = "ERROR    action: receive_message | result: fail | ip: 127.0.0.1 | error: timed out after 300ms: ";
    assert_eq!(untimed(&lines[0]), format!("{error}no byte received"));
    assert_eq!(untimed(&lines[1]), format!("{error}no newline in 4 bytes received"));
}

#[test]
fn ends_at_once_on_either_signal() {
    for (signal, name) in [(libc::SIGTERM, "SIGTERM"), (libc::SIGINT, "SIGINT")] {
        let server = Server::start(&[("SERVER_WORKERS", "3")]);
        server.program.signal(signal);
        let ended = server.program.wait();
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(
            ended.count(&format!("action: shutdown | result: in_progress | signal: {name}")),
            1
        );
        for (line, count) in [("close_listener", 1), ("close_epoll", 3), ("close_eventfd", 1)] {
            assert_eq!(ended.count(line), count, "{line} in {:#?}", ended.lines);
        }
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn a_silent_peer_does_not_delay_the_shutdown() {
    let server = Server::start(&[("SERVER_DRAIN_TIMEOUT", "1h")]);
    let mut silent = server.connect();
    server.program.wait_for("result: success | ip: ");
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.count("action: close_connection | result: success | ip: 127.0.0.1"), 1);
    assert_eq!(read_to_end(&mut silent), b"");
}

#[test]
fn a_half_received_message_may_still_be_completed() {
    let server = Server::start(&[("SERVER_DRAIN_TIMEOUT", "1h")]);
    let mut stream = server.connect();
    stream.write_all(b"half").unwrap();
    server.program.wait_for("result: success | ip: ");
    server.program.terminate();
    server.program.wait_for("close_listener");
    stream.write_all(b" and half\n").unwrap();
    assert_eq!(read_to_end(&mut stream), b"half and half\n");
    drop(stream);
    assert!(server.program.wait().status.success());
}

#[test]
fn the_drain_timeout_ends_a_half_received_message() {
    let server = Server::start(&[("SERVER_DRAIN_TIMEOUT", "200ms")]);
    let mut stream = server.connect();
    stream.write_all(b"half").unwrap();
    server.program.wait_for("result: success | ip: ");
    let (ended, took) = server.program.stop();
    assert!(ended.status.success() && took >= Duration::from_millis(200), "{took:?} {ended:?}");
    let failure = "result: fail | ip: 127.0.0.1 | error: timed out after 200ms: no newline in 4 bytes received";
    assert_eq!(ended.count(failure), 1, "{ended:?}");
    assert_eq!(read_to_end(&mut stream), b"");
}

#[test]
fn new_connections_are_refused_while_it_drains() {
    let server = Server::start(&[("SERVER_DRAIN_TIMEOUT", "1h")]);
    let mut stream = server.connect();
    stream.write_all(b"half").unwrap();
    server.program.wait_for("result: success | ip: ");
    server.program.terminate();
    server.program.wait_for("close_listener");
    let error = std::net::TcpStream::connect(server.address).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (second, status) in [(libc::SIGTERM, 143), (libc::SIGINT, 130)] {
        let server = Server::start(&[("SERVER_DRAIN_TIMEOUT", "1h")]);
        let mut stream = server.connect();
        stream.write_all(b"half").unwrap();
        server.program.wait_for("result: success | ip: ");
        server.program.terminate();
        server.program.wait_for("close_listener");
        let seen = Instant::now();
        until("a signal is another request", || seen.elapsed() > Duration::from_millis(150));
        server.program.signal(second);
        assert_eq!(server.program.wait().status.code(), Some(status));
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let environment = [&REQUIRED[1..], &[("SERVER_PORT", port.as_str())]].concat();
    let ended = Program::start(SERVER, &environment).wait();
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
fn help_and_version_go_to_stdout() {
    for (argument, first) in [
        ("--help", "usage: server [--config PATH | --help | --version]"),
        ("--version", "server 0.1.0"),
    ] {
        let ended = Program::spawn(command(SERVER, &[]).arg(argument)).wait();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
        assert_eq!(ended.lines[0], first);
    }
}

#[test]
fn bad_usage_is_named() {
    for (arguments, error) in [
        (&["--port"][..], "\"--port\": unknown argument, see --help\n"),
        (&["extra"], "\"extra\": unknown argument, see --help\n"),
        (&["--config"], "--config: a path must follow\n"),
        (&["--config", ""], "--config: a path must follow\n"),
    ] {
        let ended = Program::spawn(command(SERVER, &REQUIRED).args(arguments)).wait();
        assert_eq!((ended.status.code(), ended.stderr.as_str()), (Some(2), error), "{arguments:?}");
        assert!(ended.lines.is_empty());
    }
}
