//! The real server when it may not open any more descriptors.

#[path = "support/load.rs"]
mod load;
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use load::{complete, descriptors, limit_descriptors, processor_time, sockets, taken};
use support::{Program, Server, read_to_end, until};

/// Peers with half a message sent.
fn half(server: &Server, count: usize) -> Vec<TcpStream> {
    let peer = |_| {
        let mut peer = server.connect();
        peer.write_all(b"half").unwrap();
        peer
    };
    (0..count).map(peer).collect()
}

#[test]
fn without_descriptors_it_waits() {
    const LIMIT: usize = 60;
    let mut command = Server::command(&[("SERVER_WORKERS", "4")]);
    limit_descriptors(&mut command, LIMIT as u64);
    let server = Server::from(Program::spawn(&mut command));
    let pid = server.program.pid();
    for shortage in 1..=2 {
        let peers = half(&server, 2 * LIMIT);
        let warnings = server.program.wait_for_count("WARNING", shortage);
        assert!(
            warnings[0].contains("accept_connections | result: fail | error: Too many open files")
        );

        let before = processor_time(pid);
        // Not a wait for anything: the time over which it is measured.
        let window = Duration::from_secs(1);
        thread::sleep(window);
        let taken = processor_time(pid) - before;
        assert!(taken < window / 20, "{taken:?} of processor time in {window:?} of waiting");

        // Those that were accepted make room for those that wait.
        complete(peers, b" and half\n", b"half and half\n");
        until("all closed", || sockets(pid) == 1);
        assert_eq!(server.program.wait_for_count("WARNING", shortage).len(), shortage);
    }
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("msg: half and half"), 2 * 2 * LIMIT);
    assert_eq!(ended.count("WARNING"), 2, "one for each shortage");
}

/// A server whose descriptors are all taken, as soon as so many half messages have been accepted.
fn full(drain_timeout: &str) -> (Server, Vec<TcpStream>) {
    const LIMIT: usize = 40;
    let mut command =
        Server::command(&[("SERVER_WORKERS", "1"), ("SERVER_DRAIN_TIMEOUT", drain_timeout)]);
    limit_descriptors(&mut command, LIMIT as u64);
    let server = Server::from(Program::spawn(&mut command));
    let pid = server.program.pid();
    // It says that it accepts before it has all the descriptors that it needs for that.
    let has_epoll = || descriptors(pid).iter().any(|link| link.contains("eventpoll"));
    until("the loop is there", has_epoll);
    let peers = half(&server, LIMIT - taken(pid, LIMIT));
    server.program.wait_for_count("accept_connections | result: success", peers.len());
    (server, peers)
}

#[test]
fn a_full_table_is_no_shortage_as_long_as_nobody_waits() {
    let (server, peers) = full("500ms");
    complete(peers, b" and half\n", b"half and half\n");
    let (ended, _) = server.program.stop();
    assert_eq!((ended.count("WARNING"), ended.status.code()), (0, Some(0)));
}

#[test]
fn without_descriptors_it_still_ends() {
    let mut command = Server::command(&[("SERVER_DRAIN_TIMEOUT", "200ms")]);
    limit_descriptors(&mut command, 40);
    let server = Server::from(Program::spawn(&mut command));
    let _peers = half(&server, 80);
    server.program.wait_for("WARNING");
    let (ended, took) = server.program.stop();
    assert!(ended.status.success() && took < Duration::from_secs(1), "{took:?} {}", ended.status);
    assert_eq!(ended.count("action: close_listener | result: success"), 1);
}

#[test]
fn the_end_serves_those_who_waited_for_a_descriptor() {
    let (server, half) = full("500ms");
    let mut queue: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for peer in &mut queue {
        peer.write_all(b"whole\n").unwrap();
    }
    server.program.wait_for("WARNING");
    server.program.terminate();
    for mut peer in queue {
        assert_eq!(read_to_end(&mut peer), b"whole\n");
    }
    let ended = server.program.wait();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("error: timed out after 500ms: no newline"), half.len());
}

#[test]
fn the_end_waits_for_nobody_once_descriptors_are_free() {
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

/// It has to last for 300 ms to be told of, whatever the workers remember of others before it.
#[test]
fn a_shortage_is_one_to_all_workers() {
    let mut command = Server::command(&[("SERVER_WORKERS", "8")]);
    limit_descriptors(&mut command, 40);
    let server = Server::from(Program::spawn(&mut command));
    let start = Instant::now();
    let _peers = half(&server, 16);
    thread::scope(|scope| {
        for _ in 0..9 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    assert_eq!(server.exchange(b"whole\n"), b"whole\n");
                }
            });
        }
    });
    let most = start.elapsed().as_millis() / 300;
    let warnings = server.program.stop().0.count("WARNING");
    assert!(warnings as u128 <= most, "{warnings} in {most} times 300 ms");
}

/// Whoever has ended without having been closed yet makes room for others.
#[test]
fn those_who_have_ended_are_no_shortage() {
    for workers in ["1", "4"] {
        let mut command = Server::command(&[("SERVER_WORKERS", workers)]);
        limit_descriptors(&mut command, 40);
        let server = Server::from(Program::spawn(&mut command));
        let one_after_the_other = || {
            for _ in 0..300 {
                assert_eq!(server.exchange(b"whole\n"), b"whole\n");
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(one_after_the_other);
            }
        });
        let (ended, _) = server.program.stop();
        assert_eq!((ended.count("WARNING"), ended.status.code()), (0, Some(0)), "{workers}");
    }
}
