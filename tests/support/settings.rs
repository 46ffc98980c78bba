//! A settings file that a test writes, and the settings that both programs read from it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tp0::config::{ClientConfig, ServerConfig};

use super::directory;

pub const INI: &str = "[DEFAULT]
SERVER_PORT = 12345
SERVER_LISTEN_BACKLOG = 5
LOGGING_LEVEL = INFO
";

pub const YAML: &str = "id: 7
server:
  address: server:12345
loop:
  amount: 5
  period: 5s
log:
  level: info
";

pub fn file(test: &str, text: &str) -> PathBuf {
    let path = directory(test).join("settings");
    std::fs::write(&path, text).expect("a settings file");
    path
}

pub fn server(path: &Path, variables: &[(&str, &str)]) -> Result<ServerConfig, String> {
    ServerConfig::load(path, &|name| look_up(variables, name))
}

pub fn client(path: &Path, variables: &[(&str, &str)]) -> Result<ClientConfig, String> {
    ClientConfig::load(path, &|name| look_up(variables, name))
}

fn look_up(variables: &[(&str, &str)], name: &str) -> Option<OsString> {
    let (_, value) = variables.iter().find(|(variable, _)| *variable == name)?;
    Some(value.into())
}
