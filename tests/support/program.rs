//! A running program. It starts with an environment of its own, a thread reads its lines as they come, and drop kills
//! it.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read};
use std::iter;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{DEADLINE, log_lines};

pub const SERVER: &str = env!("CARGO_BIN_EXE_server");
pub const CLIENT: &str = env!("CARGO_BIN_EXE_client");

/// A command with nothing of this process's environment, in a directory without settings.
pub fn command(program: &str, environment: &[(&str, &str)]) -> Command {
    // TEST_RUNNER runs the programs of another processor: tests/arm64.sh.
    let runner = std::env::var_os("TEST_RUNNER");
    let mut command = Command::new(runner.as_deref().unwrap_or(program.as_ref()));
    if runner.is_some() {
        command.arg(program);
    }
    command.env_clear().envs(environment.iter().copied());
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Tests in the background of a shell inherit SIGINT as ignored, and the programs would keep it ignored.
    before_exec(&mut command, || {
        // SAFETY: takes no pointers.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        Ok(())
    });
    command
}

/// Makes `command` run some system calls between fork and exec.
pub fn before_exec<T>(
    command: &mut Command,
    calls: impl Fn() -> io::Result<T> + Send + Sync + 'static,
) {
    // SAFETY: the callers make system calls and take no locks.
    unsafe { command.pre_exec(move || calls().map(drop)) };
}

/// The output of a program, and how it ended.
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

/// A running program. Drop kills it.
pub struct Program {
    pub child: Child,
    /// None for a program that writes no log.
    name: Option<&'static str>,
    /// The lines that have been taken from `new_lines`.
    lines: RefCell<Vec<String>>,
    new_lines: Receiver<String>,
}

impl Program {
    /// Starts `command`, and reads its lines as they come if its stdout is a pipe.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let (sender, new_lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).split(b'\n') {
                    let line = String::from_utf8(line.expect("a readable pipe")).expect("UTF-8");
                    // A test that has ended receives nothing more.
                    let _ = sender.send(line);
                }
            });
        }
        // A shell or an emulator may run the program.
        let mut words = iter::once(command.get_program()).chain(command.get_args());
        let name = words.find_map(|word| match word.to_str() {
            Some(SERVER) => Some("server"),
            Some(CLIENT) => Some("client"),
            _ => None,
        });
        Self { child, name, lines: RefCell::default(), new_lines }
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.lines.borrow_mut();
        lines.extend(self.new_lines.try_iter());
        lines.clone()
    }

    /// Waits for the first line with `part` in it.
    pub fn wait_for(&self, part: &str) -> String {
        self.wait_for_count(part, 1).swap_remove(0)
    }

    /// Waits until `count` lines have `part` in them, and returns all such lines.
    pub fn wait_for_count(&self, part: &str, count: usize) -> Vec<String> {
        let start = Instant::now();
        let mut found = self.lines();
        found.retain(|line| line.contains(part));
        while found.len() < count {
            let left = DEADLINE.saturating_sub(start.elapsed());
            let line = self.new_lines.recv_timeout(left);
            let line =
                line.unwrap_or_else(|_| panic!("no {count} lines {part:?}: {:#?}", self.lines()));
            if line.contains(part) {
                found.push(line.clone());
            }
            self.lines.borrow_mut().push(line);
        }
        found
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

    /// Waits for the exit, and for the last line. The table in docs/reference.md must have all lines of a server or
    /// client.
    pub fn wait(mut self) -> Ended {
        let status = self.wait_for_exit();
        let mut lines = self.lines.take();
        loop {
            match self.new_lines.recv_timeout(DEADLINE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the pipe stays open after the exit"),
            }
        }
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

    fn wait_for_exit(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child to wait for") {
                return status;
            }
            assert!(start.elapsed() < DEADLINE, "not ended in {DEADLINE:?}: {:#?}", self.lines());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends SIGTERM, and returns how long the shutdown took.
    pub fn stop(self) -> (Ended, Duration) {
        let start = Instant::now();
        self.terminate();
        let ended = self.wait();
        (ended, start.elapsed())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
