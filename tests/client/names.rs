//! The real client among names that do not resolve, and at an address where nobody else is: in namespaces of its own
//! (namespaces(7)), with an /etc or a network that a test makes.
#![allow(unsafe_code)]

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{mem, ptr, thread};

use crate::support::client::{
    HOUR, SECOND, accept, assert_delivered, assert_ends, client, listen, why,
};
use crate::support::program::{CLIENT, Program, before_exec, command};
use crate::support::server::Reserved;
use crate::support::sockets::make_fifo;
use crate::support::{check, directory, until};

/// `command`, to run in a new namespace of this `kind`, which `prepare` makes ready for it. A user namespace comes with
/// it, so that nobody has to be root.
fn isolate(mut command: Command, kind: i32, prepare: fn() -> io::Result<()>) -> Command {
    before_exec(&mut command, move || {
        // SAFETY: takes no pointers.
        check(unsafe { libc::unshare(libc::CLONE_NEWUSER | kind) })?;
        prepare()
    });
    command
}

/// Whether a client can be isolated like this one. Says so where it cannot, on the real stderr: what
/// eprintln prints, the harness keeps to itself when a test passes.
fn can_start(mut isolated: Command) -> bool {
    let Err(error) = isolated.arg("--version").stdout(Stdio::null()).status() else { return true };
    let test = thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(io::stderr(), "NOT TESTED: {test}: no namespaces here: {error}");
    false
}

/// A directory that a client takes for /etc.
struct Etc(PathBuf);

impl Etc {
    /// Names are looked up in `hosts`, and nowhere else. None where a client cannot have it.
    fn new(test: &str, hosts: &str) -> Option<Self> {
        let etc = Self(directory(test));
        fs::write(etc.0.join("nsswitch.conf"), "hosts: files\n").unwrap();
        fs::write(etc.0.join("host.conf"), "multi on\n").unwrap();
        etc.set_hosts(hosts);
        can_start(etc.isolated(command(CLIENT, &[]))).then_some(etc)
    }

    fn isolated(&self, mut command: Command) -> Command {
        command.current_dir(&self.0);
        isolate(command, libc::CLONE_NEWNS, mount_on_etc)
    }

    fn start(&self, address: &str, amount: &str, environment: &[(&str, &str)]) -> Program {
        Program::spawn(&mut self.isolated(client(address, amount, environment)))
    }

    fn set_hosts(&self, hosts: &str) {
        fs::write(self.0.join("hosts"), hosts).unwrap();
    }

    /// From now on a look-up never ends: it waits for somebody who writes to a FIFO.
    fn set_silent(&self) {
        let fifo = self.0.join("fifo");
        make_fifo(&fifo);
        fs::rename(fifo, self.0.join("hosts")).unwrap();
    }
}

/// Mounts the current directory on /etc.
fn mount_on_etc() -> io::Result<()> {
    let (source, target, none) = (c".".as_ptr(), c"/etc".as_ptr(), ptr::null());
    // SAFETY: two live C strings, and null for what a bind mount has no use for.
    check(unsafe { libc::mount(source, target, none, libc::MS_BIND, none.cast()) })?;
    Ok(())
}

#[test]
fn a_name_that_does_not_resolve_is_a_failure_in_time() {
    let Some(etc) = Etc::new("unknown", "") else { return };
    // Characters that would forge a field.
    let client = etc.start("a|b\\:1", "1", &[SECOND]);
    assert_eq!(
        why(&client.wait()),
        "given up after 1s: a\\x7cb\\\\: failed to lookup address information: Name or service not known"
    );
}

#[test]
fn a_name_is_looked_up_for_each_connection() {
    let (first, address) = listen();
    let port = address.rsplit_once(':').unwrap().1;
    let second = TcpListener::bind(format!("127.0.0.2:{port}")).unwrap();
    let Some(etc) = Etc::new("moves", "127.0.0.1 server\n") else { return };
    let client = etc.start(&format!("server:{port}"), "2", &[]);
    let (mut stream, message) = accept(&first);
    etc.set_hosts("");
    stream.write_all(&message).unwrap();
    client.wait_for("attempt: 3");
    etc.set_hosts("127.0.0.2 server\n");
    let (mut stream, message) = accept(&second);
    stream.write_all(&message).unwrap();
    assert_delivered(&client.wait(), 2);
}

#[test]
fn every_address_of_a_name_is_tried() {
    for ip in ["127.0.0.1", "127.0.0.2"] {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let Some(etc) = Etc::new("addresses", "127.0.0.1 server\n127.0.0.2 server\n") else {
            return;
        };
        let client = etc.start(&format!("server:{port}"), "1", &[]);
        let (mut stream, message) = accept(&listener);
        stream.write_all(&message).unwrap();
        let ended = client.wait();
        assert_delivered(&ended, 1);
        assert_eq!(ended.count("WARNING"), 0, "{ended:#?}");
    }
}

#[test]
fn the_address_that_took_the_time_is_named() {
    let (_silent, address) = listen();
    let port = address.rsplit_once(':').unwrap().1;
    let Some(etc) = Etc::new("took_the_time", "127.0.0.1 server\n127.0.0.2 server\n") else {
        return;
    };
    let client = etc.start(&format!("server:{port}"), "1", &[SECOND]);
    let error = "0 of 24 bytes of the echo received";
    assert_eq!(why(&client.wait()), format!("given up after 1s: {address}: {error}"));
}

#[test]
fn a_resolver_that_never_answers_is_a_failure_in_time() {
    let Some(etc) = Etc::new("never", "") else { return };
    etc.set_silent();
    let client = etc.start("server:1", "1", &[SECOND]);
    assert_eq!(why(&client.wait()), "given up after 1s: server: no answer from the resolver");
}

/// The error of an earlier attempt says more than that the last one had no time for its look-up.
#[test]
fn a_slow_resolver_hides_no_other_error() {
    let Some(etc) = Etc::new("slow_resolver", "127.0.0.1 server\n") else { return };
    let port = Reserved::new();
    let client = etc.start(&format!("server:{}", port.port()), "1", &[SECOND]);
    client.wait_for("attempt: 2");
    etc.set_silent();
    let error = format!("{}: Connection refused (os error 111)", port.address());
    assert_eq!(why(&client.wait()), format!("given up after 1s: {error}"));
}

#[test]
fn ends_while_it_resolves() {
    let Some(etc) = Etc::new("ends_while_it_resolves", "") else { return };
    etc.set_silent();
    assert_ends(&["resolver", "eventfd"], || {
        let client = etc.start("server:1", "1", &[HOUR]);
        let threads = format!("/proc/{}/task", client.pid());
        until("the thread of a look-up", || fs::read_dir(&threads).unwrap().count() == 2);
        (client, ())
    });
}

/// The loopback interface of a new namespace is down at first (netdevice(7)).
fn start_loopback() -> io::Result<()> {
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // The C libraries do not agree on the type of a request.
    let set_flags = libc::SIOCSIFFLAGS as libc::Ioctl;
    // SAFETY: the pointer is to a live ifreq, which this request reads.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), set_flags, &raw const request) })?;
    Ok(())
}

/// Between a kill and the next start, a client can be given a port for its own end that is also its
/// server's: TCP then connects it to itself (RFC 9293, section 3.5), and it hears what it says.
#[test]
fn a_connection_to_itself_is_no_server() {
    let one_port = || {
        start_loopback()?;
        fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000")
    };
    let isolated = |command| isolate(command, libc::CLONE_NEWNET, one_port);
    if !can_start(isolated(command(CLIENT, &[]))) {
        return;
    }
    // The second is another way to write the first.
    for address in ["127.0.0.1:40000", "0.0.0.0:40000"] {
        let ended = Program::spawn(&mut isolated(client(address, "1", &[SECOND]))).wait();
        let reason = format!("given up after 1s: {address}: ");
        assert!(why(&ended).starts_with(&reason), "{ended:#?}");
    }
}
