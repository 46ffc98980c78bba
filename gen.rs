//! `gen N` prints the Compose file of the system with N clients, `gen --stack N` the file for `docker stack
//! deploy`. Both are made from the files in templates/.
//!
//! compose.yaml, with client.yaml for each client, serves docker-compose 1.29 and Compose v2 alike. Hence no
//! `version:` (1.29 takes a file without one for its newest format, v2 calls the key obsolete), no top-level
//! `name:` and no `create_host_path:` (1.29 refuses both), and a plain list under `depends_on:`. No subnet
//! either: the engine's own pools hold more addresses than a bridge has ports, and a fixed one can collide.
//!
//! stack.yaml has the oldest `version:` that gives a config a `name:`, for engine 20.10. A stack has no
//! `security_opt:` and no bind mount that another node would lack. What docker/stack.sh sets is in
//! variables: a prefix for the images of a registry, how many clients to begin with, and a hash of each
//! settings file, for a config of one name can never change its content. (No "-" in what `:?` says: the
//! client would take it for the sign of a default.) The overlay is attachable, for the validator; internal,
//! for a container starts sooner without a second interface; and a /16, for the default, a /24, is full with
//! 254 containers. Clients that have finished are not run again; what updates the service by hand replaces
//! all of them at once, and goes on where they end quickly.
//!
//! None of them has a `user:`, which the image sets, nor a variable that would shadow a settings file.
//!
//! This program needs nothing but std and no Cargo: `rustc --edition 2024 gen.rs` compiles it.

use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;

// The library has it too, but this program does without the library. The file says why.
#[cfg(all(panic = "abort", target_env = "musl"))]
#[path = "src/sys/unwind.rs"]
mod unwind;

const COMPOSE: &str = include_str!("templates/compose.yaml");
const CLIENT: &str = include_str!("templates/client.yaml");
const STACK: &str = include_str!("templates/stack.yaml");

const USAGE: &str = "usage: gen [--stack] [--root DIR] N";

const HELP: &str = "
Prints the Compose file for one server and N clients, N from 0 to 1022.

  --stack     print the file for docker stack deploy instead, where no bridge limits N
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
        ["--root", root, count] if Path::new(root).is_absolute() => (root, count),
        ["--root", root, _] => {
            return Err(usage(&format!("--root: {root:?} is not an absolute path")));
        }
        ["--root", ..] => return Err(usage("--root: DIR and N must follow")),
        [count] => (".", count),
        [] => return Err(usage("the number of clients is missing")),
        [_, extra, ..] => return Err(usage(&format!("{extra:?}: unexpected argument"))),
    };
    match (stacked, client_count(count)?) {
        (true, Some(clients)) => print(&fill(STACK, clients, root)),
        (false, Some(clients)) if clients <= MAX_CLIENTS => {
            let client = |id: u64| CLIENT.replace("@ID@", &id.to_string());
            let services: String = (1..=clients).map(client).collect();
            print(&(fill(COMPOSE, clients, root) + &services))
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

/// A template with its values: N, and ROOT, the directory of the settings files.
fn fill(template: &str, clients: u64, root: &str) -> String {
    template.replace("@N@", &clients.to_string()).replace("@ROOT@", &escaped(root))
}

/// Line ends to YAML 1.1, and what no YAML file may hold as it is.
const UNPRINTABLE: [char; 5] = ['\u{2028}', '\u{2029}', '\u{feff}', '\u{fffe}', '\u{ffff}'];

/// The inside of a double-quoted YAML scalar (YAML 1.2.2 §5.7) that Docker's tools leave as it is: `$$`
/// stands for `$`.
fn escaped(path: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        '$' => "$$".to_owned(),
        _ if c.is_control() || UNPRINTABLE.contains(&c) => format!("\\u{:04x}", u32::from(c)),
        _ => c.to_string(),
    };
    path.trim_end_matches('/').chars().map(escape).collect()
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
