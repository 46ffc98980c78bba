//! The command line of the server and the client, and their exit statuses.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{ConfigError, Setting};

/// Why a program ends with a status other than 0.
#[derive(Debug)]
pub enum Failure {
    /// Bad usage: status 2.
    Usage(String),
    /// Bad settings: status 2.
    Config(ConfigError),
    /// The work failed: status 1.
    Work(String),
    /// The work failed, and the log says why: status 1.
    Logged,
}

impl Failure {
    fn status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Config(_) => 2,
            Self::Work(_) | Self::Logged => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(reason) | Self::Work(reason) => f.write_str(reason),
            Self::Config(error) => error.fmt(f),
            Self::Logged => Ok(()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Run, with the settings file that `--config` names.
    Run {
        config: Option<PathBuf>,
    },
    Help,
    Version,
}

/// Reads the arguments, without the program's name. The last `--config` counts.
pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Request, Failure> {
    let mut config = None;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Request::Help),
            Some("--version" | "-V") => return Ok(Request::Version),
            Some("--config") => match arguments.next() {
                Some(path) if !path.is_empty() => config = Some(path.into()),
                _ => return Err(Failure::Usage("--config: a path must follow".to_owned())),
            },
            _ => match argument.to_str().and_then(|text| text.strip_prefix("--config=")) {
                Some(path) if !path.is_empty() => config = Some(path.into()),
                _ => {
                    let reason = format!("{argument:?}: unknown argument, see --help");
                    return Err(Failure::Usage(reason));
                }
            },
        }
    }
    Ok(Request::Run { config })
}

/// What `--help` prints: `about`, a line for each setting, the exit statuses.
pub fn help(about: &str, settings: &[Setting]) -> String {
    let width = settings.iter().map(|row| row.variable.len()).max().unwrap_or_default();
    let mut text = format!("{about}\n");
    for Setting { key, variable, default, help } in settings {
        text += &format!("\n  {variable:width$}  ");
        if key != variable {
            text += &format!("{key:14}  ");
        }
        text += help;
        text += &default.map(|default| format!(" [{default}]")).unwrap_or_default();
    }
    text + "\n\nExit status: 0 done or asked to stop, 1 the work failed, 2 bad usage or settings."
}

/// Prints a text that was asked for.
pub fn print(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Work(format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// The end of `main`: a failure as one line on stderr, and the status.
pub fn exit(result: Result<(), Failure>) -> ExitCode {
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    let line = failure.to_string();
    if !line.is_empty() {
        // Nobody is left to tell when stderr is broken too.
        let _ = writeln!(io::stderr(), "{line}");
    }
    ExitCode::from(failure.status())
}
