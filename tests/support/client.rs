//! The client as a test drives it, and the check of its shutdown.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::program::{CLIENT, Ended, Program, command};
use super::{DEADLINE, field, until, untimed};

pub const SECOND: (&str, &str) = ("CLI_SERVER_TIMEOUT", "1s");
pub const HOUR: (&str, &str) = ("CLI_SERVER_TIMEOUT", "1h");
/// TCP has no broadcast, so the kernel itself refuses this address.
pub const UNREACHABLE: &str = "255.255.255.255:1";
pub const DELIVERED: &str = "receive_message | result: success";

/// A client that sends `amount` messages to `address`, with `environment` on top of the required settings.
pub fn client(address: &str, amount: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = command(CLIENT, &[("CLI_ID", "1"), ("CLI_LOOP_PERIOD", "1ms")]);
    command.env("CLI_SERVER_ADDRESS", address).env("CLI_LOOP_AMOUNT", amount);
    command.env("CLI_LOG_LEVEL", "INFO").envs(environment.iter().copied());
    command
}

pub fn start(address: &str, amount: &str, environment: &[(&str, &str)]) -> Program {
    Program::spawn(&mut client(address, amount, environment))
}

pub fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// A connection of the client, with its message.
pub fn accept(listener: &TcpListener) -> (TcpStream, Vec<u8>) {
    listener.set_nonblocking(true).unwrap();
    let mut stream = None;
    until("a connection", || {
        stream = listener.accept().ok();
        stream.is_some()
    });
    let (stream, _) = stream.unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut message = Vec::new();
    BufReader::new(&stream).read_until(b'\n', &mut message).unwrap();
    (stream, message)
}

/// The text after `error: ` in the line that ends a failed client.
pub fn why(ended: &Ended) -> &str {
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    assert_eq!(ended.count(DELIVERED), 0, "{ended:#?}");
    let prefix = "ERROR    action: receive_message | result: fail | client_id: 1 | error: ";
    let line = ended.lines.last().unwrap();
    untimed(line).strip_prefix(prefix).unwrap_or_else(|| panic!("{ended:#?}"))
}

pub fn assert_delivered(ended: &Ended, amount: usize) {
    assert!(ended.status.success(), "{ended:#?}");
    let lines = ended.lines.iter().filter(|line| line.contains(DELIVERED));
    let messages: Vec<_> = lines.map(|line| field(line, "msg").to_owned()).collect();
    let expected: Vec<_> = (1..=amount).map(|k| format!("[CLIENT 1] Message N°{k}")).collect();
    assert_eq!(messages, expected);
    assert_eq!(ended.count("loop_finished | result: success"), 1);
}

/// Stops a client at the point to which `begin` brings it. It must end gracefully and close each resource in this
/// order.
pub fn assert_ends<T>(closings: &[&str], begin: impl Fn() -> (Program, T)) {
    let mut expected =
        vec!["INFO     action: shutdown | result: in_progress | signal: SIGTERM".to_owned()];
    expected.extend(closings.iter().map(|resource| {
        format!("INFO     action: close_{resource} | result: success | client_id: 1")
    }));
    expected.push("INFO     action: shutdown | result: success".to_owned());
    let is_in_time = |_| {
        let (client, _peer) = begin();
        let (ended, took) = client.stop();
        assert!(ended.status.success(), "{ended:#?}");
        let lines = ended.lines.iter().map(|line| untimed(line));
        let end: Vec<_> = lines.skip_while(|line| !line.contains("action: shutdown")).collect();
        assert_eq!(end, expected);
        took < Duration::from_millis(500)
    };
    // A busy machine adds to the time, but not each time.
    assert!((0..10).any(is_in_time), "not within 500 ms");
}
