//! The real programs as a test drives them: started with an environment of their own, their lines
//! read as they come, ended when the test ends. Every wait has a deadline.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(unsafe_code)]

pub mod log_lines;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for the busiest machine; what is right never takes it. Below the minute of SERVER_TIMEOUT.
pub const DEADLINE: Duration = Duration::from_secs(45);

pub const SERVER: &str = env!("CARGO_BIN_EXE_server");
pub const CLIENT: &str = env!("CARGO_BIN_EXE_client");

/// A command with nothing of this process's environment, in an empty directory of its own.
pub fn command(program: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = run(program);
    command.env_clear().envs(environment.iter().copied()).current_dir(empty_folder());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: signal(2) is async-signal-safe.
    unsafe { command.pre_exec(restore_sigint) };
    command
}

/// Tests in the background of a shell inherit SIGINT as ignored, and a program that does keeps it so.
fn restore_sigint() -> io::Result<()> {
    // SAFETY: takes no pointers.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    Ok(())
}

/// TEST_RUNNER is what runs the programs of another processor: tests/arm64.sh.
fn run(program: &str) -> Command {
    let Some(runner) = std::env::var_os("TEST_RUNNER") else { return Command::new(program) };
    let mut command = Command::new(runner);
    command.arg(program);
    command
}

fn empty_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty");
    std::fs::create_dir_all(&folder).expect("a directory for the programs to run in");
    folder
}

/// A new directory for the files of one test.
pub fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a directory for the files of a test");
    folder
}

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub lines: Vec<String>,
    pub stderr: String,
}

impl Ended {
    /// How many lines have `part` in them.
    pub fn count(&self, part: &str) -> usize {
        self.lines.iter().filter(|line| line.contains(part)).count()
    }
}

type Lines = Arc<(Mutex<(Vec<String>, bool)>, Condvar)>;

/// A running program. Killed when it is dropped.
pub struct Program {
    pub child: Child,
    /// None of a program that writes no log.
    name: Option<&'static str>,
    lines: Lines,
}

impl Program {
    pub fn start(program: &str, environment: &[(&str, &str)]) -> Self {
        Self::spawn(&mut command(program, environment))
    }

    /// Starts `command`, whose stdout is a pipe, and reads its lines as they come.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let lines = Lines::default();
        if let Some(stdout) = child.stdout.take() {
            let sink = Arc::clone(&lines);
            thread::spawn(move || {
                for line in BufReader::new(stdout).split(b'\n') {
                    let line = String::from_utf8(line.expect("a readable pipe")).expect("UTF-8");
                    sink.0.lock().unwrap().0.push(line);
                    sink.1.notify_all();
                }
                sink.0.lock().unwrap().1 = true;
                sink.1.notify_all();
            });
        }
        let names = [(SERVER, "server"), (CLIENT, "client")];
        let name = names.iter().find(|(path, _)| command.get_program() == *path);
        Self { child, name: name.map(|(_, name)| *name), lines }
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.0.lock().unwrap().0.clone()
    }

    /// Waits for the first line with `part` in it.
    pub fn wait_for(&self, part: &str) -> String {
        self.wait_for_count(part, 1).swap_remove(0)
    }

    /// Waits until `count` lines have `part` in them.
    pub fn wait_for_count(&self, part: &str, count: usize) -> Vec<String> {
        let start = Instant::now();
        let mut guard = self.lines.0.lock().unwrap();
        let (mut found, mut seen) = (Vec::new(), 0);
        loop {
            // Only the new ones: the thread that reads them waits meanwhile.
            found.extend(guard.0[seen..].iter().filter(|line| line.contains(part)).cloned());
            seen = guard.0.len();
            if found.len() >= count {
                return found;
            }
            let left = DEADLINE.saturating_sub(start.elapsed());
            assert!(!guard.1 && !left.is_zero(), "no {count} lines {part:?} in {:#?}", guard.0);
            guard = self.lines.1.wait_timeout(guard, left).unwrap().0;
        }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: takes no pointers; the child is not reaped, so the number is still its own.
        let result = unsafe { libc::kill(self.pid(), signal) };
        assert_eq!(result, 0, "kill({}, {signal})", self.pid());
    }

    pub fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    /// Waits for the exit, and for the last line. What the server or a client has logged has to be in README's table.
    pub fn wait(mut self) -> Ended {
        let status = self.wait_for_exit(DEADLINE);
        let start = Instant::now();
        let mut guard = self.lines.0.lock().unwrap();
        while !guard.1 && self.lines_are_piped() {
            let left = DEADLINE.saturating_sub(start.elapsed());
            assert!(!left.is_zero(), "the pipe stays open after the exit");
            guard = self.lines.1.wait_timeout(guard, left).unwrap().0;
        }
        let lines = guard.0.clone();
        drop(guard);
        // `--help` and `--version` print something else.
        let is_log = lines.iter().any(|line| line.contains("action: "));
        if let (true, Some(name)) = (is_log, self.name) {
            log_lines::check(name, &lines);
        }
        let mut stderr = String::new();
        if let Some(pipe) = self.child.stderr.as_mut() {
            pipe.read_to_string(&mut stderr).expect("a readable pipe");
        }
        Ended { status, lines, stderr }
    }

    fn lines_are_piped(&self) -> bool {
        Arc::strong_count(&self.lines) > 1
    }

    pub fn wait_for_exit(&mut self, limit: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child to wait for") {
                return status;
            }
            assert!(start.elapsed() < limit, "still running after {limit:?}: {:#?}", self.lines());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends SIGTERM and says how long the shutdown took.
    pub fn stop(self) -> (Ended, Duration) {
        let start = Instant::now();
        self.terminate();
        let ended = self.wait();
        (ended, start.elapsed())
    }

    pub fn stdin(&mut self) -> &mut ChildStdin {
        self.child.stdin.as_mut().expect("a piped stdin")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server on a free loopback port.
pub struct Server {
    pub program: Program,
    pub address: SocketAddr,
}

impl Server {
    /// Starts it with `environment` on top of what it needs, and waits until it listens.
    pub fn start(environment: &[(&str, &str)]) -> Self {
        Self::from(Program::spawn(&mut Self::command(environment)))
    }

    pub fn command(environment: &[(&str, &str)]) -> Command {
        let mut command = command(SERVER, &[]);
        command.env("SERVER_PORT", "0").env("SERVER_BIND", "127.0.0.1");
        command.env("SERVER_LISTEN_BACKLOG", "4096").env("LOGGING_LEVEL", "INFO");
        command.envs(environment.iter().copied());
        command
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, DEADLINE).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a write timeout");
        stream
    }

    /// Sends `bytes` on a connection of its own and reads what comes back, to its end.
    pub fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("bytes sent");
        read_to_end(&mut stream)
    }
}

impl From<Program> for Server {
    fn from(program: Program) -> Self {
        let line = program.wait_for("action: config");
        let port = field(&line, "port").parse().expect("a port");
        program.wait_for("action: accept_connections | result: in_progress");
        Self { program, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }
}

/// The text of an errno(3), which glibc and musl word differently: `Address already in use (os error 98)`.
pub fn os_error(code: i32) -> String {
    io::Error::from_raw_os_error(code).to_string()
}

/// All that comes until the peer ends its side; a reset is a failure.
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an end of stream, no reset");
    bytes
}

/// A socket option of level SOL_SOCKET: socket(7).
pub fn set_option<T>(socket: &impl AsRawFd, name: i32, value: &T) {
    let (pointer, length) = ((&raw const *value).cast(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the pointer and the length describe a live T; the callers give the T the option wants.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, pointer, length) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

pub fn half_close(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).expect("a half-close");
}

/// The value of a field of a log line.
pub fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let fields = line.split(" | ").filter_map(|field| field.split_once(": "));
    let mut values = fields.filter(|(key, _)| *key == name).map(|(_, value)| value);
    values.next().unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// A line without its time: `INFO     action: …`.
pub fn untimed(line: &str) -> &str {
    &line["2026-11-23 17:33:53 ".len()..]
}

/// Waits until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(1));
    }
}
