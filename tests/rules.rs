//! The rules of the house, as tests: who may import whom, where `unsafe` may stand, what the program
//! depends on, how long a file may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source of the program, by its path below the root.
fn sources() -> BTreeMap<String, String> {
    let mut folders = vec![root().join("src")];
    let mut files: Vec<PathBuf> =
        ["server.rs", "client.rs", "gen.rs"].map(|f| root().join(f)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The part of a file that is not its tests.
fn program(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

/// The modules of the library that a file imports, from the `use` lines with `crate::` or `tp0::`.
fn imports(text: &str) -> Vec<String> {
    let uses = program(text).split("use ").skip(1).filter_map(|rest| rest.split_once(';'));
    let mut modules = Vec::new();
    for (path, _) in uses {
        let Some(rest) = path.strip_prefix("crate::").or_else(|| path.strip_prefix("tp0::")) else {
            continue;
        };
        let list = rest.strip_prefix('{').and_then(|list| list.strip_suffix('}')).unwrap_or(rest);
        let heads = if rest.starts_with('{') { list.split(", ").collect() } else { vec![list] };
        modules.extend(heads.iter().map(|head| head.split(':').next().unwrap().trim().to_owned()));
    }
    modules
}

/// What each module may import. Whoever adds an arrow adds it here, and to ARCHITECTURE.md.
const ARROWS: [(&str, &[&str]); 24] = [
    ("server.rs", &["cli", "config", "log", "signal", "socket", "sys", "worker"]),
    ("client.rs", &["cli", "config", "delivery", "duration", "log", "signal"]),
    ("gen.rs", &[]),
    ("src/lib.rs", &[]),
    ("src/cli.rs", &["config"]),
    ("src/config", &["document", "duration", "ini", "log", "yaml"]),
    (
        "src/worker",
        &["config", "connection", "duration", "epoll", "log", "poll", "signal", "socket", "table"],
    ),
    (
        "src/delivery.rs",
        &[
            "backoff", "config", "duration", "exchange", "log", "poll", "resolver", "signal",
            "socket",
        ],
    ),
    ("src/connection.rs", &[]),
    ("src/exchange.rs", &["log"]),
    ("src/table.rs", &[]),
    ("src/backoff.rs", &[]),
    ("src/resolver.rs", &[]),
    ("src/document.rs", &[]),
    ("src/ini.rs", &["document"]),
    ("src/yaml", &["document"]),
    ("src/duration.rs", &[]),
    ("src/log.rs", &["sys"]),
    ("src/signal.rs", &["sys"]),
    ("src/epoll.rs", &["sys"]),
    ("src/poll.rs", &["sys"]),
    ("src/socket.rs", &["sys"]),
    ("src/sys.rs", &[]),
    ("src/unwind.rs", &[]),
];

#[test]
fn arrows_run_one_way() {
    for (name, text) in sources() {
        let is_of = |module: &str| {
            name == module
                || name.starts_with(&format!("{module}/"))
                || name == format!("{module}.rs")
        };
        let Some((module, allowed)) = ARROWS.iter().find(|(module, _)| is_of(module)) else {
            panic!("{name}: say in tests/rules.rs what it may import");
        };
        let own = module.trim_start_matches("src/");
        for import in imports(&text) {
            let good = import == own || allowed.contains(&import.as_str());
            assert!(good, "{name} imports {import}");
        }
    }
}

#[test]
fn unsafe_stands_in_six_modules_only() {
    let allowed = [
        "src/epoll.rs",
        "src/poll.rs",
        "src/signal.rs",
        "src/socket.rs",
        "src/sys.rs",
        "src/unwind.rs",
    ];
    for (name, text) in sources() {
        let has_it = text.contains("allow(unsafe_code)") || text.contains("unsafe {");
        assert_eq!(has_it, allowed.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn config_alone_opens_files_and_reads_the_environment() {
    for (name, text) in sources() {
        for forbidden in ["std::fs", "env::var", "File::open"] {
            let allowed = name == "src/config.rs";
            assert!(allowed || !program(&text).contains(forbidden), "{name}: {forbidden}");
        }
    }
}

#[test]
fn std_writes_to_stdout_only_where_a_text_is_asked_for() {
    for (name, text) in sources() {
        assert!(!program(&text).contains("println!"), "{name}: println! panics on a closed pipe");
        let allowed = ["src/cli.rs", "gen.rs"].contains(&name.as_str());
        assert!(allowed || !program(&text).contains("io::stdout"), "{name}");
    }
}

#[test]
fn the_program_depends_on_libc_alone() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let packages: Vec<_> = lock.lines().filter(|line| line.starts_with("name = ")).collect();
    assert_eq!(packages, ["name = \"libc\"", "name = \"tp0\""]);
}

#[test]
fn files_are_short() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= 300, "{name} has {lines} lines");
    }
}

/// Both languages show the same commands and the same settings.
#[test]
fn the_readmes_say_the_same() {
    let blocks = |name: &str| {
        let text = fs::read_to_string(root().join(name)).unwrap();
        let code: Vec<_> = text.split("```").skip(1).step_by(2).map(str::to_owned).collect();
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let keys: Vec<_> = rows.map(|row| row.split(" | ").next().unwrap().to_owned()).collect();
        (code, keys)
    };
    let (english, spanish) = (blocks("README.md"), blocks("README.es.md"));
    assert!(english.0.len() >= 5 && english.1.len() >= 14);
    assert_eq!(english, spanish);
}
