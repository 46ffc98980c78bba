//! The tables of settings in `src/config/`: `--help` and docs/reference.md have each row.

use crate::support::program::{CLIENT, Program, SERVER, command};

use tp0::config::{ClientConfig, ServerConfig, Setting};

#[test]
fn help_has_every_row() {
    for (program, table) in [(SERVER, ServerConfig::SETTINGS), (CLIENT, ClientConfig::SETTINGS)] {
        let lines = Program::spawn(command(program, &[]).arg("--help")).wait().lines;
        for Setting { key, default, help } in table.rows {
            let names = [format!(" {} ", table.variable(key)), format!(" {key} ")];
            let default = default.map_or(String::new(), |default| format!(" [{default}]"));
            let end = format!("  {help}{default}");
            let is_row = |line: &String| {
                names.iter().all(|name| line.contains(name)) && line.ends_with(&end)
            };
            assert!(lines.iter().any(is_row), "{program} --help: {names:?}{end}: {lines:#?}");
        }
    }
}

/// docs/reference.md has the rows of the tables, in their order, and begins each meaning as `--help` does.
#[test]
fn the_reference_has_every_row() {
    let text = include_str!("../../docs/reference.md");
    let tables = [("| server · ", ServerConfig::SETTINGS), ("| client · ", ClientConfig::SETTINGS)];
    for (heading, table) in tables {
        let lines = text.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
        let rows: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        for (Setting { key, default, help }, row) in table.rows.iter().zip(&rows) {
            let variable = table.variable(key);
            let names = if *key == variable { "" } else { &format!(" `{variable}` |") };
            let default = default.map_or("required".to_owned(), |value| format!("`{value}`"));
            let expected = format!("| `{key}` |{names} {default} | {help}");
            let found = row.starts_with(&expected);
            assert!(found, "docs/reference.md has\n{row}\nin place of\n{expected}");
        }
        let (found, expected) = (rows.len(), table.rows.len());
        assert_eq!(found, expected, "docs/reference.md: rows of the table {heading}");
    }
}
