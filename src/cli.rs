//! The command line of the server and the client, and their exit statuses.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{Setting, Table};

/// Why a program ends with a status other than 0.
#[derive(Debug)]
pub struct Failure {
    status: u8,
    /// None if the log says it.
    reason: Option<String>,
}

impl Failure {
    /// Bad usage or settings.
    pub fn usage(reason: impl Into<String>) -> Self {
        Self { status: 2, reason: Some(reason.into()) }
    }

    /// The work failed.
    pub fn work(reason: impl Into<String>) -> Self {
        Self { status: 1, reason: Some(reason.into()) }
    }

    /// The work failed, and the log says why.
    pub fn logged() -> Self {
        Self { status: 1, reason: None }
    }
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Run, with this settings file.
    Run(PathBuf),
    Help,
    Version,
}

/// Reads the arguments, without the program's name. Without `--config`, the path is `default`.
pub fn parse(
    mut arguments: impl Iterator<Item = OsString>,
    default: &str,
) -> Result<Request, Failure> {
    let mut config = PathBuf::from(default);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Request::Help),
            Some("--version" | "-V") => return Ok(Request::Version),
            Some("--config") => {
                let path = arguments.next().filter(|path| !path.is_empty());
                let path = path.ok_or_else(|| Failure::usage("--config: a path must follow"))?;
                config = path.into();
            }
            _ => return Err(Failure::usage(format!("{argument:?}: unknown argument, see --help"))),
        }
    }
    Ok(Request::Run(config))
}

/// What `--help` prints: `about`, a line for each setting, the exit statuses.
pub fn help(about: &str, table: Table) -> String {
    let mut text = format!("{about}\n");
    for Setting { key, default, help } in table.rows {
        let variable = table.variable(key);
        text += &format!("\n  {variable:22}  ");
        if variable != *key {
            text += &format!("{key:14}  ");
        }
        text += help;
        if let Some(default) = default {
            text += &format!(" [{default}]");
        }
    }
    text + "\n
Exit status: 0 done or asked to stop, 1 the work failed, 2 bad usage or settings."
}

/// Prints the answer to `--help` or `--version`.
pub fn print(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::work(format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// The status that `main` returns. A failure is one line on stderr.
pub fn exit(result: Result<(), Failure>) -> ExitCode {
    let Err(Failure { status, reason }) = result else {
        return ExitCode::SUCCESS;
    };
    if let Some(reason) = reason {
        // If stderr is broken too, there is nobody to tell.
        let _ = writeln!(io::stderr(), "{reason}");
    }
    ExitCode::from(status)
}
