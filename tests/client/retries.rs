//! The real client when its server or the network fails.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::client::{
    DELIVERED, UNREACHABLE, accept, assert_delivered, listen, start, why,
};
use crate::support::server::Reserved;
use crate::support::sockets::drop_packets;
use crate::support::{DEADLINE, field, os_error, untimed};

/// A server that deals with one connection after the other by `answer`, which gets the message.
fn play<F>(connections: usize, mut answer: F) -> (String, JoinHandle<()>)
where
    F: FnMut(usize, &[u8], &mut TcpStream) + Send + 'static,
{
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        for number in 0..connections {
            let (mut stream, message) = accept(&listener);
            answer(number, &message, &mut stream);
        }
    });
    (address, server)
}

// The server.

#[test]
fn a_server_that_comes_late_is_waited_for() {
    let port = Reserved::new();
    let client = start(&port.address(), "2", &[]);
    let line = client.wait_for("attempt: 5");
    assert_eq!(
        untimed(&line),
        format!(
            "WARNING  action: connect | result: in_progress | client_id: 1 | attempt: 5 | error: {}: Connection refused (os error 111)",
            port.address()
        )
    );
    let _server = port.serve();
    assert_delivered(&client.wait(), 2);
}

#[test]
fn a_server_killed_five_times_costs_no_message() {
    let port = Reserved::new();
    let mut server = port.serve();
    let client = start(&port.address(), "400", &[]);
    for kill in 1..=5 {
        client.wait_for_count(DELIVERED, kill * 60);
        let retries = client.lines().iter().filter(|line| line.contains("attempt: ")).count();
        server.program.signal(libc::SIGKILL);
        client.wait_for_count("attempt: ", retries + 1);
        server.program.wait_for_exit(DEADLINE);
        server = port.serve();
    }
    assert_delivered(&client.wait(), 400);
}

#[test]
fn nobody_there_is_a_failure_in_time() {
    let port = Reserved::new();
    let refused = format!("{}: Connection refused (os error 111)", port.address());
    let is_in_time = |_| {
        let begin = Instant::now();
        let ended = start(&port.address(), "1", &[("CLI_SERVER_TIMEOUT", "1s")]).wait();
        let took = begin.elapsed();
        assert_eq!(why(&ended), format!("given up after 1s: {refused}"));
        assert!(ended.count("attempt: ") < 10, "the pauses double: {ended:#?}");
        assert!(took >= Duration::from_secs(1), "{took:?}");
        took < Duration::from_millis(1500)
    };
    // A busy machine adds to the time, but not each time.
    assert!((0..10).any(is_in_time));
}

#[test]
fn a_network_that_cannot_be_reached_is_a_failure_in_time() {
    let ended = start(UNREACHABLE, "1", &[("CLI_SERVER_TIMEOUT", "100ms")]).wait();
    let error = os_error(libc::ENETUNREACH);
    assert_eq!(why(&ended), format!("given up after 100ms: {UNREACHABLE}: {error}"));
}

#[test]
fn an_echo_that_never_ends_is_a_failure_in_time() {
    let (address, server) = play(1, |_, message, stream| {
        stream.set_nodelay(true).unwrap();
        let (last, first) = message.split_last().unwrap();
        stream.write_all(first).unwrap();
        let _ = stream.read(&mut [0]);
        let _ = stream.write_all(&[*last]);
    });
    let ended = start(&address, "1", &[("CLI_SERVER_TIMEOUT", "1s")]).wait();
    server.join().unwrap();
    let error = "23 of 24 bytes of the echo received";
    assert_eq!(why(&ended), format!("given up after 1s: {address}: {error}"));
}

#[test]
fn another_answer_is_a_failure() {
    type Answer = fn(&[u8]) -> Vec<u8>;
    let answers: [(Answer, &str); 4] = [
        (|_| "[CLIENT 1] Message N°2\n".into(), "2\\n"),
        (|message| [message, b"\n"].concat(), "\\n"),
        (|message| [b" ", message].concat(), " [CLIENT 1] Message N°1\\n"),
        (|_| b"a | b\xff".to_vec(), "a \\x7c b\\xff"),
    ];
    for (answer, difference) in answers {
        let (address, server) =
            play(1, move |_, message, stream| stream.write_all(&answer(message)).unwrap());
        let ended = start(&address, "5", &[]).wait();
        server.join().unwrap();
        assert_eq!(
            why(&ended),
            format!("{address}: the answer differs from the message, from here on: {difference}")
        );
    }
}

#[test]
fn an_answer_cut_short_is_tried_again() {
    let (address, server) = play(3, |number, message, stream| {
        let length = [0, 5, message.len()][number];
        stream.write_all(&message[..length]).unwrap();
    });
    let ended = start(&address, "1", &[]).wait();
    server.join().unwrap();
    assert_delivered(&ended, 1);
    let retries: Vec<_> = ended.lines.iter().filter(|line| line.contains("WARNING")).collect();
    let retry = |attempt, received| {
        format!(
            "WARNING  action: connect | result: in_progress | client_id: 1 | attempt: {attempt} | error: {address}: the answer ended after {received} of 24 bytes"
        )
    };
    assert_eq!(untimed(retries[0]), retry(2, 0));
    assert_eq!(untimed(retries[1]), retry(3, 5));
    assert_eq!(retries.len(), 2);
}

// The network.

#[test]
fn lost_connection_requests_are_a_failure_in_time() {
    let (listener, address) = listen();
    drop_packets(&listener);
    let ended = start(&address, "1", &[("CLI_SERVER_TIMEOUT", "1s")]).wait();
    assert_eq!(
        why(&ended),
        format!("given up after 1s: {address}: no answer to the connection request")
    );
}

/// Both servers say nothing, but the host of one still answers the kernel's probes.
#[test]
fn a_cut_network_is_noticed_and_a_slow_answer_waited_for() {
    let (slow_listener, slow_address) = listen();
    let slow = start(&slow_address, "1", &[]);
    let (mut slow_stream, slow_message) = accept(&slow_listener);

    let (listener, address) = listen();
    let cut = start(&address, "1", &[]);
    let (stream, _) = accept(&listener);
    drop_packets(&stream);
    let line = cut.wait_for("attempt: 2");
    assert_eq!(field(&line, "error"), format!("{address}: {}", os_error(libc::ETIMEDOUT)));
    let (mut stream, message) = accept(&listener);
    stream.write_all(&message).unwrap();
    assert_delivered(&cut.wait(), 1);

    slow_stream.write_all(&slow_message).unwrap();
    let ended = slow.wait();
    assert_delivered(&ended, 1);
    assert_eq!(ended.count("WARNING"), 0, "{ended:#?}");
}
