//! The real server at its limit of connections.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::support::limits::limit_descriptors;
use crate::support::load::complete;
use crate::support::proc::{processor_time, sockets};
use crate::support::program::Program;
use crate::support::server::Server;
use crate::support::sockets::read_to_end;
use crate::support::until;

const MAX_CONNECTIONS: usize = 20;
const WARNING: &str =
    "action: accept_connections | result: fail | error: 20 connections are open, the limit";

/// Peers with half a message sent.
fn half(server: &Server, count: usize) -> Vec<TcpStream> {
    let peer = |_| {
        let mut peer = server.connect();
        peer.write_all(b"half").unwrap();
        peer
    };
    (0..count).map(peer).collect()
}

fn start(workers: &str, drain_timeout: &str) -> Server {
    Server::start(&[
        ("SERVER_MAX_CONNECTIONS", "20"),
        ("SERVER_WORKERS", workers),
        ("SERVER_DRAIN_TIMEOUT", drain_timeout),
    ])
}

/// A server at its limit, as soon as so many half messages have been accepted.
fn full(drain_timeout: &str) -> (Server, Vec<TcpStream>) {
    let server = start("1", drain_timeout);
    let peers = half(&server, MAX_CONNECTIONS);
    server.program.wait_for_count("accept_connections | result: success", MAX_CONNECTIONS);
    (server, peers)
}

#[test]
fn at_the_limit_it_waits() {
    let server = start("4", "500ms");
    let pid = server.program.pid();
    for episode in 1..=2 {
        let peers = half(&server, MAX_CONNECTIONS + 5);
        assert!(server.program.wait_for_count("WARNING", episode)[episode - 1].contains(WARNING));
        assert!(sockets(pid) <= MAX_CONNECTIONS + 1);

        let before = processor_time(pid);
        // Not a wait for anything: the time over which it is measured.
        let window = Duration::from_secs(1);
        thread::sleep(window);
        let taken = processor_time(pid) - before;
        assert!(taken < window / 20, "{taken:?} of processor time in {window:?} of waiting");

        // Those that were accepted make room for those that wait.
        complete(peers, b" and half\n", b"half and half\n");
        until("all closed", || sockets(pid) == 1);
    }
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("msg: half and half"), 2 * (MAX_CONNECTIONS + 5));
    assert_eq!(ended.count("WARNING"), 2, "one for each episode");
}

/// Workers that look for a connection and find none take no place, not even for a moment.
#[test]
fn below_the_limit_it_does_not_warn() {
    const ROUNDS: usize = 30;
    const AT_A_TIME: usize = 3;
    let server = Server::start(&[("SERVER_MAX_CONNECTIONS", "4"), ("SERVER_WORKERS", "16")]);
    for _ in 0..ROUNDS {
        complete(half(&server, AT_A_TIME), b"\n", b"half\n");
        until("all closed", || sockets(server.program.pid()) == 1);
    }
    let (ended, _) = server.program.stop();
    assert_eq!(ended.count("msg: half"), ROUNDS * AT_A_TIME);
    assert_eq!(ended.count("WARNING"), 0);
}

/// Two workers, and what the process needs beside connections.
#[test]
fn the_limit_is_never_more_than_the_descriptors_allow() {
    let mut command = Server::command(&[("SERVER_WORKERS", "2")]);
    limit_descriptors(&mut command, 54);
    let server = Server::from(Program::spawn(&mut command));
    let peers = half(&server, 80);
    assert!(server.program.wait_for("WARNING").contains(WARNING));
    complete(peers, b" and half\n", b"half and half\n");
    let (ended, _) = server.program.stop();
    assert_eq!((ended.count("Too many open files"), ended.status.code()), (0, Some(0)));
}

#[test]
fn at_the_limit_it_ends() {
    let (server, half) = full("200ms");
    let _waiting: Vec<_> = (0..20).map(|_| server.connect()).collect();
    server.program.wait_for("WARNING");
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("action: close_listener | result: success"), 1);
    assert_eq!(ended.count("error: timed out after 200ms: no newline"), half.len());
}

/// Peers that wait in the queue with a whole message have their echoes from the shutdown.
fn stop_with_a_queue(server: &Server, length: usize) {
    let mut queue: Vec<_> = (0..length).map(|_| server.connect()).collect();
    for peer in &mut queue {
        peer.write_all(b"whole\n").unwrap();
    }
    server.program.wait_for("WARNING");
    server.program.terminate();
    for mut peer in queue {
        assert_eq!(read_to_end(&mut peer), b"whole\n");
    }
}

#[test]
fn the_shutdown_serves_those_who_waited_for_a_place() {
    let (server, half) = full("500ms");
    stop_with_a_queue(&server, 20);
    let ended = server.program.wait();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("error: timed out after 500ms: no newline"), half.len());
}

/// The queue is longer than there are file descriptors: it waits for those of the others.
#[test]
fn the_shutdown_serves_a_queue_for_which_descriptors_do_not_suffice() {
    let mut command = Server::command(&[("SERVER_WORKERS", "2"), ("SERVER_DRAIN_TIMEOUT", "10s")]);
    limit_descriptors(&mut command, 54);
    let server = Server::from(Program::spawn(&mut command));
    let silent: Vec<_> = (0..MAX_CONNECTIONS).map(|_| server.connect()).collect();
    server.program.wait_for_count("accept_connections | result: success", MAX_CONNECTIONS);
    stop_with_a_queue(&server, 100);
    assert!(server.program.wait().status.success());
    drop(silent);
}

#[test]
fn the_shutdown_waits_for_nobody_who_is_silent() {
    let (server, half) = full("1h");
    let _silent: Vec<_> = (0..20).map(|_| server.connect()).collect();
    server.program.wait_for("WARNING");
    server.program.terminate();
    server.program.wait_for("action: shutdown | result: in_progress");
    complete(half, b" and half\n", b"half and half\n");
    let ended = server.program.wait();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("action: close_listener | result: success"), 1);
}

/// However often the limit is reached, it is one episode until half of the places are free.
#[test]
fn one_warning_for_all_workers() {
    let server = start("8", "500ms");
    let _peers = half(&server, 16);
    thread::scope(|scope| {
        for _ in 0..9 {
            scope.spawn(|| {
                for _ in 0..100 {
                    assert_eq!(server.exchange(b"whole\n"), b"whole\n");
                }
            });
        }
    });
    let warnings = server.program.stop().0.count("WARNING");
    assert!(warnings <= 1, "{warnings}");
}

/// A peer that has closed without having been closed yet makes room for others.
#[test]
fn those_who_have_closed_take_no_place() {
    let server = start("1", "500ms");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..300 {
                    assert_eq!(server.exchange(b"whole\n"), b"whole\n");
                }
            });
        }
    });
    let (ended, _) = server.program.stop();
    assert_eq!((ended.count("WARNING"), ended.status.code()), (0, Some(0)));
}
