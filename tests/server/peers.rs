//! The real server and peers that misbehave: nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::limits::{allow_descriptors, limit_memory};
use crate::support::proc::{descriptors, memory, sockets};
use crate::support::program::Program;
use crate::support::server::{Server, assert_prompt};
use crate::support::sockets::{connect_with_small_window, read_to_end, reset};
use crate::support::{DEADLINE, until, untimed};

/// A peer that gets `bytes` out and then does nothing.
fn peer(server: &Server, bytes: &[u8]) -> TcpStream {
    let mut peer = server.connect();
    peer.write_all(bytes).unwrap();
    peer
}

/// Waits until the server has nothing open but its listener.
fn wait_until_closed(server: &Server) {
    until("all connections closed", || sockets(server.program.pid()) == 1);
}

#[test]
fn eight_thousand_silent_connections() {
    const SILENT: usize = 8000;
    allow_descriptors(SILENT as u64);
    let server = Server::start(&[("SERVER_DRAIN_TIMEOUT", "1h")]);
    let pid = server.program.pid();
    let silent: Vec<_> = (0..SILENT).map(|_| server.connect()).collect();
    until("all accepted", || sockets(pid) == SILENT + 1);
    assert_prompt(&server);
    until("the good clients gone", || sockets(pid) == SILENT + 1);
    let resident = memory(pid, "VmRSS");
    assert!(resident < 6 * 1024, "{resident} kB resident");

    let own = |link: &&String| link.starts_with("socket:") || link.starts_with("anon_inode:");
    let open = descriptors(pid).iter().filter(own).count();
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{}", ended.status);
    assert_eq!(ended.count("action: close_connection | result: success"), SILENT);
    assert_eq!(ended.count("action: close_"), open, "one for each descriptor");
    drop(silent);
}

#[test]
fn a_byte_now_and_then_does_not_extend_the_deadline() {
    let server = Server::start(&[("SERVER_TIMEOUT", "1s")]);
    let (start, mut slow) = (Instant::now(), server.connect());
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
    let reset = |error: &std::io::Error| error.kind() == ErrorKind::ConnectionReset;
    assert!(matches!(&ended, Ok(0)) || ended.as_ref().is_err_and(reset), "{ended:?}");
    assert!(start.elapsed() >= Duration::from_secs(1), "ended early");
    let line = server.program.wait_for("result: fail");
    assert!(line.contains("error: timed out after 1s: no newline in "), "{line}");
}

#[test]
fn peers_that_never_read_their_echo() {
    let limit = 16 << 20;
    let server = Server::start(&[("SERVER_MESSAGE_LIMIT", &limit.to_string())]);
    let small = [vec![b'x'; 60_000], vec![b'\n']].concat();
    let _deaf: Vec<_> = (0..20)
        .map(|_| {
            let mut deaf = connect_with_small_window(server.address);
            deaf.write_all(&small).unwrap();
            deaf
        })
        .collect();
    assert_prompt(&server);
    // More than the kernel's buffers take: the server is left with the rest.
    let large = [vec![b'x'; limit - 1], vec![b'\n']].concat();
    let mut deaf = connect_with_small_window(server.address);
    deaf.write_all(&large).unwrap();
    assert_prompt(&server);
    assert!(server.program.stop().0.status.success());
}

#[test]
fn a_peer_that_never_reads_its_echo_times_out() {
    // More than the kernel's buffers take, and no more than a busy machine sends in that time.
    let limit = 8 << 20;
    let server =
        Server::start(&[("SERVER_TIMEOUT", "6s"), ("SERVER_MESSAGE_LIMIT", &limit.to_string())]);
    let mut deaf = connect_with_small_window(server.address);
    deaf.write_all(&[vec![b'x'; limit - 1], vec![b'\n']].concat()).unwrap();
    let line = server.program.wait_for("result: fail");
    assert!(line.ends_with(" bytes of the echo not taken"), "{line}");
    assert!(line.contains("error: timed out after 6s: "), "{line}");
    wait_until_closed(&server);
}

#[test]
fn peers_that_reset_after_sending() {
    let server = Server::start(&[]);
    for number in 0..300 {
        let bytes = [&b"whole\n"[..], b"half", b""][number % 3];
        reset(peer(&server, bytes));
    }
    assert_prompt(&server);
    wait_until_closed(&server);
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.count("action: accept_connections | result: success"), 310);
    assert!(ended.count("action: receive_message") >= 310, "each has its line: {ended:#?}");
}

#[test]
fn a_thousand_that_connect_and_leave() {
    let server = Server::start(&[]);
    for _ in 0..1000 {
        server.connect();
    }
    assert_prompt(&server);
    wait_until_closed(&server);
    let (ended, _) = server.program.stop();
    let left = "result: fail | ip: 127.0.0.1 | error: the peer closed before it sent a byte";
    assert_eq!(ended.count(left), 1000);
}

#[test]
fn bytes_after_the_newline_never_cost_the_echo() {
    let server = Server::start(&[]);
    let message = [vec![b'x'; 60_000], vec![b'\n']].concat();
    for _ in 0..50 {
        let mut talker = peer(&server, &[&message[..], &[b'y'; 65_536]].concat());
        assert_eq!(read_to_end(&mut talker), message);
    }
    assert_prompt(&server);
}

#[test]
fn peers_over_the_limit_cost_no_memory() {
    let server = Server::start(&[]);
    let pid = server.program.pid();
    assert_prompt(&server);
    let before = memory(pid, "VmHWM");
    let endless = vec![b'x'; 16 << 20];
    for _ in 0..4 {
        let mut peer = peer(&server, &endless);
        assert_eq!(read_to_end(&mut peer), b"");
    }
    assert_prompt(&server);
    for line in server.program.wait_for_count("result: fail", 4) {
        assert_eq!(
            untimed(&line),
            "ERROR    action: receive_message | result: fail | ip: 127.0.0.1 | error: the message is longer than 65536 bytes"
        );
    }
    let grown = memory(pid, "VmHWM") - before;
    assert!(grown < 1024, "{grown} kB for messages of 64 kB at most");
    wait_until_closed(&server);
}

/// The limit on messages may be beyond what memory there is: that ends one connection, not the server.
#[test]
fn a_message_too_large_for_memory_costs_its_peer_alone() {
    let mut command =
        Server::command(&[("SERVER_WORKERS", "1"), ("SERVER_MESSAGE_LIMIT", "1073741824")]);
    limit_memory(&mut command, 64 << 20);
    let server = Server::from(Program::spawn(&mut command));
    let mut greedy = server.connect();
    // It fails where the server has closed before all is sent.
    let _ = greedy.write_all(&vec![b'x'; 80 << 20]);
    let line = server.program.wait_for("receive_message | result: fail");
    assert!(line.ends_with("error: out of memory"), "{line}");
    assert_prompt(&server);
    assert!(server.program.stop().0.status.success());
}

/// Neither a second copy of what is not taken yet, nor the line of the log, may need more than there is.
#[test]
fn a_large_message_is_kept_once_and_costs_its_line_at_most() {
    for (byte, size) in [(b'x', 20 << 20), (b'\xff', 6 << 20)] {
        let mut command =
            Server::command(&[("SERVER_WORKERS", "1"), ("SERVER_MESSAGE_LIMIT", "1073741824")]);
        limit_memory(&mut command, 48 << 20);
        let server = Server::from(Program::spawn(&mut command));
        let mut message = vec![byte; size];
        message.push(b'\n');
        let mut greedy = server.connect();
        greedy.write_all(&message).unwrap();
        // However long it takes to make its line, or to fail to.
        assert_eq!(server.exchange(b"meanwhile\n"), b"meanwhile\n");
        assert!(read_to_end(&mut greedy) == message, "not the message");
        assert_prompt(&server);
        drop(greedy);
        assert!(server.program.stop().0.status.success());
    }
}

/// A loop iteration may have hundreds of large messages, each with a line of four times its length.
#[test]
fn the_log_takes_no_memory_for_all_lines_of_an_iteration() {
    const MESSAGES: usize = 200;
    let server = Server::start(&[("SERVER_WORKERS", "1")]);
    let pid = server.program.pid();
    let message = [b'|'; 60_000];
    let mut peers: Vec<_> = (0..MESSAGES).map(|_| peer(&server, &message)).collect();
    until("they are all there", || memory(pid, "VmRSS") > MESSAGES * 55);
    server.program.signal(libc::SIGSTOP);
    for peer in &mut peers {
        peer.write_all(b"\n").unwrap();
    }
    server.program.signal(libc::SIGCONT);
    for mut peer in peers {
        assert_eq!(read_to_end(&mut peer).len(), message.len() + 1);
    }
    // In kB: the messages, their lines if they were all gathered, and half of that.
    let (messages, lines) = (MESSAGES * 60, MESSAGES * 240);
    let most = memory(pid, "VmHWM");
    assert!(most < messages + lines / 2, "{most} kB for messages of {messages} kB");
}

/// Where there is no memory for one connection more, that one is lost and nobody else.
#[test]
fn too_many_peers_for_memory_cost_themselves_alone() {
    const MAX_PEERS: usize = 2000;
    allow_descriptors(2 * MAX_PEERS as u64);
    let mut command =
        Server::command(&[("SERVER_WORKERS", "1"), ("SERVER_MESSAGE_LIMIT", "1000000")]);
    limit_memory(&mut command, 32 << 20);
    let server = Server::from(Program::spawn(&mut command));
    let mut greedy = Vec::new();
    let is_out =
        || server.program.lines().iter().any(|line| line.ends_with("error: out of memory"));
    // The server may be far behind: the kernel holds what it has not read.
    while greedy.len() < MAX_PEERS && !is_out() {
        greedy.push(peer(&server, &[b'x'; 60_000]));
    }
    until("memory has an end", is_out);
    let silent: Vec<_> = (0..MAX_PEERS).map(|_| server.connect()).collect();
    // No count of lines: those that find no memory are lost too.
    server.program.wait_for("error: memory allocation failed");
    drop((greedy, silent));
    // However many of them are still in the queue.
    assert_eq!(server.exchange(b"last\n"), b"last\n");
    wait_until_closed(&server);
    assert_prompt(&server);
    assert!(server.program.stop().0.status.success());
}
