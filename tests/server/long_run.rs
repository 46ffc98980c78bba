//! The real server after many connections.

use std::process::Stdio;

use crate::support::load::Load;
use crate::support::proc::{descriptors, memory, sockets};
use crate::support::program::Program;
use crate::support::server::{Server, mute};
use crate::support::sockets::reset;
use crate::support::until;

/// LONG_RUN=200000 asks for more. A firewall that tracks connections remembers each for ten seconds,
/// and drops packets once it has too many to remember.
fn connections() -> usize {
    std::env::var("LONG_RUN").map_or(50_000, |count| count.parse().expect("a number"))
}

#[test]
fn a_long_run_leaves_nothing_behind() {
    let connections = connections();
    let mut command = Server::command(&[]);
    let server = mute(Program::spawn(command.stdout(Stdio::null())));
    let pid = server.program.pid();
    let idle = || {
        server.exchange(b"the last one\n");
        until("all closed", || sockets(pid) == 1);
        descriptors(pid).len()
    };
    let before = idle();
    // A reset after the end of the echo leaves the kernel nothing to keep: the table of connections in
    // TIME_WAIT is for the other tests too.
    let load = Load::start(server.address, 20, reset);
    load.wait_for(connections / 10);
    let resident = memory(pid, "VmRSS");
    load.wait_for(connections);
    let grown = memory(pid, "VmRSS").saturating_sub(resident);
    assert!(load.stop().iter().all(|sent| sent.is_answered()));
    assert!(grown < 256, "{grown} kB more after {connections} connections");
    assert_eq!(idle(), before, "descriptors");
    let (ended, _) = server.program.stop();
    assert!(ended.status.success(), "{ended:?}");
}
