//! The real client and the real server, when nothing goes wrong.

#[path = "support/client.rs"]
mod client;
mod support;

use std::time::{Duration, Instant};

use client::{accept, listen, start};
use support::{CLIENT, Program, Server, command, untimed};

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

/// The pauses before the sixth and the seventh attempt are of 0.8 s at the least.
#[test]
fn its_lines_are_written_before_it_waits() {
    let (listener, address) = listen();
    let client = start(&address, "1", &[("CLI_LOG_LEVEL", "DEBUG")]);
    let mut late = Vec::new();
    for attempt in 1..=7 {
        drop(accept(&listener));
        let start = Instant::now();
        client.wait_for_count("action: close_connection | result: success", attempt);
        late.push(start.elapsed());
    }
    assert!(late[5..].iter().min().unwrap() < &Duration::from_millis(500), "{late:?}");
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
