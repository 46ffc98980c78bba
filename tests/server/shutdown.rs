//! The real server and signals at the worst moment.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::load::Load;
use crate::support::proc::{sockets, time_waits};
use crate::support::server::Server;
use crate::support::sockets::read_to_end;
use crate::support::{field, until};

/// The server lets a connection that was made in the last instant bring its message for 50 ms. On a
/// busy machine a client may be held up for longer between its connect and its write.
const AT_ONCE: Duration = Duration::from_millis(25);

fn ends_under_load(backlog: &str) {
    let environment = [("SERVER_LISTEN_BACKLOG", backlog), ("SERVER_DRAIN_TIMEOUT", "10s")];
    let server = Server::start(&environment);
    let mut half = server.connect();
    half.write_all(b"half").unwrap();
    let load = Load::start(server.address, 50, drop);
    load.wait_for(500);
    server.program.terminate();
    server.program.wait_for("close_listener");
    half.write_all(b" and half\n").unwrap();
    assert_eq!(read_to_end(&mut half), b"half and half\n");
    drop(half);

    let ended = server.program.wait();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("action: shutdown | result: in_progress | signal: SIGTERM"), 1);
    let is_of_the_end =
        |l: &&String| ["action: shutdown", "action: close_"].iter().any(|a| l.contains(a));
    let first = ended.lines.iter().find(is_of_the_end).unwrap();
    assert!(first.contains("action: shutdown"), "before it: {first}");
    let received = ended.lines.iter().filter(|l| l.contains("receive_message | result: success"));
    let mut received: HashSet<_> = received.map(|line| field(line, "msg")).collect();
    assert!(received.remove("half and half"));
    let sent = load.join();
    for sent in sent.iter().filter(|sent| !sent.is_answered()) {
        assert!(!received.contains(sent.message.as_str()), "logged and not answered: {sent:?}");
        assert!(sent.took > AT_ONCE, "sent and not answered: {sent:?}");
    }
    assert_eq!(received.len(), sent.iter().filter(|sent| sent.is_answered()).count());
}

#[test]
fn nothing_is_lost_when_it_ends_under_load() {
    ends_under_load("4096");
}

/// The kernel drops the last packet of handshakes for which there is no room, and the peers, which
/// take themselves for connected, send again after 200 ms.
#[test]
fn nothing_is_lost_when_it_ends_with_a_short_queue() {
    for _ in 0..3 {
        ends_under_load("1");
    }
}

/// The kernel alone would make a connection of each handshake until the listener is closed, and then
/// reset it.
#[test]
fn nobody_new_connects_once_the_shutdown_has_begun() {
    let server = Server::start(&[]);
    server.program.terminate();
    server.program.wait_for("action: shutdown | result: in_progress");
    // Stopped, it cannot close its listener.
    server.program.signal(libc::SIGSTOP);
    let connected = TcpStream::connect_timeout(&server.address, Duration::from_millis(200));
    server.program.signal(libc::SIGCONT);
    assert!(connected.is_err(), "{connected:?}");
    assert!(server.program.wait().status.success());
}

#[test]
fn a_connection_just_made_may_bring_its_message() {
    let brings_its_message = || {
        let server = Server::start(&[("SERVER_WORKERS", "1")]);
        let mut peer = server.connect();
        server.program.wait_for("accept_connections | result: success");
        server.program.terminate();
        server.program.wait_for("action: shutdown | result: in_progress");
        let announced = Instant::now();
        until("time passes", || announced.elapsed() > Duration::from_millis(20));
        let sent = peer.write_all(b"just in time\n");
        let mut echo = String::new();
        let ended = sent.and_then(|()| peer.read_to_string(&mut echo));
        ended.is_ok() && echo == "just in time\n"
    };
    // There are 50 ms for it, which a busy machine may take away, but not each time.
    assert!((0..50).any(|_| brings_its_message()), "no message of 50");
}

/// A connection whose peer has closed may still be open here: the shutdown closes it, with a line.
#[test]
fn each_connection_that_is_open_has_its_line() {
    // Another worker's thread could run on while this one's is in the handler.
    let server = Server::start(&[("SERVER_WORKERS", "1")]);
    for _ in 0..5 {
        server.exchange(b"whole\n");
    }
    let pid = server.program.pid();
    server.program.signal(libc::SIGSTOP);
    let state = || fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    until("it is stopped", || state().contains(") T "));
    // Old enough for a loop that is awake to look at them.
    let stopped = Instant::now();
    until("time passes", || stopped.elapsed() > Duration::from_millis(20));
    let open = sockets(pid) - 1;
    server.program.terminate();
    server.program.signal(libc::SIGCONT);
    let ended = server.program.wait();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("action: close_connection | result: success"), open);
}

#[test]
fn the_port_is_free_again_at_once() {
    let server = Server::start(&[]);
    let load = Load::start(server.address, 20, drop);
    load.wait_for(1000);
    assert!(load.stop().iter().all(|sent| sent.is_answered()));
    let port = server.address.port();
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{}", ended.status);
    assert!(time_waits(port) > 0, "the load should leave connections in TIME_WAIT");
    let again = Server::start(&[("SERVER_PORT", &port.to_string())]);
    assert_eq!(again.exchange(b"again\n"), b"again\n");
}

#[test]
fn the_shutdown_serves_what_is_in_the_queue() {
    for drain_timeout in ["500ms", "0"] {
        let environment = [("SERVER_WORKERS", "1"), ("SERVER_DRAIN_TIMEOUT", drain_timeout)];
        let server = Server::start(&environment);
        // Stopped, it accepts nothing: the kernel makes the connections.
        server.program.signal(libc::SIGSTOP);
        for _ in 0..500 {
            server.connect();
        }
        let mut queued: Vec<_> = (0..500).map(|_| server.connect()).collect();
        for peer in &mut queued {
            peer.write_all(b"queued\n").unwrap();
        }
        server.program.terminate();
        server.program.signal(libc::SIGCONT);
        for mut peer in queued {
            assert_eq!(read_to_end(&mut peer), b"queued\n");
        }
        let ended = server.program.wait();
        assert!(ended.status.success(), "{}", ended.status);
        assert_eq!(ended.count("msg: queued"), 500);
    }
}
