//! The real server at its limit of connections, and without file descriptors or threads.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::limits::set_descriptor_limit;
use crate::support::proc::{processor_time, sockets};
use crate::support::program::Program;
use crate::support::server::{Server, complete};
use crate::support::sockets::read_to_end;
use crate::support::{os_error, until};

/// The kernel makes one connection more than listen(2) has asked for, while nobody accepts.
#[test]
fn the_kernel_has_the_backlog() {
    let server = Server::start(&[
        ("SERVER_LISTEN_BACKLOG", "3"),
        ("SERVER_MAX_CONNECTIONS", "1"),
        ("SERVER_WORKERS", "1"),
    ]);
    let _accepted = server.connect();
    server.program.wait_for("accept_connections | result: success");
    let connect = || TcpStream::connect_timeout(&server.address, Duration::from_millis(200)).ok();
    let queue: Vec<_> = (0..6).map_while(|_| connect()).collect();
    assert_eq!(queue.len(), 4);
}

const MAX_CONNECTIONS: usize = 20;
const WARNING: &str = "WARNING  action: accept_connections | result: fail | error: 20 connections are open, the limit";

fn connect(server: &Server, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| server.connect()).collect()
}

fn complete_all(peers: Vec<TcpStream>) {
    for peer in peers {
        complete(peer, b"whole\n", b"whole\n");
    }
}

#[test]
fn it_waits_until_a_connection_closes() {
    const WORKERS: usize = 4;
    let server = Server::start(&[("SERVER_MAX_CONNECTIONS", "20"), ("SERVER_WORKERS", "4")]);
    let pid = server.program.pid();
    for _ in 0..3 {
        let peers = connect(&server, MAX_CONNECTIONS + WORKERS + 5);
        server.program.wait_for(WARNING);
        assert!(sockets(pid) < MAX_CONNECTIONS + WORKERS + 1, "{} sockets", sockets(pid));

        let before = processor_time(pid);
        let window = Duration::from_millis(500);
        thread::sleep(window);
        let taken = processor_time(pid) - before;
        assert!(taken < window / 20, "{taken:?} of processor time in {window:?} of waiting");

        complete_all(peers);
        until("all closed", || sockets(pid) == 1);
    }
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("msg: whole"), 3 * (MAX_CONNECTIONS + WORKERS + 5));
    assert!(ended.count("WARNING") <= WORKERS, "one a minute and worker: {ended:#?}");
}

/// Two workers, and what the process needs besides connections.
#[test]
fn the_limit_is_never_more_than_the_descriptors_allow() {
    let mut command = Server::by_shell("ulimit -n 54; exec \"$0\"", &[("SERVER_WORKERS", "2")]);
    let server = Server::from(Program::spawn(&mut command));
    let peers = connect(&server, 80);
    server.program.wait_for(WARNING);
    complete_all(peers);
    let (ended, _) = server.program.stop();
    assert_eq!((ended.count("Too many open files"), ended.status.code()), (0, Some(0)));
}

#[test]
fn without_file_descriptors_it_tries_again() {
    let server = Server::start(&[("SERVER_WORKERS", "1")]);
    let pid = server.program.pid();
    // It raises its limit itself before it accepts.
    assert_eq!(server.exchange(b"early\n"), b"early\n");
    until("all closed", || sockets(pid) == 1);
    set_descriptor_limit(pid, 3);
    let mut peer = server.connect();
    peer.write_all(b"late\n").unwrap();
    server.program.wait_for(
        "WARNING  action: accept_connections | result: fail | error: Too many open files",
    );
    set_descriptor_limit(pid, 100);
    let start = Instant::now();
    assert_eq!(read_to_end(&mut peer), b"late\n");
    assert!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
}

/// Peers that wait in the queue with a whole message have their echoes from the shutdown, and nobody waits for those who
/// are silent.
#[test]
fn the_shutdown_serves_those_who_wait_in_the_queue() {
    for drain_timeout in ["1h", "0"] {
        let server = Server::start(&[
            ("SERVER_MAX_CONNECTIONS", "20"),
            ("SERVER_WORKERS", "1"),
            ("SERVER_DRAIN_TIMEOUT", drain_timeout),
        ]);
        let _silent = connect(&server, MAX_CONNECTIONS);
        let mut queue = connect(&server, 2 * MAX_CONNECTIONS);
        for peer in queue.iter_mut().step_by(2) {
            peer.write_all(b"whole\n").unwrap();
        }
        server.program.wait_for(WARNING);
        let accepted = server.program.wait_for_count("accept_connections | result: success", 1);
        assert_eq!(accepted.len(), MAX_CONNECTIONS);
        server.program.terminate();
        for (number, peer) in queue.iter_mut().enumerate() {
            let echo: &[u8] = if number % 2 == 0 { b"whole\n" } else { b"" };
            assert_eq!(read_to_end(peer), echo, "{number}, {drain_timeout}");
        }
        drop(queue);
        let ended = server.program.wait();
        assert!(ended.status.success(), "{}", ended.status);
        assert_eq!(ended.count("action: close_listener | result: success"), 1);
        assert_eq!(ended.count("receive_message | result: fail"), 0, "{drain_timeout}");
    }
}

/// No thread can have a stack of that many bytes, so the first worker works alone, on the main thread.
#[test]
fn it_works_with_the_workers_that_have_started() {
    let environment = [("SERVER_WORKERS", "4"), ("RUST_MIN_STACK", "200000000000000")];
    let server = Server::start(&environment);
    let error = os_error(libc::EAGAIN);
    server
        .program
        .wait_for(&format!("WARNING  action: start_worker | result: fail | error: {error}"));
    assert_eq!(server.exchange(b"whole\n"), b"whole\n");
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("action: start_worker"), 1);
    assert_eq!(ended.count("action: close_worker"), 1);
}
