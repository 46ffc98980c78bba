//! The real client, ended by SIGTERM wherever it is.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::support::client::{
    DELIVERED, HOUR, UNREACHABLE, accept, assert_ends, client, listen, start,
};
use crate::support::proc::{handles, is_asked_for};
use crate::support::program::Program;
use crate::support::server::Server;
use crate::support::sockets::{drop_packets, make_fifo};
use crate::support::{directory, until};

/// The settings are a FIFO: the program waits at its open until the test opens it too.
#[test]
fn handlers_go_in_before_anything_else() {
    let settings = directory("client-handlers").join("config.yaml");
    make_fifo(&settings);
    let mut writer = File::options();
    writer.write(true).custom_flags(libc::O_NONBLOCK);
    assert_ends(&["eventfd"], || {
        let mut command = client(UNREACHABLE, "1", &[HOUR]);
        let client = Program::spawn(command.arg("--config").arg(&settings));
        until("a handler", || handles(client.pid(), libc::SIGTERM));
        // Open it only when somebody reads it, because a test that blocks has no deadline.
        until("an open of the settings", || writer.open(&settings).is_ok());
        (client, ())
    });
}

#[test]
fn ends_while_it_connects() {
    assert_ends(&["connection", "eventfd"], || {
        let (listener, address) = listen();
        drop_packets(&listener);
        let client = start(&address, "1", &[HOUR]);
        let port = listener.local_addr().unwrap().port();
        until("a connection request", || is_asked_for(port));
        (client, listener)
    });
}

#[test]
fn ends_while_it_waits_for_an_echo() {
    assert_ends(&["connection", "eventfd"], || {
        let (listener, address) = listen();
        let client = start(&address, "1", &[HOUR]);
        (client, accept(&listener))
    });
}

#[test]
fn ends_between_two_attempts() {
    // Fails at once, so that the time is spent between the attempts.
    assert_ends(&["eventfd"], || {
        let client = start(UNREACHABLE, "1", &[HOUR]);
        client.wait_for("attempt: 6");
        (client, ())
    });
}

/// After its last message too.
#[test]
fn ends_while_it_sleeps() {
    let server = Server::start(&[]);
    assert_ends(&["eventfd"], || {
        let client = start(&server.address.to_string(), "1", &[("CLI_LOOP_PERIOD", "1h")]);
        client.wait_for(DELIVERED);
        (client, ())
    });
}

/// The watchdog ends what a full pipe holds up.
#[test]
fn a_stdout_that_nobody_reads_holds_it_up_for_two_seconds() {
    let (_reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[b'x'; 4096]).is_ok() {}
    writer.set_nonblocking(false).unwrap();
    let mut command = client(UNREACHABLE, "1", &[HOUR]);
    let program = Program::spawn(command.stdout(OwnedFd::from(writer)));
    until("a handler", || handles(program.pid(), libc::SIGTERM));
    let (ended, took) = program.stop();
    assert_eq!(ended.status.code(), Some(1));
    assert!(took >= Duration::from_secs(2), "{took:?}");
}
