//! The real server and peers that misbehave, or are many: nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tp0::sys::limits::raise_descriptor_limit;

use crate::support::load::load;
use crate::support::proc::{descriptors, memory, sockets};
use crate::support::program::Program;
use crate::support::server::{Server, assert_prompt};
use crate::support::sockets::{read_to_end, reset};
use crate::support::{DEADLINE, os_error, until};

/// Waits until the server has nothing open but its listener.
fn wait_until_closed(server: &Server) {
    until("all connections closed", || sockets(server.program.pid()) == 1);
}

#[test]
fn eight_thousand_silent_connections() {
    const FEW: usize = 500;
    const MANY: usize = 8000;
    let limit = raise_descriptor_limit();
    assert!(limit >= 8500, "needs a hard limit of 8500 descriptors (ulimit -Hn), not {limit}");
    // The server has to raise the usual soft limit itself.
    let script = "ulimit -S -n 1024; exec \"$0\"";
    let mut command = Server::by_shell(script, &[("SERVER_DRAIN_TIMEOUT", "1h")]);
    let server = Server::from(Program::spawn(&mut command));
    let pid = server.program.pid();
    let mut silent = Vec::new();
    let mut hold = |count| {
        silent.resize_with(count, || server.connect());
        until("all accepted", || sockets(pid) == count + 1);
        memory(pid, "RssAnon")
    };
    let before = hold(FEW);
    let bytes = 1024 * (hold(MANY) - before) / (MANY - FEW);
    assert!(bytes <= 256, "{bytes} bytes of memory for a silent connection");
    assert_prompt(&server);
    until("the good clients gone", || sockets(pid) == MANY + 1);

    let own = |link: &&String| link.starts_with("socket:") || link.starts_with("anon_inode:");
    let open = descriptors(pid).iter().filter(own).count();
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{}", ended.status);
    let workers = ended.count("action: close_worker");
    assert_eq!(ended.count("action: close_epoll"), workers);
    assert_eq!(ended.count("action: close_connection | result: success"), MANY);
    assert_eq!(ended.count("action: close_") - workers, open, "one for each descriptor");
    drop(silent);
}

#[test]
fn a_connection_has_one_deadline() {
    let server = Server::start(&[("SERVER_TIMEOUT", "1500ms")]);
    let start = Instant::now();
    let mut silent = server.connect();
    let mut slow = server.connect();
    // The wait for an answer that does not come is the pause between two bytes.
    slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let ended = loop {
        assert!(start.elapsed() < DEADLINE, "each byte gives it more time");
        let sent = slow.write_all(b"x");
        match sent.and_then(|()| slow.read(&mut [0])) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => assert_prompt(&server),
            other => break other,
        }
    };
    // A byte may have been under way when the server closed.
    let is_reset = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionReset;
    assert!(matches!(&ended, Ok(0)) || ended.as_ref().is_err_and(is_reset), "{ended:?}");
    assert!(start.elapsed() >= Duration::from_millis(1500), "ended early");
    assert_eq!(read_to_end(&mut silent), b"");
    for state in ["no byte received", "no newline in "] {
        server.program.wait_for(&format!(
            "ERROR    action: receive_message | result: fail | ip: 127.0.0.1 | error: timed out after 1.5s: {state}"
        ));
    }
}

#[test]
fn a_peer_that_never_reads_its_echo_has_a_line() {
    // More than the kernel's buffers take, and no more than a busy machine sends in that time.
    let limit = 8 << 20;
    let environment = [("SERVER_TIMEOUT", "6s"), ("SERVER_MESSAGE_LIMIT", &limit.to_string())];
    let server = Server::start(&environment);
    let message = [vec![b'x'; limit - 1], vec![b'\n']].concat();
    let connect = || {
        let mut deaf = server.connect();
        deaf.write_all(&message).unwrap();
        deaf
    };
    let deaf = connect();
    server.program.wait_for("receive_message | result: success");
    reset(deaf);
    assert!(server.program.wait_for("result: fail").contains(&os_error(libc::ECONNRESET)));

    let start = Instant::now();
    let _deaf = connect();
    assert_prompt(&server);
    assert!(start.elapsed() < Duration::from_secs(6), "it holds the others up");
    let line = server.program.wait_for_count("result: fail", 2).swap_remove(1);
    assert!(line.ends_with(" bytes of the echo not taken"), "{line}");
    assert!(line.contains("error: timed out after 6s: "), "{line}");
    assert!(start.elapsed() >= Duration::from_secs(6), "after {:?}", start.elapsed());
    wait_until_closed(&server);
}

#[test]
fn peers_that_reset_after_sending() {
    let server = Server::start(&[]);
    for number in 0..300 {
        let mut peer = server.connect();
        peer.write_all([&b"whole\n"[..], b"half", b""][number % 3]).unwrap();
        reset(peer);
    }
    assert_prompt(&server);
    wait_until_closed(&server);
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.count("action: accept_connections | result: success"), 310);
    let lines = ended.count("action: receive_message");
    assert!((210..=310).contains(&lines), "whoever has sent something has a line: {ended:#?}");
}

#[test]
fn peers_over_the_limit_cost_no_memory() {
    let server = Server::start(&[]);
    let pid = server.program.pid();
    assert_prompt(&server);
    let before = memory(pid, "VmHWM");
    let endless = vec![b'x'; 16 << 20];
    for _ in 0..4 {
        assert_eq!(server.exchange(&endless), b"");
    }
    let grown = memory(pid, "VmHWM") - before;
    assert!(grown < 1024, "{grown} kB for messages of 64 kB at most");
    let error = "receive_message | result: fail | ip: 127.0.0.1 | error: the message is longer than 65536 bytes";
    server.program.wait_for_count(error, 4);
    wait_until_closed(&server);
}

/// 64 KiB of control characters in each of 100 messages.
#[test]
fn messages_that_are_hard_to_log_hold_nobody_up() {
    let server = Server::start(&[("SERVER_WORKERS", "1")]);
    let message = [vec![1; 65_535], vec![b'\n']].concat();
    let mut peers: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    server.program.wait_for_count("accept_connections | result: success", peers.len());
    server.program.signal(libc::SIGSTOP);
    for peer in &mut peers {
        peer.write_all(&message).unwrap();
    }
    server.program.signal(libc::SIGCONT);
    for mut peer in peers {
        assert_eq!(read_to_end(&mut peer), message);
    }
    let (ended, _) = server.program.stop();
    let longest = ended.lines.iter().map(String::len).max();
    assert!(longest < Some(16 * 1024), "{longest:?} bytes in a line");
    assert_eq!(ended.count("… (65536 bytes)"), 100);
}

/// LONG_RUN=200000 asks for more. A firewall that tracks connections remembers each for ten seconds, and drops packets
/// once it has too many to remember.
#[test]
fn a_long_run_leaves_nothing_behind() {
    const CLIENTS: usize = 20;
    let connections = std::env::var("LONG_RUN").map_or(30_000, |count| count.parse().unwrap());
    let messages = connections / CLIENTS;
    let server = Server::mute(Server::command(&[]).stdout(Stdio::null()));
    let pid = server.program.pid();
    let run = |messages| {
        let sent = load(server.address, CLIENTS, messages);
        let answered = sent.iter().filter(|sent| sent.is_answered()).count();
        assert_eq!(answered, CLIENTS * messages);
    };
    let idle = || {
        server.exchange(b"the last one\n");
        wait_until_closed(&server);
        descriptors(pid).len()
    };
    let before = idle();
    run(messages / 10);
    let resident = memory(pid, "VmRSS");
    run(messages);
    let grown = memory(pid, "VmRSS").saturating_sub(resident);
    assert!(grown < 256, "{grown} kB more after {connections} connections");
    assert_eq!(idle(), before, "descriptors");
    assert!(server.program.stop().0.status.success());
}
