//! The tests share this: the real programs as a test drives them, their peers, and what they need of the machine. Every
//! wait has a deadline.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(unsafe_code)]

pub mod client;
pub mod limits;
pub mod load;
pub mod log_lines;
pub mod proc;
pub mod program;
pub mod script;
pub mod scripts;
pub mod server;
pub mod settings;
pub mod sockets;

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for the busiest machine: a correct program never takes this long. It is below the minute of
/// SERVER_TIMEOUT.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A new directory for the files of one test.
pub fn directory(test: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a directory for the files of a test");
    directory
}

/// Waits until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(1));
    }
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

/// The result of a system call, or its error.
pub fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The text of an errno(3), which glibc and musl word differently: `Address already in use (os error 98)`.
pub fn os_error(code: i32) -> String {
    io::Error::from_raw_os_error(code).to_string()
}
