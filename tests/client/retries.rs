//! The real client when its server or the network fails.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::support::client::{SECOND, UNREACHABLE, accept, assert_delivered, listen, start, why};
use crate::support::server::Reserved;
use crate::support::sockets::{drop_packets, reset};
use crate::support::{field, os_error, untimed};

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
fn a_broken_connection_is_tried_again() {
    let (listener, address) = listen();
    let client = start(&address, "1", &[]);
    let (mut stream, message) = accept(&listener);
    stream.write_all(&message[..5]).unwrap();
    drop(stream);
    let line = client.wait_for("attempt: 2");
    assert_eq!(field(&line, "error"), format!("{address}: the answer ended after 5 of 24 bytes"));

    let (stream, _) = accept(&listener);
    reset(stream);
    let line = client.wait_for("attempt: 3");
    assert_eq!(field(&line, "error"), format!("{address}: {}", os_error(libc::ECONNRESET)));

    let (mut stream, message) = accept(&listener);
    stream.write_all(&message).unwrap();
    assert_delivered(&client.wait(), 1);
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

#[test]
fn no_echo_is_a_failure_in_time() {
    let port = Reserved::new();
    let (lost_listener, lost) = listen();
    drop_packets(&lost_listener);
    let (_silent_listener, silent) = listen();
    for (address, error) in [
        (port.address(), "Connection refused (os error 111)"),
        (UNREACHABLE.to_owned(), &os_error(libc::ENETUNREACH)),
        (lost, "no answer to the connection request"),
        (silent, "0 of 24 bytes of the echo received"),
    ] {
        let is_in_time = |_| {
            let begin = Instant::now();
            let ended = start(&address, "1", &[SECOND]).wait();
            let took = begin.elapsed();
            assert_eq!(why(&ended), format!("given up after 1s: {address}: {error}"));
            assert!(ended.count("attempt: ") < 10, "the pauses double: {ended:#?}");
            assert!(took >= Duration::from_secs(1), "{took:?}");
            took < Duration::from_millis(1500)
        };
        // A busy machine adds to the time, but not each time.
        assert!((0..10).any(is_in_time));
    }
}

#[test]
fn another_answer_is_a_failure() {
    let (listener, address) = listen();
    let client = start(&address, "5", &[]);
    let (mut stream, _) = accept(&listener);
    stream.write_all(b"[CLIENT 1] Message | \xff\n").unwrap();
    assert_eq!(
        why(&client.wait()),
        format!("{address}: the answer differs from the message, from here on: \\x7c \\xff\\n")
    );
}
