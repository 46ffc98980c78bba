//! README's table of log lines is all of them, and what the programs write is in it.
//!
//! Every line that a test of this project reads from a program is held against the table, when the program has
//! ended: `support::Program::wait`. The runs here are at DEBUG, which shows the most lines.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::support::client::{accept, listen, start};
use crate::support::directory;
use crate::support::log_lines::{Row, parse, table};
use crate::support::program::{CLIENT, Ended, Program, SERVER, command};
use crate::support::server::{Reserved, Server};
use crate::support::sockets::{half_close, read_to_end, reset};

const DEBUG: (&str, &str) = ("LOGGING_LEVEL", "DEBUG");
const CLIENT_DEBUG: (&str, &str) = ("CLI_LOG_LEVEL", "DEBUG");

/// Action and result of each line, once.
fn kinds(ended: &Ended) -> BTreeSet<(&str, &str)> {
    let lines = ended.lines.iter().map(|line| parse(line).unwrap());
    lines.map(|line| (line.action, line.result)).collect()
}

/// The text of a program's own sources.
fn source(program: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(root.join("src").join(program)).unwrap();
    let files =
        files.map(|entry| entry.unwrap().path()).chain([root.join(format!("{program}.rs"))]);
    files.map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// Both directions, by the text of the format strings: the rarest line is a row, and each row is a line.
#[test]
fn the_table_has_every_line_of_the_sources() {
    let table = table(include_str!("../../README.md"));
    for program in ["server", "client"] {
        let source = source(program);
        let mut rows: Vec<_> = table.iter().filter(|row| row.programs.contains(&program)).collect();
        for row in &rows {
            let same = rows
                .iter()
                .filter(|other| (row.action, row.result) == (other.action, other.result));
            assert_eq!(same.count(), 1, "{program}: one action and result, one row: {row:?}");
        }
        let mut seen = Vec::new();
        for line in source.split("\"action: ").skip(1) {
            let line = line.split('"').next().unwrap();
            let mut parts = line.split(" | ").map(|part| part.trim_start_matches("result: "));
            let (action, result) = (parts.next().unwrap(), parts.next().unwrap());
            let fields: Vec<_> = parts.map(|part| part.split(':').next().unwrap()).collect();
            // The name of what is closed is filled in at run time: `close_{resource}`.
            let is_action = |row: &Row| match action.split_once('{') {
                Some((known, _)) => row.action.starts_with(known),
                None => row.action == action,
            };
            let before = seen.len();
            let is_line =
                |row: &&&Row| is_action(row) && row.result == result && row.fields == fields;
            seen.extend(rows.iter().filter(is_line).map(|row| (row.action, row.result)));
            assert!(seen.len() > before, "{program}: no row for {line:?}");
        }
        rows.retain(|row| !seen.contains(&(row.action, row.result)));
        assert!(rows.is_empty(), "{program}: rows of no line: {rows:?}");
    }
}

#[test]
fn both_readmes_have_the_same_table() {
    let english = table(include_str!("../../README.md"));
    assert_eq!(english, table(include_str!("../../README.es.md")));
    assert!(english.len() > 15);
}

/// Nothing goes wrong, so nothing fails; and `config` is one line, whatever else the file holds.
#[test]
fn an_ordinary_run() {
    let directory = directory("log-lines");
    let (ini, yaml) = (directory.join("config.ini"), directory.join("config.yaml"));
    fs::write(&ini, "[DEFAULT]\nSERVER_IP = server\nSERVER_PORT = 0\nSERVER_LISTEN_BACKLOG = 5\n")
        .unwrap();
    fs::write(&yaml, "batch:\n  maxAmount: 3\nloop:\n  amount: 3\n  period: 1ms\n").unwrap();
    let server = Server::from(Program::spawn(
        command(SERVER, &[("SERVER_BIND", "127.0.0.1"), DEBUG]).arg("--config").arg(&ini),
    ));
    let address = format!("localhost:{}", server.address.port());
    let variables = [("CLI_ID", "1"), ("CLI_SERVER_ADDRESS", &address), CLIENT_DEBUG];
    let client = Program::spawn(command(CLIENT, &variables).arg("--config").arg(&yaml)).wait();
    let (server, _) = server.program.stop();
    for ended in [&client, &server] {
        assert!(ended.status.success(), "{ended:#?}");
        assert_eq!(ended.count("action: config | "), 1, "{ended:#?}");
        assert_eq!(ended.count("result: fail"), 0, "{ended:#?}");
    }
    assert_eq!(
        client.count("DEBUG    action: ignore_key | result: success | key: batch.maxamount"),
        1
    );
    assert_eq!(server.count("DEBUG    action: ignore_key | result: success | key: server_ip"), 1);
    let success = |action| (action, "success");
    let expected =
        ["config", "ignore_key", "close_resolver", "close_connection", "receive_message"];
    let expected = expected.into_iter().chain(["loop_finished", "close_eventfd"]).map(success);
    assert_eq!(kinds(&client), expected.collect());
    let expected = ["config", "ignore_key", "accept_connections", "receive_message"].into_iter();
    let expected =
        expected.chain(["close_connection", "close_listener", "close_epoll", "close_eventfd"]);
    let expected = expected.chain(["shutdown"]).map(success);
    let in_progress = ["accept_connections", "shutdown"].map(|action| (action, "in_progress"));
    assert_eq!(kinds(&server), expected.chain(in_progress).collect());
}

/// A peer for each way to fail, and a shutdown with connections in every state.
#[test]
fn a_server_with_bad_peers() {
    let server = Server::start(&[DEBUG, ("SERVER_MESSAGE_LIMIT", "100")]);
    drop(server.connect());
    reset(server.connect());
    let mut long = server.connect();
    long.write_all(&[b'x'; 101]).unwrap();
    half_close(&long);
    read_to_end(&mut long);
    drop(long);
    server.program.wait_for_count("receive_message | result: fail", 3);
    server.program.wait_for_count("DEBUG    action: close_connection", 3);
    let (silent, mut half) = (server.connect(), server.connect());
    half.write_all(b"half").unwrap();
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{ended:#?}");
    assert_eq!(ended.count("INFO     action: close_connection"), 2, "{ended:#?}");
    drop((silent, half));

    let server = Server::start(&[DEBUG, ("SERVER_TIMEOUT", "100ms")]);
    let _late = server.connect();
    server.program.wait_for("receive_message | result: fail | ip: 127.0.0.1 | error: timed out");
    assert!(server.program.stop().0.status.success());
}

#[test]
fn a_client_that_tries_again_and_gives_up() {
    let refusing = Reserved::new();
    let ended =
        start(&refusing.address(), "1", &[CLIENT_DEBUG, ("CLI_SERVER_TIMEOUT", "1s")]).wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    let kinds = kinds(&ended);
    for kind in [("connect", "in_progress"), ("receive_message", "fail")] {
        assert!(kinds.contains(&kind), "{ended:#?}");
    }
}

#[test]
fn a_client_that_gets_another_answer() {
    let (listener, address) = listen();
    let client = start(&address, "1", &[CLIENT_DEBUG]);
    let (mut stream, _) = accept(&listener);
    stream.write_all(b"another\n").unwrap();
    let ended = client.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    assert!(kinds(&ended).contains(&("receive_message", "fail")));
}

#[test]
fn a_client_that_is_stopped() {
    let (listener, address) = listen();
    let client = start(&address, "1", &[CLIENT_DEBUG]);
    let _unanswered = accept(&listener);
    let (ended, _) = client.stop();
    assert!(ended.status.success(), "{ended:#?}");
    let kinds = kinds(&ended);
    for kind in
        [("shutdown", "in_progress"), ("close_connection", "success"), ("shutdown", "success")]
    {
        assert!(kinds.contains(&kind), "{ended:#?}");
    }
}
