//! Peers in numbers, good and bad, and what a process takes of the machine. With [`super::support`].
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(unsafe_code)]

use std::collections::HashSet;
use std::ffi::CString;
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, Program, Server, read_to_end, set_option, until};

/// Makes room in this process for `count` connections.
pub fn allow_descriptors(count: u64) {
    tp0::sys::limits::raise_descriptor_limit();
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    let enough = result == 0 && limit.rlim_cur >= count + 500;
    assert!(enough, "needs a hard limit of {} descriptors (ulimit -Hn)", count + 500);
}

/// Has `command` run with `count` descriptors at the most.
pub fn limit_descriptors(command: &mut Command, count: u64) {
    // SAFETY: the pointer is to a live rlimit.
    limit(command, count, |limit| unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) });
}

/// Has `command` run with an address space of so many bytes.
pub fn limit_memory(command: &mut Command, bytes: u64) {
    // SAFETY: the pointer is to a live rlimit.
    limit(command, bytes, |limit| unsafe { libc::setrlimit(libc::RLIMIT_AS, limit) });
}

fn limit(command: &mut Command, value: u64, set: fn(&libc::rlimit) -> libc::c_int) {
    before_exec(command, move || match set(&libc::rlimit { rlim_cur: value, rlim_max: value }) {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    });
}

/// Lets a running process make no file longer than so many bytes, as a full disk would.
pub fn limit_file_size(pid: i32, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the pointer is to a live rlimit.
    let result = unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, ptr::null_mut()) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// To a page, the least that fcntl(2) knows.
pub fn shrink_pipe(pipe: &impl AsRawFd) {
    // SAFETY: takes no pointers.
    let size = unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, 1) };
    assert!(size > 0, "{}", io::Error::last_os_error());
}

/// Has `command` start without a stdout.
pub fn close_stdout(command: &mut Command) {
    before_exec(command, || {
        // SAFETY: takes no pointers; nothing runs between here and exec that owns the descriptor.
        match unsafe { libc::close(libc::STDOUT_FILENO) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    });
}

fn before_exec(command: &mut Command, f: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: the callers make one system call each, which is async-signal-safe.
    unsafe { command.pre_exec(f) };
}

/// Takes from root what lets it read everybody's files, at the exec: capabilities(7).
pub fn keep_to_permissions(command: &mut Command) {
    const DAC_OVERRIDE: i32 = 1;
    const DAC_READ_SEARCH: i32 = 2;
    before_exec(command, || {
        for capability in [DAC_OVERRIDE, DAC_READ_SEARCH] {
            // SAFETY: takes no pointers. It is refused to whoever has neither.
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability) };
        }
        Ok(())
    });
}

pub fn make_fifo(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path without a zero");
    // SAFETY: the pointer is to a live string that ends in zero.
    let result = unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// A connection that takes no more than a few kilobytes until it is read.
pub fn connect_with_small_window(server: &Server) -> TcpStream {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: socket(2) has just opened it, and nobody else owns it.
    let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    set_option(&stream, libc::SO_RCVBUF, &4096);
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: server.address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the pointer and the length describe a live sockaddr_in.
    let result = unsafe { libc::connect(fd, (&raw const address).cast(), length) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Closes with a reset instead of an end of stream.
pub fn reset(stream: TcpStream) {
    set_option(&stream, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 });
}

/// Has it hold as little as it can, unread.
pub fn shrink_send_buffer(stream: &UnixStream) {
    set_option(stream, libc::SO_SNDBUF, &1i32);
}

/// A field of /proc/PID/status, in kilobytes: VmRSS, or VmHWM for its greatest value so far.
pub fn memory(pid: i32, field: &str) -> usize {
    let number = status(pid, field).trim_end_matches(" kB").parse();
    number.unwrap_or_else(|_| panic!("no number: {field}"))
}

/// Whether the process has a handler for `signal`.
pub fn handles(pid: i32, signal: i32) -> bool {
    let caught = u64::from_str_radix(&status(pid, "SigCgt"), 16).expect("a mask");
    caught & 1 << (signal - 1) != 0
}

fn status(pid: i32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let fields = status.lines().filter_map(|line| line.split_once(':'));
    let mut values = fields.filter(|(name, _)| *name == field).map(|(_, value)| value);
    values.next().unwrap_or_else(|| panic!("no {field} in {status}")).trim().to_owned()
}

/// What the process's descriptors are: `socket:[…]`, `anon_inode:[eventpoll]`, `/dev/null`, …
pub fn descriptors(pid: i32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("a running process");
    // One may be closed while the directory is read.
    let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

/// How many of the lowest `limit` numbers are taken: whoever has started the tests may have left some of
/// higher ones open, which no limit takes away.
pub fn taken(pid: i32, limit: usize) -> usize {
    (0..limit).filter(|number| fs::read_link(format!("/proc/{pid}/fd/{number}")).is_ok()).count()
}

pub fn sockets(pid: i32) -> usize {
    descriptors(pid).iter().filter(|link| link.starts_with("socket:")).count()
}

/// Processor time so far, of all its threads.
pub fn processor_time(pid: i32) -> Duration {
    let mut clock = 0;
    // SAFETY: the pointer is to a live clockid_t.
    let result = unsafe { libc::clock_getcpuclockid(pid, &mut clock) };
    assert_eq!(result, 0, "no clock of {pid}");
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A server that cannot say where it listens.
pub fn mute(program: Program) -> Server {
    until("it listens", || listening_address(program.pid()).is_some());
    let address = listening_address(program.pid()).unwrap();
    Server { program, address }
}

fn listening_address(pid: i32) -> Option<SocketAddr> {
    let sockets: HashSet<String> = descriptors(pid).into_iter().collect();
    let listeners = tcp_table("0A").into_iter();
    let mut own = listeners.filter(|(inode, _)| sockets.contains(&format!("socket:[{inode}]")));
    own.next().map(|(_, port)| SocketAddr::from(([127, 0, 0, 1], port)))
}

/// How many ended connections of a port the kernel still keeps.
pub fn time_waits(port: u16) -> usize {
    tcp_table("06").iter().filter(|(_, local)| *local == port).count()
}

/// Inode and local port of each line of /proc/net/tcp in a state: proc_pid_net(5).
fn tcp_table(state: &str) -> Vec<(String, u16)> {
    let table = fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row[3] == state);
    let port = |address: &str| u16::from_str_radix(address.rsplit(':').next().unwrap(), 16);
    rows.map(|row| (row[9].to_owned(), port(row[1]).expect("a port"))).collect()
}

/// A good client among bad ones: its messages pass before DEADLINE, and so before the bad ones' time of a
/// minute is up.
pub fn assert_prompt(server: &Server) {
    for number in 1..=10 {
        let message = format!("prompt {number}\n");
        assert_eq!(server.exchange(message.as_bytes()), message.as_bytes());
    }
}

/// One message of a [`Load`].
#[derive(Debug)]
pub struct Sent {
    /// Without its newline.
    pub message: String,
    /// From the connect to the end of the write.
    pub took: Duration,
    /// What came back until the end of stream.
    pub echo: io::Result<Vec<u8>>,
}

impl Sent {
    pub fn is_answered(&self) -> bool {
        self.echo.as_ref().is_ok_and(|echo| *echo == format!("{}\n", self.message).as_bytes())
    }
}

/// Clients that each send one message after the other, as fast as they are answered.
pub struct Load {
    clients: Vec<JoinHandle<Vec<Sent>>>,
    answered: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Starts `clients` of them. Each goes on until it cannot connect any more, and ends a
    /// connection that has ended by `close`.
    pub fn start(address: SocketAddr, clients: usize, close: fn(TcpStream)) -> Self {
        let (answered, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let run = |client| {
            let (answered, stop) = (Arc::clone(&answered), Arc::clone(&stop));
            thread::spawn(move || {
                let mut log = Vec::new();
                while !stop.load(Relaxed) {
                    let message = format!("[CLIENT {client}] Message N°{}", log.len() + 1);
                    let Some(sent) = send(address, message, close) else { break };
                    answered.fetch_add(sent.is_answered().into(), Relaxed);
                    log.push(sent);
                }
                log
            })
        };
        let clients = (1..=clients).map(run).collect();
        Self { clients, answered, stop }
    }

    /// Waits until `count` messages have come back. The deadline is for each thousand of them.
    pub fn wait_for(&self, count: usize) {
        let answered = || self.answered.load(Relaxed);
        while answered() < count {
            let next = count.min(answered() + 1000);
            until("the load runs", || answered() >= next);
        }
    }

    /// What became of all messages, once no client can connect any more.
    pub fn join(self) -> Vec<Sent> {
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }

    /// Lets each client finish the message that it is at.
    pub fn stop(self) -> Vec<Sent> {
        self.stop.store(true, Relaxed);
        self.join()
    }
}

/// None where there is no connection.
fn send(address: SocketAddr, message: String, close: fn(TcpStream)) -> Option<Sent> {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).ok()?;
    let written = stream.write_all(format!("{message}\n").as_bytes());
    let took = start.elapsed();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut echo = Vec::new();
    let echo = written.and_then(|()| io::Read::read_to_end(&mut stream, &mut echo)).map(|_| echo);
    close(stream);
    Some(Sent { message, took, echo })
}

/// Sends the `rest` of a message on each connection, and expects its echo.
pub fn complete(peers: Vec<TcpStream>, rest: &[u8], echo: &[u8]) {
    for mut peer in peers {
        peer.write_all(rest).expect("bytes sent");
        assert_eq!(read_to_end(&mut peer), echo);
    }
}
