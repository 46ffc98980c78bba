//! A running program. It starts with an environment of its own, a thread reads its lines as they come, and drop kills
//! it.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::{DEADLINE, log_lines};

pub const SERVER: &str = env!("CARGO_BIN_EXE_server");
pub const CLIENT: &str = env!("CARGO_BIN_EXE_client");

/// A command with nothing of this process's environment, in an empty directory.
pub fn command(program: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = run(program);
    command.env_clear().envs(environment.iter().copied()).current_dir(empty_directory());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    before_exec(&mut command, restore_sigint);
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

/// Tests in the background of a shell inherit SIGINT as ignored, and the programs would keep it ignored.
fn restore_sigint() -> io::Result<()> {
    // SAFETY: takes no pointers.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    Ok(())
}

/// TEST_RUNNER runs the programs of another processor: tests/arm64.sh.
fn run(program: &str) -> Command {
    let Some(runner) = std::env::var_os("TEST_RUNNER") else { return Command::new(program) };
    let mut command = Command::new(runner);
    command.arg(program);
    command
}

fn empty_directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty");
    std::fs::create_dir_all(&directory).expect("a directory for the programs to run in");
    directory
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

type Lines = Arc<(Mutex<(Vec<String>, bool)>, Condvar)>;

/// A running program. Drop kills it.
pub struct Program {
    pub child: Child,
    /// None for a program that writes no log.
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
            // Search only the new lines, because the thread that reads them waits meanwhile.
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

    /// Waits for the exit, and for the last line. The table in docs/reference.md must have all lines of a server or
    /// client.
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

    /// Sends SIGTERM, and returns how long the shutdown took.
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
