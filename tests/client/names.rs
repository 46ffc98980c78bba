//! The real client among names that do not resolve, and at an address where nobody else is: in
//! namespaces of its own, with an /etc and a network that a test makes.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{mem, ptr, thread};

use crate::support::client::{HOUR, accept, assert_delivered, assert_ends, client, listen, why};
use crate::support::program::{CLIENT, Program, before_exec, command};
use crate::support::server::{Reserved, Server};
use crate::support::{check, directory, until};

/// `command`, to run in a namespace of its own of this `kind` (namespaces(7)), which `prepare` makes
/// ready for it. A namespace for users comes with it, so that nobody has to be root.
fn isolate(
    mut command: Command,
    kind: i32,
    prepare: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) -> Command {
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
struct Etc {
    directory: PathBuf,
    namespaces: i32,
    prepare: fn() -> io::Result<()>,
}

impl Etc {
    /// Names are looked up in `hosts`, and nowhere else. None where a client cannot have it.
    fn new(test: &str, hosts: &str) -> Option<Self> {
        let etc =
            Self { directory: directory(test), namespaces: libc::CLONE_NEWNS, prepare: || Ok(()) };
        etc.set_source("files");
        fs::write(etc.directory.join("host.conf"), "multi on\n").unwrap();
        etc.set_hosts(hosts);
        etc.checked()
    }

    /// Names are asked of a resolver that takes the questions and never answers.
    fn silent(test: &str) -> Option<Self> {
        let namespaces = libc::CLONE_NEWNS | libc::CLONE_NEWNET;
        let etc = Self { directory: directory(test), namespaces, prepare: bind_resolver };
        etc.set_source("dns");
        fs::write(etc.directory.join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
        etc.checked()
    }

    fn checked(self) -> Option<Self> {
        can_start(self.isolated(command(CLIENT, &[]))).then_some(self)
    }

    fn isolated(&self, command: Command) -> Command {
        let directory = CString::new(self.directory.as_os_str().as_bytes()).unwrap();
        let prepare = self.prepare;
        isolate(command, self.namespaces, move || {
            let (source, target, none) = (directory.as_ptr(), c"/etc".as_ptr(), ptr::null());
            // SAFETY: two live C strings, and null for what a bind mount has no use for.
            check(unsafe { libc::mount(source, target, none, libc::MS_BIND, none.cast()) })?;
            prepare()
        })
    }

    fn start(&self, address: &str, amount: &str, environment: &[(&str, &str)]) -> Program {
        Program::spawn(&mut self.isolated(client(address, amount, environment)))
    }

    /// Where names are looked up: nsswitch.conf(5). The C library sees the change.
    fn set_source(&self, source: &str) {
        fs::write(self.directory.join("nsswitch.conf"), format!("hosts: {source}\n")).unwrap();
    }

    fn set_hosts(&self, hosts: &str) {
        fs::write(self.directory.join("hosts"), hosts).unwrap();
    }
}

/// Nobody reads what comes to this socket. The program inherits it: it has to stay open.
fn bind_resolver() -> io::Result<()> {
    start_loopback()?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53))?.into_raw_fd();
    // SAFETY: takes no pointers.
    check(unsafe { libc::fcntl(socket, libc::F_SETFD, 0) })?;
    Ok(())
}

/// Waits until `client` has sent a question to that socket.
fn wait_for_question(client: &Program) {
    until("a question to the resolver", || {
        let sockets = fs::read_to_string(format!("/proc/{}/net/udp", client.pid())).unwrap();
        let mut rows = sockets.lines().filter(|row| row.contains(" 0100007F:0035 00000000:0000 "));
        // The queues of the socket, as in proc_net_tcp of the kernel's documentation.
        rows.any(|row| !row.contains(" 00000000:00000000 "))
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

#[test]
fn a_name_that_does_not_resolve_is_a_failure_in_time() {
    let Some(etc) = Etc::new("unknown", "") else { return };
    let limit = [("CLI_SERVER_TIMEOUT", "1s")];
    // Characters that would forge a field.
    let client = etc.start("a|b\\:1", "1", &limit);
    assert_eq!(
        why(&client.wait()),
        "given up after 1s: a\\x7cb\\\\: failed to lookup address information: Name or service not known"
    );
}

#[test]
fn a_name_that_resolves_later_is_waited_for() {
    let server = Server::start(&[]);
    let Some(etc) = Etc::new("later", "") else { return };
    let address = format!("server:{}", server.address.port());
    let client = etc.start(&address, "2", &[]);
    client.wait_for("attempt: 3");
    etc.set_hosts("127.0.0.1 server\n");
    assert_delivered(&client.wait(), 2);
}

#[test]
fn a_name_is_looked_up_for_each_connection() {
    let (first, address) = listen();
    let port = address.rsplit_once(':').unwrap().1;
    let second = TcpListener::bind(format!("127.0.0.2:{port}")).unwrap();
    let Some(etc) = Etc::new("moves", "127.0.0.1 server\n") else { return };
    let client = etc.start(&format!("server:{port}"), "2", &[]);
    let (mut stream, message) = accept(&first);
    etc.set_hosts("127.0.0.2 server\n");
    stream.write_all(&message).unwrap();
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
    let (silent, address) = listen();
    let port = address.rsplit_once(':').unwrap().1;
    let Some(etc) = Etc::new("took_the_time", "127.0.0.1 server\n127.0.0.2 server\n") else {
        return;
    };
    let limit = [("CLI_SERVER_TIMEOUT", "1s")];
    let client = etc.start(&format!("server:{port}"), "1", &limit);
    assert_eq!(
        why(&client.wait()),
        format!("given up after 1s: {address}: 0 of 24 bytes of the echo received")
    );
    drop(silent);
}

#[test]
fn a_resolver_that_never_answers_is_a_failure_in_time() {
    let Some(etc) = Etc::silent("never") else { return };
    let limit = [("CLI_SERVER_TIMEOUT", "1s")];
    let client = etc.start("server:1", "1", &limit);
    assert_eq!(why(&client.wait()), "given up after 1s: server: no answer from the resolver");
}

/// The error of an earlier attempt says more than that the last one had no time for its look-up.
#[test]
fn a_slow_resolver_hides_no_other_error() {
    let Some(etc) = Etc::silent("slow_resolver") else { return };
    etc.set_hosts("127.0.0.1 server\n");
    etc.set_source("files");
    let port = Reserved::new();
    let limit = [("CLI_SERVER_TIMEOUT", "1s")];
    let client = etc.start(&format!("server:{}", port.port()), "1", &limit);
    client.wait_for("attempt: 2");
    etc.set_source("dns");
    let error = format!("{}: Connection refused (os error 111)", port.address());
    assert_eq!(why(&client.wait()), format!("given up after 1s: {error}"));
}

#[test]
fn ends_while_it_resolves() {
    let Some(etc) = Etc::silent("ends_while_it_resolves") else { return };
    assert_ends(&["resolver", "eventfd"], || {
        let client = etc.start("server:1", "1", &[HOUR]);
        wait_for_question(&client);
        (client, ())
    });
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
    // The others are other ways to write the first.
    for address in ["127.0.0.1:40000", "0.0.0.0:40000", "[::ffff:0.0.0.0]:40000"] {
        let limit = [("CLI_SERVER_TIMEOUT", "100ms")];
        let ended = Program::spawn(&mut isolated(client(address, "1", &limit))).wait();
        let reason = format!("given up after 100ms: {address}: ");
        assert!(why(&ended).starts_with(&reason), "{ended:#?}");
    }
}
