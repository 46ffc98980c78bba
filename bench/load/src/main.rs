//! Load for an echo server on 127.0.0.1, and the start of a program timed from outside.

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const USAGE: &str = "\
usage: load now|late PORT CONNECTIONS THREADS   send a message on each connection, and print JSON; now sends
                                                after connect(2), late once the connection is writable
       load hold PORT CONNECTIONS               hold silent connections until stdin ends
       load ready PORT CPU COMMAND...           print the microseconds from exec to the first connection
       load time CPU COMMAND...                 print the microseconds that a program runs";

const IN_FLIGHT: usize = 64;
/// Anything slower than this is broken.
const LIMIT: Duration = Duration::from_secs(30);
/// Client addresses: the ports of a single one would run out, because each waits for a minute in TIME_WAIT.
const SOURCES: usize = 32;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        [load @ ("now" | "late"), port, connections, threads] => {
            run(number(port), number(connections), number(threads), load == "late")
        }
        ["hold", port, connections] => hold(number(port), number(connections)),
        ["ready", port, cpu, ref command @ ..] => ready(number(port), number(cpu), command),
        ["time", cpu, ref command @ ..] => time(number(cpu), command),
        _ => usage(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| usage())
}

fn usage() -> ! {
    eprintln!("{USAGE}");
    std::process::exit(2)
}

fn run(port: usize, connections: usize, threads: usize, late: bool) -> io::Result<()> {
    let start = Instant::now();
    let results: Vec<io::Result<Vec<Duration>>> = thread::scope(|scope| {
        let share = |part| connections * (part + 1) / threads - connections * part / threads;
        let start_one = |part| {
            let slots = (IN_FLIGHT / threads).max(1);
            scope.spawn(move || Loop::new(port, share(part), late)?.run(slots))
        };
        let running: Vec<_> = (0..threads).map(start_one).collect();
        running.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    let mut latencies = Vec::new();
    for result in results {
        latencies.extend(result?);
    }
    latencies.sort();
    let p99 = latencies[latencies.len() * 99 / 100].as_secs_f64() * 1e6;
    println!("{{\"per_second\": {:.1}, \"p99_us\": {p99:.1}}}", connections as f64 / seconds);
    Ok(())
}

/// A closed loop: the next connection replaces one that is done.
struct Loop {
    port: usize,
    connections: usize,
    late: bool,
    epoll: OwnedFd,
    slots: Vec<Exchange>,
    begun: usize,
    latencies: Vec<Duration>,
}

impl Loop {
    fn new(port: usize, connections: usize, late: bool) -> io::Result<Self> {
        // SAFETY: the call takes no pointer.
        let epoll = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is new and nobody else owns it.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        Ok(Self {
            port,
            connections,
            late,
            epoll,
            slots: Vec::new(),
            begun: 0,
            latencies: Vec::new(),
        })
    }

    /// Returns how long each message took; the first failure ends it.
    fn run(mut self, slots: usize) -> io::Result<Vec<Duration>> {
        let deadline = Instant::now() + LIMIT;
        for slot in 0..slots.min(self.connections) {
            let exchange = self.begin(slot)?;
            self.slots.push(exchange);
        }
        while self.latencies.len() < self.connections {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("not done within {LIMIT:?}")));
            }
            for event in wait(&self.epoll)? {
                self.advance(event.u64 as usize)?;
            }
        }
        Ok(self.latencies)
    }

    fn begin(&mut self, slot: usize) -> io::Result<Exchange> {
        self.begun += 1;
        let mut exchange = Exchange::begin(self.port, self.begun)?;
        let fd = exchange.stream.as_raw_fd();
        if self.late {
            control(&self.epoll, libc::EPOLL_CTL_ADD, fd, libc::EPOLLOUT, slot)?;
        } else {
            // On loopback the handshake is over when connect(2) returns.
            exchange.send()?;
            control(&self.epoll, libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN, slot)?;
        }
        Ok(exchange)
    }

    fn advance(&mut self, slot: usize) -> io::Result<()> {
        let exchange = &mut self.slots[slot];
        if !exchange.sent {
            exchange.send()?;
            let fd = exchange.stream.as_raw_fd();
            return control(&self.epoll, libc::EPOLL_CTL_MOD, fd, libc::EPOLLIN, slot);
        }
        if !exchange.receive()? {
            return Ok(());
        }
        self.latencies.push(exchange.start.elapsed());
        if self.begun < self.connections {
            // Dropping the old one closes its connection.
            self.slots[slot] = self.begin(slot)?;
        } else {
            let fd = exchange.stream.as_raw_fd();
            control(&self.epoll, libc::EPOLL_CTL_DEL, fd, 0, slot)?;
        }
        Ok(())
    }
}

/// One message and its echo.
struct Exchange {
    stream: TcpStream,
    message: String,
    sent: bool,
    received: usize,
    start: Instant,
}

impl Exchange {
    fn begin(port: usize, number: usize) -> io::Result<Self> {
        let start = Instant::now();
        let message = format!("[CLIENT 1] Message N°{number}\n");
        Ok(Self { stream: connect(port, number)?, message, sent: false, received: 0, start })
    }

    /// A message is so short that the socket's buffer takes it whole.
    fn send(&mut self) -> io::Result<()> {
        self.sent = true;
        self.stream.write_all(self.message.as_bytes())
    }

    /// Returns whether the whole echo has come. The course's client closes then too, without waiting for
    /// the end of the stream.
    fn receive(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 64];
        let count = match self.stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            result => result?,
        };
        let expected = &self.message.as_bytes()[self.received..];
        if count == 0 || !expected.starts_with(&buffer[..count]) {
            let text = String::from_utf8_lossy(&buffer[..count]);
            return Err(io::Error::other(format!("{:?} came back as {text:?}", self.message)));
        }
        self.received += count;
        Ok(self.received == self.message.len())
    }
}

fn hold(port: usize, connections: usize) -> io::Result<()> {
    let held: io::Result<Vec<_>> = (0..connections).map(|number| connect(port, number)).collect();
    let _open_until_the_end = held?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Connects the `number`th socket, non-blocking.
fn connect(port: usize, number: usize) -> io::Result<TcpStream> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the call takes no pointer.
    let fd = check(unsafe { libc::socket(libc::AF_INET, kind, 0) })?;
    // SAFETY: the descriptor is new and nobody else owns it.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    // Leave the port to connect(2), which knows the whole address and may use a port again.
    let (on, size) = (1_i32, size_of::<i32>() as libc::socklen_t);
    let option = libc::IP_BIND_ADDRESS_NO_PORT;
    // SAFETY: the pointer is to an i32 that outlives the call.
    check(unsafe { libc::setsockopt(fd, libc::IPPROTO_IP, option, (&raw const on).cast(), size) })?;
    let source = address(1 + (number % SOURCES) as u8, 0);
    let server = address(1, port);
    let size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: both pointers are to addresses of that size that outlive the calls.
    let result = unsafe {
        check(libc::bind(fd, (&raw const source).cast(), size))?;
        check(libc::connect(fd, (&raw const server).cast(), size))
    };
    match result {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(stream),
    }
}

fn address(host: u8, port: usize) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: (port as u16).to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, host]) },
        sin_zero: [0; 8],
    }
}

fn control(epoll: &OwnedFd, operation: i32, fd: RawFd, events: i32, slot: usize) -> io::Result<()> {
    let mut event = libc::epoll_event { events: events as u32, u64: slot as u64 };
    // SAFETY: the pointer is to an event that outlives the call.
    check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd, &mut event) }).map(drop)
}

/// Waits a second at the most.
fn wait(epoll: &OwnedFd) -> io::Result<Vec<libc::epoll_event>> {
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; IN_FLIGHT];
    let (room, timeout) = (events.len() as i32, 1000);
    // SAFETY: the pointer is to as many events as the call is told.
    let count =
        check(unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), room, timeout) })?;
    events.truncate(count as usize);
    Ok(events)
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn ready(port: usize, cpu: usize, command: &[&str]) -> io::Result<()> {
    let start = Instant::now();
    let mut child = spawn(cpu, command)?;
    // Try again at once: a sleep would be part of the result.
    while !accepts(port) && start.elapsed() < LIMIT {}
    let elapsed = start.elapsed();
    child.kill()?;
    child.wait()?;
    report(elapsed)
}

/// A connection that got the server's own port as its source port is connected to itself, not to a server.
fn accepts(port: usize) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port as u16))
        .is_ok_and(|stream| stream.local_addr().ok() != stream.peer_addr().ok())
}

fn time(cpu: usize, command: &[&str]) -> io::Result<()> {
    let start = Instant::now();
    let status = spawn(cpu, command)?.wait()?;
    let elapsed = start.elapsed();
    if !status.success() {
        return Err(io::Error::other(status.to_string()));
    }
    report(elapsed)
}

fn report(elapsed: Duration) -> io::Result<()> {
    if elapsed >= LIMIT {
        return Err(io::Error::other(format!("not within {LIMIT:?}")));
    }
    println!("{:.1}", elapsed.as_secs_f64() * 1e6);
    Ok(())
}

/// Starts a command on another processor than the one on which this process waits for it.
fn spawn(cpu: usize, words: &[&str]) -> io::Result<Child> {
    let Some((program, arguments)) = words.split_first() else { usage() };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let prepare = move || {
        // SAFETY: all zeroes are an empty set, and the call reads a set of that size. The kernel ends the
        // command together with this process.
        unsafe {
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            let mut cpus: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(cpu, &mut cpus);
            check(libc::sched_setaffinity(0, size_of_val(&cpus), &cpus)).map(drop)
        }
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}
