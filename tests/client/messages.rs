//! The real client and the real server, when nothing goes wrong.

use std::io::Write;

use crate::support::client::{HOUR, accept, assert_delivered, listen, start};
use crate::support::program::{CLIENT, Program, command};
use crate::support::server::Server;
use crate::support::sockets::read_to_end;
use crate::support::untimed;

#[test]
fn completes_its_loop_as_the_original_does() {
    let server = Server::start(&[]);
    let address = server.address.to_string();
    let ended = start(&address, "3", &[("CLI_ID", "ñ7")]).wait();
    assert!(ended.status.success(), "{ended:?}");
    let lines: Vec<_> = ended.lines.iter().map(|line| untimed(line)).collect();
    assert_eq!(
        lines,
        [
            &format!(
                "INFO     action: config | result: success | client_id: ñ7 | server_address: {address} | loop_amount: 3 | loop_period: 1ms | log_level: INFO"
            ),
            "INFO     action: receive_message | result: success | client_id: ñ7 | msg: [CLIENT ñ7] Message N°1",
            "INFO     action: receive_message | result: success | client_id: ñ7 | msg: [CLIENT ñ7] Message N°2",
            "INFO     action: receive_message | result: success | client_id: ñ7 | msg: [CLIENT ñ7] Message N°3",
            "INFO     action: loop_finished | result: success | client_id: ñ7",
        ]
    );
}

#[test]
fn connects_to_a_name_and_to_ipv6() {
    let server = Server::start(&[("SERVER_BIND", "::")]);
    for host in ["localhost", "[::1]"] {
        assert_delivered(&start(&format!("{host}:{}", server.address.port()), "2", &[]).wait(), 2);
    }
}

/// It waits for an hour, once for an echo and once between two messages. Then the connection is closed.
#[test]
fn its_lines_are_written_before_it_waits() {
    let (listener, address) = listen();
    let hour = [("CLI_LOG_LEVEL", "DEBUG"), HOUR, ("CLI_LOOP_PERIOD", "1h")];
    let client = start(&address, "2", &hour);
    drop(accept(&listener));
    let (mut stream, message) = accept(&listener);
    client.wait_for("action: close_connection | result: success");
    client.wait_for("action: connect | result: in_progress | client_id: 1 | attempt: 2");
    stream.write_all(&message).unwrap();
    client.wait_for("action: receive_message | result: success");
    assert_eq!(read_to_end(&mut stream), b"");
}

#[test]
fn help_version_and_bad_usage() {
    let run = |argument| Program::spawn(command(CLIENT, &[]).arg(argument)).wait();
    assert_eq!(run("--help").lines[0], "usage: client [--config PATH | --help | --version]");
    assert_eq!(run("--version").lines, ["client 0.1.0"]);
    let ended = run("--verbose");
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(ended.stderr, "\"--verbose\": unknown argument, see --help\n");
}
