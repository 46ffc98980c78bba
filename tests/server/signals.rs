//! The real programs and their signals: which of them ask for a shutdown, and when.

use std::fs::{self, File};
use std::hint::spin_loop;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::support::client::{HOUR, client, listen};
use crate::support::load::Load;
use crate::support::proc::handles;
use crate::support::program::{Program, SERVER, command};
use crate::support::server::Server;
use crate::support::sockets::{make_fifo, read_to_end};
use crate::support::{directory, until};

#[test]
fn a_thousand_signals_are_one_shutdown() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let server = Server::start(&[]);
        let silent = server.connect();
        for _ in 0..1000 {
            server.program.signal(signal);
        }
        let ended = server.program.wait();
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(ended.count("action: shutdown | result: in_progress"), 1);
        assert_eq!(ended.count("action: shutdown | result: success"), 1);
        drop(silent);
    }
}

#[test]
fn a_second_signal_ends_a_drain_at_once() {
    let server = Server::start(&[("SERVER_DRAIN_TIMEOUT", "1h")]);
    let mut half = server.connect();
    half.write_all(b"half").unwrap();
    let load = Load::start(server.address, 10, drop);
    load.wait_for(100);
    server.program.terminate();
    server.program.wait_for("close_listener");
    let seen = Instant::now();
    until("a signal is another request", || seen.elapsed() > Duration::from_millis(150));
    server.program.signal(libc::SIGINT);
    assert_eq!(server.program.wait().status.code(), Some(128 + libc::SIGINT));
    load.join();
}

/// The settings are a FIFO: the program waits at its open until the test writes them.
#[test]
fn handlers_go_in_before_anything_else() {
    let settings = directory("handlers_go_in_before_anything_else").join("config.ini");
    make_fifo(&settings);
    let program = Program::spawn(Server::command(&[]).arg("--config").arg(&settings));
    until("a handler", || handles(program.pid(), libc::SIGTERM));
    program.terminate();
    fs::write(&settings, "").unwrap();
    let ended = program.wait();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.count("action: shutdown | result: success"), 1);
}

#[test]
fn a_signal_in_the_first_milliseconds() {
    for start in 0..50 {
        let program = Program::spawn(&mut Server::command(&[]));
        // Before there is a handler the signal is the kernel's affair.
        until("a handler", || handles(program.pid(), libc::SIGTERM));
        let ready = Instant::now();
        while ready.elapsed() < Duration::from_micros(50 * start) {
            spin_loop();
        }
        let (ended, _) = program.stop();
        assert!(ended.status.success(), "start {start}: {ended:?}");
        assert_eq!(ended.count("action: shutdown | result: success"), 1, "start {start}");
    }
}

/// timeout(1), a terminal and a container engine often send two.
#[test]
fn two_signals_at_once_leave_a_half_message_its_time() {
    let server = Server::start(&[("SERVER_DRAIN_TIMEOUT", "1h")]);
    let mut half = server.connect();
    half.write_all(b"half").unwrap();
    server.program.wait_for("result: success | ip: ");
    server.program.terminate();
    server.program.terminate();
    server.program.wait_for("close_listener");
    half.write_all(b" and half\n").unwrap();
    assert_eq!(read_to_end(&mut half), b"half and half\n");
    assert!(server.program.wait().status.success());
}

/// A shell without job control starts `program &` so.
#[test]
fn a_signal_that_is_ignored_from_the_start_stays_so() {
    let mut shell = command("/bin/sh", &[]);
    shell.args(["-c", "trap '' INT; exec \"$0\"", SERVER]).envs([
        ("SERVER_PORT", "0"),
        ("SERVER_BIND", "127.0.0.1"),
        ("SERVER_LISTEN_BACKLOG", "5"),
        ("LOGGING_LEVEL", "INFO"),
    ]);
    let server = Server::from(Program::spawn(&mut shell));
    for _ in 0..100 {
        server.program.signal(libc::SIGINT);
    }
    assert_eq!(server.exchange(b"still there\n"), b"still there\n");
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("shutdown | result: in_progress | signal: SIGTERM"), 1);
}

/// A full pipe that nobody reads: the first signal ends the client that waits for it.
#[test]
fn a_client_whose_stdout_nobody_reads_ends() {
    let (listener, address) = listen();
    let directory = directory("a_client_whose_stdout_nobody_reads_ends");
    make_fifo(&directory.join("pipe"));
    // Open for both, so that neither open waits; nobody reads.
    let pipe = File::options().read(true).write(true).open(directory.join("pipe")).unwrap();
    let mut filling = pipe.try_clone().unwrap();
    filling.write_all(&vec![b'x'; 65536]).unwrap();
    let mut command = client(&address, "1", &[HOUR]);
    let program = Program::spawn(command.stdout(OwnedFd::from(pipe)));
    until("a handler", || handles(program.pid(), libc::SIGTERM));
    program.terminate();
    assert!(program.wait().status.success());
    drop(listener);
}
