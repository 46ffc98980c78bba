//! The real client, ended by SIGTERM wherever it is.

use std::io::Write;

use crate::support::client::{
    DELIVERED, HOUR, UNREACHABLE, accept, assert_ends, listen, start, wait_for_connecting,
};
use crate::support::server::Server;
use crate::support::sockets::drop_packets;

#[test]
fn ends_while_it_connects() {
    assert_ends(&["connection", "eventfd"], || {
        let (listener, address) = listen();
        drop_packets(&listener);
        let client = start(&address, "1", &[HOUR]);
        wait_for_connecting(&address);
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
fn ends_in_the_middle_of_an_echo() {
    assert_ends(&["connection", "eventfd"], || {
        let (listener, address) = listen();
        let client = start(&address, "1", &[HOUR]);
        let (mut stream, message) = accept(&listener);
        stream.write_all(&message[..5]).unwrap();
        (client, stream)
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

#[test]
fn ends_while_it_sleeps() {
    let server = Server::start(&[]);
    assert_ends(&["eventfd"], || {
        let client = start(&server.address.to_string(), "2", &[("CLI_LOOP_PERIOD", "1h")]);
        client.wait_for(DELIVERED);
        (client, ())
    });
}
