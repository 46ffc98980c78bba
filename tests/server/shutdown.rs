//! The real server and its stop signals.

use std::collections::HashSet;
use std::fs::File;
use std::hint::spin_loop;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::limits::drop_capabilities;
use crate::support::load::load;
use crate::support::proc::handles;
use crate::support::program::Program;
use crate::support::server::{Server, complete};
use crate::support::sockets::{connect_with_greatest_ttl, make_fifo, read_to_end, set_option};
use crate::support::{directory, field, until};

/// A peer whose half message the server has accepted.
fn half(server: &Server) -> TcpStream {
    let mut peer = server.connect();
    peer.write_all(b"half").unwrap();
    server.program.wait_for("accept_connections | result: success");
    peer
}

#[test]
fn either_signal_closes_everything() {
    for (signal, name) in [(libc::SIGTERM, "SIGTERM"), (libc::SIGINT, "SIGINT")] {
        let server = Server::start(&[("SERVER_WORKERS", "3")]);
        server.program.signal(signal);
        let ended = server.program.wait();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
        for (line, count) in [
            (&*format!("action: shutdown | result: in_progress | signal: {name}"), 1),
            ("action: close_listener | result: success", 1),
            ("action: close_epoll | result: success", 3),
            ("action: close_worker | result: success", 3),
            ("action: close_eventfd | result: success", 1),
            ("action: shutdown | result: success", 1),
        ] {
            assert_eq!(ended.count(line), count, "{line} in {:#?}", ended.lines);
        }
    }
}

/// The first signal begins the shutdown, and those that follow change nothing: timeout(1), a terminal and a container
/// engine often send two.
#[test]
fn a_half_received_message_may_be_completed_and_a_silent_peer_delays_nothing() {
    let server = Server::start(&[("SERVER_DRAIN_TIMEOUT", "1h")]);
    let mut silent = server.connect();
    let mut half = half(&server);
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGTERM].repeat(100) {
        server.program.signal(signal);
    }
    server.program.wait_for("close_listener");
    // One more second until the peer counts as idle.
    half.write_all(b" and ").unwrap();
    assert_eq!(read_to_end(&mut silent), b"");
    let error = TcpStream::connect(server.address).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    server.program.signal(libc::SIGINT);

    complete(half, b"half\n", b"half and half\n");
    let ended = server.program.wait();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.count("action: shutdown"), 2, "{ended:#?}");
    assert_eq!(ended.count("action: close_connection | result: success | ip: 127.0.0.1"), 2);
}

#[test]
fn the_drain_timeout_ends_a_half_received_message() {
    for (timeout, milliseconds) in [("400ms", 400), ("100ms", 100)] {
        let server = Server::start(&[("SERVER_DRAIN_TIMEOUT", timeout)]);
        let mut peer = half(&server);
        let (ended, took) = server.program.stop();
        assert!(ended.status.success(), "{ended:?}");
        assert!(took >= Duration::from_millis(milliseconds), "{took:?}");
        let failure = format!("error: timed out after {timeout}: no newline in 4 bytes received");
        assert_eq!(ended.count(&failure), 1, "{ended:?}");
        assert_eq!(read_to_end(&mut peer), b"");
    }
}

/// The server lets a connection that was made in the last instant bring its message for 250 ms. On a busy machine a
/// client may be held up for longer between its connect and its write.
const AT_ONCE: Duration = Duration::from_millis(150);

/// With the short queue the kernel drops the last packet of handshakes for which there is no room. Their peers believe
/// that they are connected, and send again after 200 ms. A hardened kernel refuses a filter without capabilities.
#[test]
fn nothing_is_lost_when_it_ends_under_load() {
    for (backlog, has_capabilities) in [("4096", true), ("5", true), ("5", true), ("4096", false)] {
        let environment = [("SERVER_LISTEN_BACKLOG", backlog), ("SERVER_DRAIN_TIMEOUT", "10s")];
        let mut command = Server::command(&environment);
        if !has_capabilities {
            drop_capabilities(&mut command);
        }
        let server = Server::from(Program::spawn(&mut command));
        let address = server.address;
        let clients = thread::spawn(move || load(address, 50, usize::MAX));
        server.program.wait_for_count("receive_message", 500);
        server.program.terminate();
        let ended = server.program.wait();
        assert!(ended.status.success(), "{}", ended.status);

        let closings =
            |line: &&String| line.contains("action: shutdown") || line.contains("close_");
        let first = ended.lines.iter().find(closings).unwrap();
        assert!(first.contains("action: shutdown"), "before it: {first}");
        let received = ended.lines.iter().filter(|line| line.contains("receive_message"));
        let received: HashSet<_> = received.map(|line| field(line, "msg")).collect();
        let sent = clients.join().unwrap();
        for sent in sent.iter().filter(|sent| !sent.is_answered()) {
            assert!(!received.contains(sent.message.as_str()), "logged and not answered: {sent:?}");
            assert!(sent.took > AT_ONCE, "sent and not answered: {sent:?}");
        }
        assert_eq!(received.len(), sent.iter().filter(|sent| sent.is_answered()).count());
    }
}

/// The kernel alone would make a connection of each handshake until the listener is closed, and then reset it.
#[test]
fn nobody_new_connects_once_the_shutdown_has_begun() {
    let mut command = Server::command(&[]);
    drop_capabilities(&mut command);
    let server = Server::from(Program::spawn(&mut command));
    server.program.terminate();
    server.program.wait_for("action: shutdown | result: in_progress");
    // Stopped, it cannot close its listener.
    server.program.signal(libc::SIGSTOP);
    let connected = TcpStream::connect_timeout(&server.address, Duration::from_millis(200));
    server.program.signal(libc::SIGCONT);
    assert!(connected.is_err(), "{connected:?}");
    assert!(server.program.wait().status.success());
}

/// Without the filter, the listener drops SYNs by their TTL, and a connection that still comes must not do so. With the
/// filter nobody connects.
#[test]
fn a_late_connection_receives_packets_of_any_ttl() {
    let is_served = || {
        let mut command = Server::command(&[("SERVER_DRAIN_TIMEOUT", "10s")]);
        drop_capabilities(&mut command);
        let server = Server::from(Program::spawn(&mut command));
        server.program.terminate();
        server.program.wait_for("action: shutdown | result: in_progress");
        let Ok(mut peer) = connect_with_greatest_ttl(server.address.port()) else { return true };
        server.program.wait_for("accept_connections | result: success");
        peer.set_ttl(64).unwrap();
        let sent = peer.write_all(b"late\n");
        let mut echo = String::new();
        let ended = sent.and_then(|()| peer.read_to_string(&mut echo));
        ended.is_ok() && echo == "late\n"
    };
    // A busy machine may take the 250 ms away, but not each time.
    assert!((0..10).any(|_| is_served()), "no message of 10");
}

#[test]
fn a_connection_just_made_may_bring_its_message() {
    let brings_its_message = || {
        let server = Server::start(&[("SERVER_WORKERS", "1")]);
        let mut peer = server.connect();
        server.program.wait_for("accept_connections | result: success");
        server.program.terminate();
        server.program.wait_for("action: shutdown | result: in_progress");
        thread::sleep(Duration::from_millis(210));
        let sent = peer.write_all(b"just in time\n");
        let mut echo = String::new();
        let ended = sent.and_then(|()| peer.read_to_string(&mut echo));
        ended.is_ok() && echo == "just in time\n"
    };
    // A busy machine may take the rest of the 250 ms away, but not each time.
    assert!((0..20).any(|_| brings_its_message()), "no message of 20");
}

/// From more connections than one iteration of the loop has events for, and in the queue.
#[test]
fn it_serves_what_has_arrived() {
    for drain_timeout in ["500ms", "0"] {
        let environment = [("SERVER_WORKERS", "1"), ("SERVER_DRAIN_TIMEOUT", drain_timeout)];
        let server = Server::start(&environment);
        let mut peers: Vec<_> = (0..300).map(|_| server.connect()).collect();
        server.program.wait_for_count("accept_connections | result: success", peers.len());
        // Stopped, it accepts nothing: the kernel makes the connections.
        server.program.signal(libc::SIGSTOP);
        for _ in 0..500 {
            server.connect();
        }
        peers.resize_with(800, || server.connect());
        for peer in &mut peers {
            peer.write_all(b"whole\n").unwrap();
        }
        server.program.terminate();
        server.program.signal(libc::SIGCONT);
        for mut peer in peers {
            assert_eq!(read_to_end(&mut peer), b"whole\n");
        }
        let ended = server.program.wait();
        assert!(ended.status.success(), "{}", ended.status);
        assert_eq!(ended.count("msg: whole"), 800);
        assert_eq!(ended.count("action: close_connection | result: success"), 1300);
        assert_eq!(ended.count("result: fail"), 0, "{drain_timeout}");
    }
}

/// The settings are a FIFO: the program waits at its open until the test writes them.
#[test]
fn handlers_go_in_before_anything_else() {
    let settings = directory("handlers_go_in_before_anything_else").join("config.ini");
    make_fifo(&settings);
    let program = Program::spawn(Server::command(&[]).arg("--config").arg(&settings));
    until("a handler", || handles(program.pid(), libc::SIGTERM));
    program.terminate();
    // Fails while nobody reads the FIFO.
    let writer = || File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&settings);
    until("it reads its settings", || writer().is_ok());
    let ended = program.wait();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.count("action: shutdown | result: success"), 1);
}

#[test]
fn a_signal_in_the_first_milliseconds() {
    for start in 0..50 {
        let program = Program::spawn(&mut Server::command(&[("SERVER_DRAIN_TIMEOUT", "0")]));
        // Before there is a handler the kernel deals with the signal.
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

/// A shell without job control starts `program &` like this.
#[test]
fn a_signal_that_is_ignored_from_the_start_stays_ignored() {
    let mut shell = Server::by_shell("trap '' INT; exec \"$0\"", &[]);
    let server = Server::from(Program::spawn(&mut shell));
    for _ in 0..100 {
        server.program.signal(libc::SIGINT);
    }
    assert_eq!(server.exchange(b"still there\n"), b"still there\n");
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("shutdown | result: in_progress | signal: SIGTERM"), 1);
}

/// The watchdog waits for two seconds more than the drain timeout, which it rounds up to a second.
#[test]
fn a_stdout_that_nobody_reads_holds_it_up_for_three_seconds() {
    let (reader, writer) = UnixStream::pair().unwrap();
    set_option(&writer, libc::SO_SNDBUF, &1i32);
    let environment = [("SERVER_WORKERS", "2"), ("SERVER_DRAIN_TIMEOUT", "200ms")];
    let mut command = Server::command(&environment);
    let mut server = Server::mute(command.stdout(OwnedFd::from(writer)));
    // Their lines are more than the socket takes.
    let peers: Vec<_> = (0..200).map(|_| server.connect()).collect();
    let start = Instant::now();
    // Only the first of these signals starts the watchdog.
    until("the watchdog ends it", || {
        server.program.terminate();
        server.program.child.try_wait().unwrap().is_some()
    });
    let took = start.elapsed();
    assert_eq!(server.program.wait().status.code(), Some(1));
    assert!((3..10).contains(&took.as_secs()), "{took:?}");
    drop((peers, reader));
}
