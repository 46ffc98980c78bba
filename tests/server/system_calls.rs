//! What a connection may cost, in units that no busy machine can change: system calls, and bytes of
//! memory while it is silent. For microseconds there is `make bench`.
//!
//! System calls are counted by ptrace(2), as strace does it: no tool that a machine may lack, exact, and
//! the server can be stopped between two calls. So the same calls are made on every run: it finds
//! all connections and messages there when it goes on, and later all of them closed.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

use crate::support::proc::sockets;
use crate::support::program::before_exec;
use crate::support::server::Server;
use crate::support::{DEADLINE, directory, field, until};

/// Of a peer that closes at once: accept4, ioctl, recvfrom, sendto, shutdown, recvfrom, close. What a loop
/// iteration needs for all its connections together may be a quarter of a call for each. With debug
/// assertions std looks at each descriptor, by an fcntl, before it closes it.
const CALLS: f64 = if cfg!(debug_assertions) { 8.25 } else { 7.25 };
/// Of one that does so later, which epoll_ctl and another recvfrom are for.
const CALLS_IF_LATE: f64 = CALLS + 2.0;
/// A slot of the table, and its share of what the table and the allocator have in reserve.
const BYTES: u64 = 256;

#[test]
fn system_calls_of_a_connection() {
    const CONNECTIONS: usize = 512;
    let Some(server) = Traced::start() else {
        // Not eprintln!, which a test's success hides.
        let _ =
            writeln!(std::io::stderr(), "NOT TESTED: no ptrace(2) here: system calls a connection");
        return;
    };
    server.serve(10, false);
    for (late, limit) in [(false, CALLS), (true, CALLS_IF_LATE)] {
        let before = server.calls.load(SeqCst);
        server.serve(CONNECTIONS, late);
        let calls = (server.calls.load(SeqCst) - before) as f64 / CONNECTIONS as f64;
        eprintln!("{calls:.3} system calls a connection, at most {limit}");
        assert!(calls <= limit, "{calls:.3} system calls a connection, strace -c shows which");
    }
}

#[test]
fn memory_of_a_silent_connection() {
    const FEW: usize = 500;
    const MANY: usize = 2500;
    tp0::sys::limits::raise_descriptor_limit();
    let server = Server::start(&[("SERVER_WORKERS", "1")]);
    let mut silent = Vec::new();
    let mut hold = |count| {
        silent.resize_with(count, || server.connect());
        let accepted = "action: accept_connections | result: success";
        server.program.wait_for_count(accepted, count);
        anonymous_memory(server.program.pid())
    };
    // What is there once, whatever the number of connections, is there with the few.
    let before = hold(FEW);
    let bytes = (hold(MANY) - before) / (MANY - FEW) as u64;
    eprintln!("{bytes} bytes a silent connection");
    assert!(bytes <= BYTES, "{bytes} bytes a silent connection");
}

/// In bytes. The pages of the program's file, which come and go with the page cache, do not count.
fn anonymous_memory(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("smaps_rollup");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("Anonymous");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1024
}

/// A server whose system calls are counted.
struct Traced {
    pid: i32,
    address: SocketAddr,
    calls: Arc<AtomicU64>,
    /// Whoever holds it keeps the server from making another call.
    gate: Arc<Mutex<()>>,
    tracer: Option<JoinHandle<()>>,
}

impl Traced {
    /// None where tracing is forbidden.
    fn start() -> Option<Self> {
        let log = directory("guard").join("log");
        let mut command = Server::command(&[("SERVER_WORKERS", "1")]);
        command.stdout(File::create(&log).expect("a file for the log"));
        let (calls, gate) = (Arc::default(), Arc::default());
        let (started, pid) = mpsc::channel();
        let tracer = {
            let (calls, gate) = (Arc::clone(&calls), Arc::clone(&gate));
            thread::spawn(move || trace(command, &calls, &gate, &started))
        };
        let pid = pid.recv().ok()?;
        let line = |part: &str| {
            let text = fs::read_to_string(&log).expect("a readable log");
            text.lines().find(|line| line.contains(part)).map(str::to_owned)
        };
        until("the server listens", || line("result: in_progress").is_some());
        let port: u16 = field(&line("action: config").expect("its port"), "port").parse().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Some(Self { pid, address, calls, gate, tracer: Some(tracer) })
    }

    /// Has it serve so many connections at once, from accepting to closing them. Their peers end their
    /// side with the message, or once all of them have their echo.
    fn serve(&self, connections: usize, late: bool) {
        const MESSAGE: &[u8] = "[CLIENT 1] Message N°1\n".as_bytes();
        let mut peers = Vec::new();
        let stopped = self.gate.lock().unwrap();
        for _ in 0..connections {
            let mut peer = TcpStream::connect(self.address).expect("a connection");
            peer.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
            peer.write_all(MESSAGE).expect("a message sent");
            if !late {
                peer.shutdown(Shutdown::Write).expect("its side ended");
            }
            peers.push(peer);
        }
        drop(stopped);
        for peer in &mut peers {
            let mut echo = [0; MESSAGE.len()];
            peer.read_exact(&mut echo).expect("an echo");
            assert_eq!(echo, MESSAGE);
        }
        let stopped = self.gate.lock().unwrap();
        drop(peers);
        drop(stopped);
        // But for the listener.
        until("all closed", || sockets(self.pid) == 1);
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // SAFETY: takes no pointers; the tracer has not reaped it, so the number is still its own.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        let _ = self.tracer.take().map(JoinHandle::join);
    }
}

/// Runs `command` until it exits and counts its system calls. Only the thread that starts a process may
/// trace it.
fn trace(mut command: Command, calls: &AtomicU64, gate: &Mutex<()>, started: &mpsc::Sender<i32>) {
    before_exec(&mut command, || match ptrace(libc::PTRACE_TRACEME, 0, 0) {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    });
    let child = match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
        child => child.expect("the server starts"),
    };
    let pid = child.id() as i32;
    started.send(pid).expect("somebody who waits for it");
    let mut entered = false;
    loop {
        let mut status = 0;
        // SAFETY: the pointer is that of a live int.
        unsafe { libc::waitpid(pid, &mut status, libc::__WALL) };
        if !libc::WIFSTOPPED(status) {
            return;
        }
        let mut signal = 0;
        match libc::WSTOPSIG(status) {
            stop if stop == libc::SIGTRAP | 0x80 => {
                // It stops at the entrance of a call and again at its exit.
                entered = !entered;
                calls.fetch_add(entered.into(), SeqCst);
            }
            // The exec.
            libc::SIGTRAP => {
                let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
                assert_eq!(ptrace(libc::PTRACE_SETOPTIONS, pid, options), 0);
            }
            other => signal = other,
        }
        drop(gate.lock().unwrap());
        // It fails only where the process has just been killed.
        ptrace(libc::PTRACE_SYSCALL, pid, signal);
    }
}

/// The C libraries do not agree on the type of a request.
fn ptrace(request: impl Into<i64>, pid: i32, data: i32) -> libc::c_long {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: none of the requests in use reads or writes memory by the pointer.
    unsafe { libc::ptrace(request.into() as _, pid, nothing, libc::c_long::from(data)) }
}
