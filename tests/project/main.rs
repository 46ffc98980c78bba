//! The project's own rules: who imports whom, what is where, and the table of log lines in docs/reference.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use support::client::client;
use support::directory;
use support::log_lines::table;
use support::program::Program;
use support::server::Server;

#[path = "../support/mod.rs"]
mod support;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program's sources by their paths below the root, without their tests.
fn sources() -> BTreeMap<String, String> {
    let mut paths = vec![PathBuf::from("server.rs"), "client.rs".into(), "gen.rs".into()];
    let mut directories = vec![PathBuf::from("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root().join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            if path.is_dir() { directories.push(path) } else { paths.push(path) }
        }
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap().to_owned();
        (path.to_str().unwrap().to_owned(), program)
    };
    paths.into_iter().map(read).collect()
}

/// The names that follow `prefix` in a text: `crate::` gives the modules that a file uses.
fn names_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = text.split(prefix).skip(1);
    rest.map(|rest| rest.split(|c| !is_name(c)).next().unwrap().to_owned()).collect()
}

/// Which modules each module uses. ARCHITECTURE.md shows the same arrows.
const ARROWS: [(&str, &[&str]); 10] = [
    ("server.rs", &["cli", "config", "escape", "log", "server", "sys"]),
    ("client.rs", &["cli", "client", "config", "escape", "log", "sys"]),
    ("gen.rs", &[]),
    ("server", &["config", "escape", "log", "sys"]),
    ("client", &["config", "escape", "log", "sys"]),
    ("cli", &["config"]),
    ("config", &["escape", "log"]),
    ("escape", &[]),
    ("log", &["sys"]),
    ("sys", &[]),
];

#[test]
fn modules_use_each_other_one_way() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources() {
        // A module is a file or a directory in src/.
        let module = path.trim_start_matches("src/").split('/').next().unwrap();
        let module = if path.starts_with("src/") { module.trim_end_matches(".rs") } else { module };
        let names = used.entry(module.to_owned()).or_default();
        names.extend(names_after(&text, "crate::"));
        names.extend(names_after(&text, "tp0::"));
    }
    used.remove("lib");
    let expected = ARROWS.iter().map(|(module, names)| {
        (module.to_string(), names.iter().map(|name| name.to_string()).collect())
    });
    assert_eq!(used, expected.collect());
}

#[test]
fn two_files_of_a_module_never_use_each_other() {
    let mut uses = BTreeSet::new();
    for (path, text) in sources() {
        let own = Path::new(&path).with_extension("");
        for name in names_after(&text, "super::") {
            uses.insert((own.clone(), own.with_file_name(name)));
        }
    }
    for (own, other) in &uses {
        assert!(!uses.contains(&(other.clone(), own.clone())), "{own:?} and {other:?}");
    }
}

#[test]
fn unsafe_files_and_the_environment_have_their_places() {
    for (path, text) in sources() {
        for (word, place) in [
            ("allow(unsafe_code)", "src/sys/"),
            ("std::fs", "src/config/"),
            ("env::var", "src/config/"),
        ] {
            assert!(!text.contains(word) || path.starts_with(place), "{path}: {word}");
        }
        assert!(!text.contains("println!"), "{path}: println! panics on a closed pipe");
    }
}

#[test]
fn the_program_depends_on_libc_alone() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let packages: Vec<_> = lock.lines().filter(|line| line.starts_with("name = ")).collect();
    assert_eq!(packages, ["name = \"libc\"", "name = \"tp0\""]);
}

/// `Program::wait` holds what the programs write against the table. This is for the rarest lines, by the text of their
/// format strings, and for rows of lines that nobody writes.
#[test]
fn the_table_of_log_lines_has_every_line_of_the_sources() {
    let reference = fs::read_to_string(root().join("docs/reference.md")).unwrap();
    let mut rows = BTreeSet::new();
    for row in table(&reference) {
        for program in &row.programs {
            assert!(rows.insert((*program, row.action, row.result)), "two rows: {row:?}");
        }
    }
    let mut lines = BTreeSet::new();
    let sources = sources();
    for (path, text) in &sources {
        let program = if path.contains("server") { "server" } else { "client" };
        for line in text.split("\"action: ").skip(1) {
            let (action, rest) = line.split_once(" | result: ").expect(line);
            let result = rest.split([' ', '"']).next().unwrap();
            // The name of what is closed is filled in when the client runs.
            let names: &[&str] = match action {
                "close_{resource}" => &["close_resolver", "close_connection", "close_eventfd"],
                _ => &[action],
            };
            lines.extend(names.iter().map(|action| (program, *action, result)));
        }
    }
    let (without_line, without_row) = (rows.difference(&lines), lines.difference(&rows));
    let different: Vec<_> = without_line.chain(without_row).collect();
    assert!(different.is_empty(), "in docs/reference.md or in the sources alone: {different:?}");
}

/// An ordinary run at DEBUG: nothing fails, and `config` is one line, whatever else the files hold.
#[test]
fn an_ordinary_run_at_debug() {
    let directory = directory("ordinary-run");
    fs::write(directory.join("config.ini"), "[DEFAULT]\nSERVER_IP = server\n").unwrap();
    fs::write(directory.join("config.yaml"), "batch:\n  maxAmount: 3\n").unwrap();
    let mut server = Server::command(&[("LOGGING_LEVEL", "DEBUG")]);
    let server = Server::from(Program::spawn(server.current_dir(&directory)));
    let address = format!("localhost:{}", server.address.port());
    let mut client = client(&address, "3", &[("CLI_LOG_LEVEL", "DEBUG")]);
    let client = Program::spawn(client.current_dir(&directory)).wait();
    server.program.wait_for_count("DEBUG    action: close_connection", 3);
    let (server, _) = server.program.stop();
    for (ended, key) in [(&client, "batch.maxamount"), (&server, "server_ip")] {
        assert!(ended.status.success(), "{ended:#?}");
        assert_eq!(ended.count("action: config | "), 1, "{ended:#?}");
        assert_eq!(ended.count("result: fail"), 0, "{ended:#?}");
        let ignored = format!("DEBUG    action: ignore_key | result: success | key: {key}");
        assert_eq!(ended.count(&ignored), 1, "{ended:#?}");
    }
    assert_eq!(client.count("DEBUG    action: close_connection"), 3, "{client:#?}");
    assert_eq!(client.count("DEBUG    action: close_resolver"), 3, "{client:#?}");
}
