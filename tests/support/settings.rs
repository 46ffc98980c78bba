//! A settings file as a test writes it, and both programs' settings as they are read from it.

use std::collections::HashMap;
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

pub type Variables = [(&'static str, &'static str)];

pub fn lookup(variables: &Variables) -> impl Fn(&str) -> Option<OsString> {
    let map: HashMap<_, _> = variables.iter().copied().collect();
    move |name| map.get(name).map(OsString::from)
}

pub fn server(path: &Path, variables: &Variables) -> Result<ServerConfig, String> {
    ServerConfig::load(path, &lookup(variables)).map_err(|error| error.to_string())
}

pub fn client(path: &Path, variables: &Variables) -> Result<ClientConfig, String> {
    ClientConfig::load(path, &lookup(variables)).map_err(|error| error.to_string())
}
