//! The real client against servers that a test plays.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use support::{CLIENT, DEADLINE, Program, Server, command, untimed};

/// A client that sends `amount` messages to `address`.
fn start(address: &str, amount: &str, environment: &[(&str, &str)]) -> Program {
    let required = [
        ("CLI_ID", "1"),
        ("CLI_SERVER_ADDRESS", address),
        ("CLI_LOOP_AMOUNT", amount),
        ("CLI_LOOP_PERIOD", "1ms"),
        ("CLI_LOG_LEVEL", "INFO"),
    ];
    Program::start(CLIENT, &[&required, environment].concat())
}

/// A server that deals with one connection after the other by `answer`, which gets the message.
fn play<F>(connections: usize, mut answer: F) -> (String, JoinHandle<()>)
where
    F: FnMut(usize, &[u8], &mut TcpStream) + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        for number in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut message = Vec::new();
            BufReader::new(&stream).read_until(b'\n', &mut message).unwrap();
            answer(number, &message, &mut stream);
        }
    });
    (address, server)
}

#[test]
fn completes_its_loop_as_the_original_does() {
    let server = Server::start(&[]);
    let address = server.address.to_string();
    let ended = start(&address, "3", &[]).wait();
    assert!(ended.status.success(), "{ended:?}");
    let lines: Vec<_> = ended.lines.iter().map(|line| untimed(line)).collect();
    assert_eq!(
        lines,
        [
            &format!(
                "INFO     action: config | result: success | client_id: 1 | server_address: {address} | loop_amount: 3 | loop_period: 1ms | log_level: INFO"
            ),
            "INFO     action: receive_message | result: success | client_id: 1 | msg: [CLIENT 1] Message N°1",
            "INFO     action: receive_message | result: success | client_id: 1 | msg: [CLIENT 1] Message N°2",
            "INFO     action: receive_message | result: success | client_id: 1 | msg: [CLIENT 1] Message N°3",
            "INFO     action: loop_finished | result: success | client_id: 1",
        ]
    );
}

#[test]
fn resolves_a_name() {
    let server = Server::start(&[]);
    let ended = start(&format!("localhost:{}", server.address.port()), "2", &[]).wait();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.count("receive_message | result: success"), 2);
}

#[test]
fn an_empty_loop_finishes() {
    let ended = start("127.0.0.1:1", "0", &[]).wait();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.count("loop_finished | result: success"), 1);
}

#[test]
fn an_echo_in_pieces_is_whole() {
    let (address, server) = play(1, |_, message, stream| {
        stream.set_nodelay(true).unwrap();
        message.iter().for_each(|byte| stream.write_all(&[*byte]).unwrap());
    });
    assert!(start(&address, "1", &[]).wait().status.success());
    server.join().unwrap();
}

#[test]
fn another_answer_is_a_failure() {
    let answers: [(fn(&[u8]) -> Vec<u8>, &str); 4] = [
        (|_| b"[CLIENT 1] Message N\xc2\xb02\n".to_vec(), "2\\n"),
        (|message| [message, b"\n"].concat(), "\\n"),
        (|message| [b" ", message].concat(), " [CLIENT 1] Message N°1\\n"),
        (|_| b"a | b\xff".to_vec(), "a \\x7c b\\xff"),
    ];
    for (answer, difference) in answers {
        let (address, server) =
            play(1, move |_, message, stream| stream.write_all(&answer(message)).unwrap());
        let ended = start(&address, "5", &[]).wait();
        server.join().unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert_eq!(
            untimed(ended.lines.last().unwrap()),
            format!(
                "ERROR    action: receive_message | result: fail | client_id: 1 | error: {address}: the answer differs from the message, from here on: {difference}"
            )
        );
        assert_eq!(ended.count("result: success | client_id: 1 | msg"), 0);
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
    assert!(ended.status.success(), "{ended:?}");
    let retries: Vec<_> = ended.lines.iter().filter(|line| line.contains("WARNING")).collect();
    assert_eq!(
        untimed(retries[0]),
        format!(
            "WARNING  action: connect | result: in_progress | client_id: 1 | attempt: 2 | error: {address}: the answer ended after 0 of 24 bytes"
        )
    );
    assert_eq!(
        untimed(retries[1]),
        format!(
            "WARNING  action: connect | result: in_progress | client_id: 1 | attempt: 3 | error: {address}: the answer ended after 5 of 24 bytes"
        )
    );
    assert_eq!(retries.len(), 2);
}

#[test]
fn nobody_there_is_a_failure_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let begin = Instant::now();
    let ended = start(&address, "1", &[("CLI_SERVER_TIMEOUT", "400ms")]).wait();
    assert!(begin.elapsed() >= Duration::from_millis(400));
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.count("action: connect | result: in_progress") >= 2, "{ended:?}");
    assert_eq!(
        untimed(ended.lines.last().unwrap()),
        format!(
            "ERROR    action: receive_message | result: fail | client_id: 1 | error: given up after 400ms: {address}: Connection refused (os error 111)"
        )
    );
}

#[test]
fn a_silent_server_is_a_failure_in_time() {
    let (address, server) = play(1, |_, _, stream| {
        let _ = stream.read(&mut [0]);
    });
    let ended = start(&address, "1", &[("CLI_SERVER_TIMEOUT", "200ms")]).wait();
    server.join().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(
        untimed(ended.lines.last().unwrap()),
        format!(
            "ERROR    action: receive_message | result: fail | client_id: 1 | error: given up after 200ms: {address}: no echo"
        )
    );
}

/// The end of a client that is asked to while it waits.
fn assert_graceful_end(client: Program, closings: &[&str]) {
    let begin = Instant::now();
    client.terminate();
    let ended = client.wait();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(ended.status.success(), "{ended:?}");
    let lines: Vec<_> = ended.lines.iter().map(|line| untimed(line)).collect();
    let shutdown = lines.iter().position(|line| line.contains("action: shutdown")).unwrap();
    assert_eq!(
        lines[shutdown],
        "INFO     action: shutdown | result: in_progress | signal: SIGTERM"
    );
    let closed = &lines[shutdown + 1..lines.len() - 1];
    let expected: Vec<_> = closings
        .iter()
        .map(|resource| {
            format!("INFO     action: close_{resource} | result: success | client_id: 1")
        })
        .collect();
    assert_eq!(closed, expected);
    assert_eq!(lines.last(), Some(&"INFO     action: shutdown | result: success"));
}

#[test]
fn ends_while_it_sleeps() {
    let server = Server::start(&[]);
    let client = start(&server.address.to_string(), "2", &[("CLI_LOOP_PERIOD", "1h")]);
    client.wait_for("receive_message | result: success");
    assert_graceful_end(client, &["epoll", "eventfd"]);
}

#[test]
fn ends_while_it_waits_for_an_echo() {
    let (sender, received) = std::sync::mpsc::channel();
    let (address, server) = play(1, move |_, _, stream| {
        sender.send(()).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let client = start(&address, "1", &[]);
    received.recv_timeout(DEADLINE).unwrap();
    assert_graceful_end(client, &["connection", "epoll", "eventfd"]);
    server.join().unwrap();
}

#[test]
fn ends_between_two_attempts() {
    let client = start("127.0.0.1:1", "1", &[("CLI_SERVER_TIMEOUT", "1h")]);
    client.wait_for("attempt: 6");
    assert_graceful_end(client, &["epoll", "eventfd"]);
}

#[test]
fn help_version_and_bad_usage() {
    let run = |argument| Program::spawn(command(CLIENT, &[]).arg(argument)).wait();
    assert_eq!(run("--help").lines[0], "usage: client [--config PATH]");
    assert_eq!(run("--version").lines, ["client 0.1.0"]);
    let ended = run("--verbose");
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(ended.stderr, "\"--verbose\": unknown argument, see --help\n");
}
