//! `gen N` prints the Compose file of the system with N clients.
//!
//! It serves docker-compose 1.29 and Compose v2 alike. Hence no `version:` (1.29 takes a file without
//! one for its newest format, v2 calls the key obsolete), no top-level `name:` and no
//! `create_host_path:` (1.29 refuses both), and a plain list under `depends_on:`. No subnet either:
//! the engine's own pools hold more addresses than a bridge has ports, and a fixed subnet can collide
//! with one that is there. Nor a `user:`, which the image sets, nor a variable that would shadow a
//! settings file.
//!
//! It needs nothing but std and no Cargo: `rustc --edition 2024 gen.rs` compiles it.

use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;

// For the image's build, and why is said there. This program does without the library that has it too.
#[cfg(all(panic = "abort", target_env = "musl"))]
#[path = "src/sys/unwind.rs"]
mod unwind;

const USAGE: &str = "usage: gen [--root DIR] N";

const HELP: &str = "\
usage: gen [--root DIR] N

Prints the Compose file for one server and N clients, N from 0 to 1022.

  --root DIR  look for the settings files below DIR, an absolute path
              (default: below the folder of the Compose file)
  --help      print this text
  --version   print the version
";

/// Containers that a bridge network holds: BR_MAX_PORTS of Linux is 1024, and port 0 is not one.
const BRIDGE_PORTS: usize = 1023;

/// The server takes a port too. With this many clients none is left for the validator's container.
const MAX_CLIENTS: usize = BRIDGE_PORTS - 1;

/// What every container has in common: the network, and no privilege it can do without.
const SERVICE: &str = "\
x-service: &service
  networks:
    - testing_net
  read_only: true
  cap_drop:
    - ALL
  security_opt:
    - no-new-privileges:true
";

/// The real name of the network, the same whatever the project is called: the validator joins it.
const NETWORKS: &str = "
networks:
  testing_net:
    name: tp0_testing_net
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell when stderr is broken too.
            let _ = writeln!(io::stderr(), "gen: {failure}");
            failure.status()
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments = arguments()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--help" | "-h"] => print(HELP),
        ["--version" | "-V"] => print(&format!("gen {}\n", version())),
        ["--root", root, count] => print(&compose(client_count(count)?, absolute(root)?)),
        ["--root", ..] => Err(Failure::Usage("--root: DIR and N must follow".to_owned())),
        [count] => print(&compose(client_count(count)?, ".")),
        [] => Err(Failure::Usage("the number of clients is missing".to_owned())),
        [_, extra, ..] => Err(Failure::Usage(format!("{extra:?}: unexpected argument"))),
    }
}

/// Why nothing, or not all, was printed.
enum Failure {
    /// Bad usage: status 2.
    Usage(String),
    /// More clients than can work: status 2.
    TooMany(String),
    /// Standard output took no more: status 1.
    Output(io::Error),
}

impl Failure {
    fn status(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::TooMany(_) => ExitCode::from(2),
            Self::Output(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(reason) => write!(f, "{reason}\n{USAGE}"),
            Self::TooMany(text) => write!(
                f,
                "{text} clients: a Linux bridge network has {BRIDGE_PORTS} ports and the server takes one, \
                 so {MAX_CLIENTS} is the most for one machine; more clients need more than one machine"
            ),
            Self::Output(error) => write!(f, "stdout: {error}"),
        }
    }
}

fn arguments() -> Result<Vec<String>, Failure> {
    let text = |argument: std::ffi::OsString| {
        let not_text = |argument| Failure::Usage(format!("{argument:?}: not UTF-8"));
        argument.into_string().map_err(not_text)
    };
    std::env::args_os().skip(1).map(text).collect()
}

fn version() -> &'static str {
    option_env!("CARGO_PKG_VERSION").unwrap_or("(compiled without Cargo)")
}

/// Reads a number of clients that can work.
fn client_count(text: &str) -> Result<usize, Failure> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.starts_with('0') && text != "0" {
        return Err(Failure::Usage(format!("{text:?} is not a plain decimal number of clients")));
    }
    match text.parse() {
        Ok(count) if count <= MAX_CLIENTS => Ok(count),
        _ => Err(Failure::TooMany(text.to_owned())),
    }
}

fn absolute(root: &str) -> Result<&str, Failure> {
    match Path::new(root).is_absolute() {
        true => Ok(root),
        false => Err(Failure::Usage(format!("--root: {root:?} is not an absolute path"))),
    }
}

/// The Compose file, with the settings files below `root`: an absolute path, or `.` for its own folder.
fn compose(clients: usize, root: &str) -> String {
    let mut file =
        format!("# One server and {clients} clients, written by generar-compose.sh.\n\n");
    file += SERVICE;
    if clients > 0 {
        file += &client_template(root);
    }
    file += &server(root);
    for id in 1..=clients {
        file += &client(id);
    }
    file + NETWORKS
}

fn server(root: &str) -> String {
    let source = source(root, "server/config.ini");
    format!(
        "
services:
  server:
    <<: *service
    container_name: server
    image: server:latest
    entrypoint: /server
    volumes:
      - type: bind
        source: {source}
        target: /config.ini
        read_only: true
"
    )
}

fn client_template(root: &str) -> String {
    let source = source(root, "client/config.yaml");
    format!(
        "
x-client: &client
  <<: *service
  image: client:latest
  entrypoint: /client
  volumes:
    - type: bind
      source: {source}
      target: /config.yaml
      read_only: true
  depends_on:
    - server
"
    )
}

fn client(id: usize) -> String {
    format!(
        "
  client{id}:
    <<: *client
    container_name: client{id}
    environment:
      - CLI_ID={id}
"
    )
}

fn source(root: &str, path: &str) -> String {
    match root {
        "." => format!("./{path}"),
        _ => quoted(&format!("{}/{path}", root.trim_end_matches('/'))),
    }
}

/// A double-quoted YAML scalar (YAML 1.2.2 §5.7) that Compose leaves as it is: `$$` stands for `$`.
fn quoted(text: &str) -> String {
    let mut scalar = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => scalar.extend(['\\', c]),
            '$' => scalar.push_str("$$"),
            // Line ends to YAML 1.1, and what no YAML file may hold as it is.
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                escape(&mut scalar, c)
            }
            _ if c.is_control() => escape(&mut scalar, c),
            _ => scalar.push(c),
        }
    }
    scalar.push('"');
    scalar
}

fn escape(scalar: &mut String, c: char) {
    write!(scalar, "\\u{:04x}", u32::from(c)).expect("a String takes any text");
}

/// Prints in one write. A reader that has gone away has read all it wanted.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}
