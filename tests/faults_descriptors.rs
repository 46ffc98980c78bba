//! The real server when it may not open any more descriptors.

#[path = "support/load.rs"]
mod load;
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use load::{complete, limit_descriptors, processor_time, sockets};
use support::{Program, Server, until};

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
