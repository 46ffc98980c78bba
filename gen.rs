//! `gen N` prints the Compose file for one server and N clients. `gen --stack N` prints the file for
//! `docker stack deploy`. Both come from the files in templates/. This program needs no Cargo:
//! `rustc --edition 2024 gen.rs` compiles it.
//!
//! compose.yaml and client.yaml:
//! - There is no `version:`, no top-level `name:` and no `create_host_path:`, because docker-compose 1.29 refuses the
//!   last two, and reads a file without the first as its newest format.
//! - There is no subnet, because a fixed one can overlap with a network of the machine.
//! - There is no `user:`, because the image sets it.
//!
//! stack.yaml:
//! - Docker 20.10 and Docker 28 both accept version "3.7".
//! - `endpoint_mode: dnsrr` works on a kernel without IPVS; a virtual IP does not.
//! - The network is attachable for the validator, and internal because a container then starts a quarter faster.
//! - Its subnet is a /16, because the default, a /24, holds 254 containers.
//! - There is no `security_opt:`, because Swarm ignores it.
//! - docker/stack.sh sets IMAGE_PREFIX (a registry), and REPLICAS=0 to start the server before the clients.

use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::process::ExitCode;

// The library has this module too, but this program does not use the library.
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

/// A Linux bridge has 1023 ports (BR_MAX_PORTS is 1024, and port 0 is not one), and the server takes one.
const MAX_CLIENTS: u64 = 1022;

fn main() -> ExitCode {
    let text = match text() {
        Ok(text) => text,
        Err(reason) => return fail(2, &reason),
    };
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // A reader that is gone has read all that it wanted.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail(1, &format!("stdout: {error}")),
        _ => ExitCode::SUCCESS,
    }
}

fn fail(status: u8, reason: &str) -> ExitCode {
    // If stderr is broken too, there is nobody to tell.
    let _ = writeln!(io::stderr(), "gen: {reason}");
    ExitCode::from(status)
}

/// The text that the arguments ask for, or why the program refuses them.
fn text() -> Result<String, String> {
    let mut stack = false;
    let mut root = String::from(".");
    let mut count = None;

    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str().unwrap_or_default() {
            "--help" | "-h" => return Ok(format!("{USAGE}\n{HELP}")),
            "--version" | "-V" => return Ok(format!("gen {}\n", version())),
            "--stack" => stack = true,
            "--root" => root = directory(arguments.next())?,
            text if count.is_none() => count = Some(client_count(text)?),
            _ => return Err(usage(&format!("{argument:?}: unexpected argument"))),
        }
    }

    let clients = count.ok_or_else(|| usage("the number of clients is missing"))?;
    let number = clients.to_string();
    let root = escaped(&root);
    if stack {
        return Ok(fill(STACK, "@N@", &number, &root));
    }
    if clients > MAX_CLIENTS {
        return Err(format!(
            "{clients} clients: a Linux bridge network has 1023 ports and the server takes one, \
             so {MAX_CLIENTS} is the most for one machine; for more there is Docker Swarm: \
             ./generar-compose.sh --stack FILE {clients}"
        ));
    }
    let (head, tail) = COMPOSE.split_once("@CLIENTS@").expect("a place for the clients");
    let mut text = fill(head, "@N@", &number, &root);
    for id in 1..=clients {
        text += &fill(CLIENT, "@ID@", &id.to_string(), &root);
    }
    Ok(text + tail)
}

fn usage(reason: &str) -> String {
    format!("{reason}\n{USAGE}")
}

fn version() -> &'static str {
    option_env!("CARGO_PKG_VERSION").unwrap_or("(compiled without Cargo)")
}

fn directory(argument: Option<std::ffi::OsString>) -> Result<String, String> {
    let argument = argument.ok_or_else(|| usage("--root: DIR is missing"))?;
    match argument.into_string() {
        Ok(path) if Path::new(&path).is_absolute() => Ok(path),
        Ok(path) => Err(usage(&format!("--root: {path:?} is not an absolute path"))),
        Err(path) => Err(usage(&format!("--root: {path:?} is not UTF-8"))),
    }
}

/// Reads a plain decimal number.
fn client_count(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || text.starts_with('0') && text != "0" {
        return Err(usage(&format!("{text:?} is not a plain decimal number of clients")));
    }
    text.parse().map_err(|_| usage(&format!("{text} is too large a number of clients")))
}

/// A template with its values. It replaces @ROOT@ last, because a path may hold any text, a placeholder too.
fn fill(template: &str, placeholder: &str, number: &str, root: &str) -> String {
    template.replace(placeholder, number).replace("@ROOT@", root)
}

/// The inside of a double-quoted YAML scalar (YAML 1.2.2 §5.7). Docker's tools read `$$` as `$`.
fn escaped(path: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        '$' => "$$".to_owned(),
        _ if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        _ => c.to_string(),
    };
    path.trim_end_matches('/').chars().map(escape).collect()
}
