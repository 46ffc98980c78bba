//! The table of settings in `src/config/`: each row is read, and docs/reference.md and `--help` have it.

use std::ffi::OsString;
use std::path::Path;

use crate::support::program::{CLIENT, Program, SERVER, command};

use tp0::config::{ClientConfig, Environment, ServerConfig, Setting, Table};

const NOWHERE: &str = "nowhere/config";

/// Why a program's settings are refused, with this environment and no file.
type Refusal = fn(Environment<'_>) -> Option<String>;

/// The table of each program.
const TABLES: [(&str, Table, Refusal); 2] = [
    (SERVER, ServerConfig::SETTINGS, |lookup| ServerConfig::load(Path::new(NOWHERE), lookup).err()),
    (CLIENT, ClientConfig::SETTINGS, |lookup| ClientConfig::load(Path::new(NOWHERE), lookup).err()),
];

fn good_value(variable: &str) -> Option<OsString> {
    let value = match variable {
        "SERVER_PORT" | "SERVER_LISTEN_BACKLOG" | "CLI_ID" | "CLI_LOOP_AMOUNT" => "1",
        "LOGGING_LEVEL" | "CLI_LOG_LEVEL" => "INFO",
        "CLI_SERVER_ADDRESS" => "server:1",
        "CLI_LOOP_PERIOD" => "1s",
        _ => return None,
    };
    Some(value.into())
}

/// A value that no setting takes is refused whichever of them has it: so each row is read.
#[test]
fn each_row_is_read() {
    for (program, table, load) in TABLES {
        assert_eq!(load(&good_value), None, "{program}: the defaults are good");
        for Setting { key, default, .. } in table.rows {
            let variable = table.variable(key);
            let bad = |name: &str| {
                if name == variable { Some("\u{7}".into()) } else { good_value(name) }
            };
            let place = format!("environment: {variable}: ");
            let refusal =
                load(&bad).unwrap_or_else(|| format!("{key} in the table: load does not read it"));
            assert!(refusal.starts_with(&place), "{refusal}");
            let unset = |name: &str| good_value(name).filter(|_| name != variable);
            let is_refused = load(&unset).is_some_and(|refusal| refusal.contains(": required, "));
            assert_eq!(is_refused, default.is_none(), "{key}: required, or a default");
        }
    }
}

#[test]
fn help_has_every_row() {
    for (program, table, _) in TABLES {
        let help = Program::spawn(command(program, &[]).arg("--help")).wait();
        let lines: Vec<String> = help.lines.iter().map(|line| single_spaced(line)).collect();
        for Setting { key, default, help: meaning } in table.rows {
            let variable = table.variable(key);
            let names =
                if *key == variable { key.to_string() } else { format!("{variable} {key}") };
            let default = default.map_or(String::new(), |default| format!(" [{default}]"));
            let expected = format!("{names} {meaning}{default}");
            assert!(lines.contains(&expected), "{program} --help has no {expected:?}: {lines:#?}");
        }
    }
}

fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// docs/reference.md has the rows of the tables, in their order, and begins each meaning as `--help` does.
#[test]
fn the_reference_has_every_row() {
    let text = include_str!("../../docs/reference.md");
    for (heading, (_, table, _)) in ["| server · ", "| client · "].into_iter().zip(TABLES) {
        let lines = text.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
        let rows: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        for (Setting { key, default, help }, row) in table.rows.iter().zip(&rows) {
            let variable = match table.variable(key) {
                variable if variable == *key => String::new(),
                variable => format!(" `{variable}` |"),
            };
            let default = match default {
                None => "required".to_owned(),
                Some(value) => format!("`{value}`"),
            };
            let expected = format!("| `{key}` |{variable} {default} | {help}");
            assert!(row.starts_with(&expected), "{row}\nin place of\n{expected}");
        }
        assert_eq!(rows.len(), table.rows.len(), "{heading}");
    }
}
