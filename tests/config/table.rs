//! The table of settings in `src/config/`: each row is read, and both READMEs and `--help` have it.

use std::ffi::OsString;
use std::path::Path;

use crate::support::program::{CLIENT, Program, SERVER, command};

use tp0::config::{ClientConfig, Environment, ServerConfig, Setting};

const NOWHERE: &str = "nowhere/config";

/// Why a program's settings are refused, with this environment and no file.
type Refusal = fn(Environment<'_>) -> Option<String>;

/// The table of each program.
const TABLES: [(&str, &[Setting], Refusal); 2] = [
    (SERVER, ServerConfig::SETTINGS, |lookup| {
        ServerConfig::load(Path::new(NOWHERE), lookup).err().map(|error| error.to_string())
    }),
    (CLIENT, ClientConfig::SETTINGS, |lookup| {
        ClientConfig::load(Path::new(NOWHERE), lookup).err().map(|error| error.to_string())
    }),
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
    for (_, table, load) in TABLES {
        assert_eq!(load(&good_value), None, "the defaults are good");
        for Setting { key, variable, default, .. } in table {
            let bad = |name: &str| {
                if name == *variable { Some("\u{7}".into()) } else { good_value(name) }
            };
            let refusal = load(&bad).unwrap_or_default();
            assert!(refusal.starts_with(&format!("environment: {variable}: ")), "{key}: {refusal}");
            let unset = |name: &str| good_value(name).filter(|_| name != *variable);
            let missing = format!(
                "{NOWHERE}: {key}: required, and set neither here (there is no such file) nor in the environment as {variable}"
            );
            assert_eq!(load(&unset), default.is_none().then_some(missing));
        }
    }
}

#[test]
fn help_has_every_row() {
    for (program, table, _) in TABLES {
        let help = Program::spawn(command(program, &[]).arg("--help")).wait();
        for Setting { key, variable, default, help: meaning } in table {
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let names = if key == variable { key.to_string() } else { format!("{variable} {key}") };
            let default = default.map_or(String::new(), |default| format!("[{default}]"));
            let expected = words(&format!("{names} {meaning} {default}"));
            assert!(
                help.lines.iter().any(|line| words(line) == expected),
                "{expected:?} in {help:#?}"
            );
        }
    }
}

/// Same rows, in the same order, with the same names and defaults. In English the meaning begins as in `--help`.
#[test]
fn both_readmes_have_every_row() {
    let readmes = [
        (
            include_str!("../../README.md"),
            "",
            "required",
            "| server, file and environment |",
            "| client, file |",
        ),
        (
            include_str!("../../README.es.md"),
            ".es",
            "obligatorio",
            "| servidor, archivo y entorno |",
            "| cliente, archivo |",
        ),
    ];
    for (text, language, required, server, client) in readmes {
        for (start, (_, table, _)) in [server, client].into_iter().zip(TABLES) {
            let lines = text.lines().skip_while(|line| !line.starts_with(start)).skip(2);
            let rows: Vec<Vec<_>> = lines
                .take_while(|line| !line.is_empty())
                .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
                .collect();
            let names = |keys: Vec<&str>| keys.join(" ");
            let (found, expected) =
                (rows.iter().map(|row| row[0].trim_matches('`')), table.iter().map(|row| row.key));
            assert_eq!(
                names(found.collect()),
                names(expected.collect()),
                "README{language}.md, {start}"
            );
            for (row, Setting { key, variable, default, help }) in rows.iter().zip(table) {
                let mut names = vec![format!("`{key}`")];
                if key != variable {
                    names.push(format!("`{variable}`"));
                }
                let (first, rest) = row.split_at(names.len());
                assert_eq!(first, names);
                match default {
                    None => assert_eq!(rest[0], required, "{key}"),
                    // In words, which are translated.
                    Some(words) if words.contains(' ') => assert!(!rest[0].contains('`'), "{key}"),
                    Some(value) => assert_eq!(rest[0], format!("`{value}`"), "{key}"),
                }
                let is_english = required == "required";
                assert!(!is_english || rest[1].starts_with(help), "{key}: {} / {help}", rest[1]);
            }
        }
    }
}
