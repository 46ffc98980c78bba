//! `gen N` prints the Compose file of the system with N clients, `gen --stack N` the file for `docker stack
//! deploy`. The text of both is in src/templates.rs.
//!
//! It needs nothing but std and no Cargo: `rustc --edition 2024 gen.rs` compiles it.

use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;

// The library has it too, but this program does without the library. The file says why.
#[cfg(all(panic = "abort", target_env = "musl"))]
#[path = "src/sys/unwind.rs"]
mod unwind;

#[path = "src/templates.rs"]
mod templates;

const USAGE: &str = "usage: gen [--stack] [--root DIR] N";

const HELP: &str = "
Prints the Compose file for one server and N clients, N from 0 to 1022.

  --stack     print the file for docker stack deploy instead, where N has no limit
  --root DIR  look for the settings files below DIR, an absolute path
              (default: below the directory of the printed file)
  --help      print this text
  --version   print the version
";

/// Containers that a bridge network holds: BR_MAX_PORTS of Linux is 1024, and port 0 is not one.
const BRIDGE_PORTS: u64 = 1023;

/// The server takes a port too. With this many clients none is left for the validator's container.
const MAX_CLIENTS: u64 = BRIDGE_PORTS - 1;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { status, reason }) => {
            // Nobody is left to tell when stderr is broken too.
            let _ = writeln!(io::stderr(), "gen: {reason}");
            ExitCode::from(status)
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments = arguments()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (stacked, rest) = match &arguments[..] {
        ["--stack", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (root, count) = match *rest {
        ["--help" | "-h"] => return print(&format!("{USAGE}\n{HELP}")),
        ["--version" | "-V"] => return print(&format!("gen {}\n", version())),
        ["--root", root, count] => (absolute(root)?, count),
        ["--root", ..] => return Err(usage("--root: DIR and N must follow")),
        [count] => (".", count),
        [] => return Err(usage("the number of clients is missing")),
        [_, extra, ..] => return Err(usage(&format!("{extra:?}: unexpected argument"))),
    };
    match (stacked, client_count(count)?) {
        (true, Some(clients)) => print(&templates::stack(clients, root)),
        (false, Some(clients)) if clients <= MAX_CLIENTS => {
            print(&templates::compose(clients, root))
        }
        (true, None) => Err(usage(&format!("{count:?} is too large a number of clients"))),
        (false, _) => Err(Failure { status: 2, reason: too_many(count) }),
    }
}

/// Why nothing, or not all, was printed. The status is 2 for bad usage, and 1 where the output failed.
struct Failure {
    status: u8,
    reason: String,
}

fn usage(reason: &str) -> Failure {
    Failure { status: 2, reason: format!("{reason}\n{USAGE}") }
}

fn too_many(clients: &str) -> String {
    format!(
        "{clients} clients: a Linux bridge network has {BRIDGE_PORTS} ports and the server takes one, \
         so {MAX_CLIENTS} is the most for one machine; for more there is Docker Swarm: \
         ./generar-compose.sh --stack FILE {clients}"
    )
}

fn arguments() -> Result<Vec<String>, Failure> {
    let text = |argument: std::ffi::OsString| {
        argument.into_string().map_err(|argument| usage(&format!("{argument:?}: not UTF-8")))
    };
    std::env::args_os().skip(1).map(text).collect()
}

fn version() -> &'static str {
    option_env!("CARGO_PKG_VERSION").unwrap_or("(compiled without Cargo)")
}

/// Reads a plain decimal number: none if it is larger than a `u64`.
fn client_count(text: &str) -> Result<Option<u64>, Failure> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.starts_with('0') && text != "0" {
        return Err(usage(&format!("{text:?} is not a plain decimal number of clients")));
    }
    Ok(text.parse().ok())
}

fn absolute(root: &str) -> Result<&str, Failure> {
    match Path::new(root).is_absolute() {
        true => Ok(root),
        false => Err(usage(&format!("--root: {root:?} is not an absolute path"))),
    }
}

/// Prints in one write. A reader that has gone away has read all it wanted.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure { status: 1, reason: format!("stdout: {error}") })
        }
        _ => Ok(()),
    }
}
