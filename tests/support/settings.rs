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

pub type Variables<'a> = [(&'a str, &'a str)];

pub fn server(path: &Path, variables: &Variables<'_>) -> Result<ServerConfig, String> {
    ServerConfig::load(path, &|name| look_up(variables, name))
}

pub fn client(path: &Path, variables: &Variables<'_>) -> Result<ClientConfig, String> {
    ClientConfig::load(path, &|name| look_up(variables, name))
}

fn look_up(variables: &Variables<'_>, name: &str) -> Option<OsString> {
    let mut values = variables.iter().filter(|(variable, _)| *variable == name);
    values.next().map(|(_, value)| value.into())
}
