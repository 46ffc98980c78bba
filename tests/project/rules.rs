//! The rules of the sources, as tests: who imports whom, where `unsafe` stands, how long a file is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Not what a build has left there.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let (mut directories, mut files) = (vec![directory.to_owned()], Vec::new());
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("target") => {}
                true => directories.push(path),
                false => files.push(path),
            }
        }
    }
    files
}

/// Texts by their paths below the root.
fn texts(paths: impl Iterator<Item = PathBuf>) -> BTreeMap<String, String> {
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    paths.map(|path| (name(&path), fs::read_to_string(path).unwrap())).collect()
}

/// Every source of the program.
fn sources() -> BTreeMap<String, String> {
    let programs = ["server.rs", "client.rs", "gen.rs"].map(|file| root().join(file));
    texts(files_below(&root().join("src")).into_iter().chain(programs))
}

/// The part of a file that is not its tests.
fn program(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

/// The top-level module of a file: its directory below src/, or its own name.
fn top(name: &str) -> &str {
    let path = name.strip_prefix("src/").unwrap_or(name);
    path.split_once('/').map_or(path.trim_end_matches(".rs"), |(top, _)| top)
}

/// What a file imports, from its `use` lines: `sys::poll`, with the top-level module first.
fn imports(name: &str, text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for rest in program(text).split("use ").skip(1) {
        let path = rest.split(';').next().unwrap();
        let inside = path.strip_prefix("super::").or_else(|| path.strip_prefix("self::"));
        let outside = path.strip_prefix("crate::").or_else(|| path.strip_prefix("tp0::"));
        let Some(path) =
            inside.map(|path| format!("{}::{path}", top(name))).or(outside.map(str::to_owned))
        else {
            continue;
        };
        let (head, list) = path.split_once('{').unwrap_or((&path, ""));
        match list.trim_end_matches('}') {
            "" => paths.push(path),
            list => paths.extend(list.split(", ").map(|item| format!("{head}{item}"))),
        }
    }
    paths
}

/// Which modules each module uses, as ARCHITECTURE.md's picture has them too.
const ARROWS: [(&str, &[&str]); 9] = [
    ("server.rs", &["cli", "config", "log", "server", "sys"]),
    ("client.rs", &["cli", "client", "config", "log", "sys"]),
    ("gen.rs", &[]),
    ("server", &["config", "log", "sys"]),
    ("client", &["config", "log", "sys"]),
    ("cli", &["config"]),
    ("config", &["log"]),
    ("log", &["sys"]),
    ("sys", &[]),
];

#[test]
fn arrows_between_modules_are_these() {
    let mut arrows: BTreeMap<_, BTreeSet<_>> =
        ARROWS.iter().map(|(own, _)| (own.to_string(), BTreeSet::new())).collect();
    for (name, text) in sources().iter().filter(|(name, _)| *name != "src/lib.rs") {
        let own = if name.starts_with("src/") { top(name) } else { name };
        let used =
            imports(name, text).into_iter().map(|path| path.split(':').next().unwrap().into());
        arrows.get_mut(own).expect(name).extend(used.filter(|to: &String| to != own));
    }
    for (own, expected) in ARROWS {
        assert!(arrows[own].iter().eq(expected), "{own} uses {:?}", arrows[own]);
    }
}

/// ARCHITECTURE.md's picture has these arrows, and its table every file.
#[test]
fn architecture_shows_the_modules_as_they_are() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let part = |title| text.split("## ").find(|part| part.starts_with(title)).unwrap();
    let shown = part("The arrows").lines().filter(|line| line.contains(" --> ")).map(str::trim);
    let used = ARROWS.iter().filter(|(_, used)| !used.is_empty());
    let arrow = |(own, used): &(&str, &[&str])| format!("{own} --> {}", used.join(" & "));
    let arrows: Vec<_> = used.map(arrow).map(|line| line.replace(".rs", "_rs")).collect();
    assert_eq!(shown.collect::<Vec<_>>(), arrows);
    let paths: Vec<_> = part("The files").split('`').skip(1).step_by(2).collect();
    for name in sources().into_keys().filter(|name| !name.ends_with("/mod.rs")) {
        let is_it = |path: &&str| name == **path || path.ends_with('/') && name.starts_with(*path);
        assert!(paths.iter().any(is_it), "{name} is not in the table");
    }
    for path in paths.iter().filter(|path| path.ends_with(".rs") || path.ends_with('/')) {
        assert!(root().join(path).exists(), "{path} is in the table, and nowhere else");
    }
}

/// A file's name as a module: `config::yaml::scalar`; of a mod.rs, its directory's.
fn module(name: &str) -> String {
    let path = name.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.replace('/', "::")
}

/// The modules that `own` names, in a `use` or in a longer path, from the root of the crate.
fn used(own: &str, text: &str, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let code = program(text).lines().filter(|line| !line.trim_start().starts_with("//"));
    let words =
        code.flat_map(|line| line.split(|c: char| !(c.is_alphanumeric() || "_:".contains(c))));
    let mut used = BTreeSet::new();
    for word in words.filter(|word| word.contains("::")) {
        let (mut base, mut path) = (own, word.trim_start_matches("self::"));
        while let Some(rest) = path.strip_prefix("super::") {
            base = base.rsplit_once("::").map_or("", |(parent, _)| parent);
            path = rest;
            assert!(!path.is_empty(), "{own}: a line for each module, not super::{{…}}");
        }
        let mut module = base.to_owned();
        if let Some(rest) = path.strip_prefix("crate::") {
            (module, path) = (String::new(), rest);
        }
        for part in path.split("::") {
            let inner = format!("{module}::{part}").trim_start_matches("::").to_owned();
            if !modules.contains(&inner) {
                break;
            }
            module = inner;
        }
        used.insert(module);
    }
    used.remove(own);
    used
}

#[test]
fn inside_a_module_arrows_run_one_way() {
    let sources = sources();
    let sources = sources.iter().filter(|(name, _)| name.starts_with("src/"));
    let texts: BTreeMap<_, _> = sources.map(|(name, text)| (module(name), text)).collect();
    let modules = texts.keys().cloned().collect();
    let mut arrows: BTreeMap<_, _> =
        texts.iter().map(|(own, text)| (own, used(own, text, &modules))).collect();
    for (own, targets) in &mut arrows {
        let top = own.split("::").next();
        targets.retain(|target| target.split("::").next() == top);
    }
    assert!(arrows.values().filter(|targets| !targets.is_empty()).count() > 10);
    for start in texts.keys() {
        let (mut reached, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(own) = next.pop() {
            next.extend(arrows[own].iter().filter(|target| reached.insert(*target)));
        }
        assert!(!reached.contains(start), "{start} uses itself by way of {reached:?}");
    }
}

#[test]
fn unsafe_stands_in_sys_only() {
    for (name, text) in sources() {
        let has_it = text.contains("allow(unsafe_code)") || text.contains("unsafe {");
        assert!(!has_it || name.starts_with("src/sys/"), "{name}");
    }
}

#[test]
fn config_alone_opens_files_and_reads_the_environment() {
    for (name, text) in sources() {
        for forbidden in ["std::fs", "env::var", "File::open"] {
            let allowed = name.starts_with("src/config/");
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
    let is_code = |path: &PathBuf| {
        let kind = path.extension().unwrap_or_default();
        ["rs", "py", "sh", "c", "go"].iter().any(|code| kind == *code)
    };
    let others = texts(files_below(&root().join("tests")).into_iter().filter(is_code));
    assert!(others.len() > 60, "{}", others.len());
    let program = sources().into_iter().map(|file| (file, 250));
    for ((name, text), limit) in program.chain(others.into_iter().map(|file| (file, 280))) {
        let lines = text.lines().count();
        assert!(lines <= limit, "{name} has {lines} lines, {limit} at the most: split it");
    }
}

/// A script with CRLF does not start: what a clone with `core.autocrlf=true` holds has LF.
#[test]
fn text_has_lf_in_every_clone() {
    let clone = Path::new(env!("CARGO_TARGET_TMPDIR")).join("autocrlf/");
    let _ = fs::remove_dir_all(&clone);
    let prefix = format!("--prefix={}", clone.display());
    let mut git = Command::new("git");
    git.args(["-c", "core.autocrlf=true", "checkout-index", "--all", &prefix]).current_dir(root());
    let made = git.output();
    if !made.as_ref().is_ok_and(|made| made.status.success()) {
        // Not eprintln!, which a test's success hides.
        let _ = writeln!(io::stderr(), "NOT TESTED: line ends in a clone: {made:?}");
        return;
    }
    let mut scripts = 0;
    for path in files_below(&clone) {
        let bytes = fs::read(&path).unwrap();
        scripts += usize::from(bytes.starts_with(b"#!"));
        let text = !bytes.contains(&0) && !path.starts_with(clone.join("fuzz/seeds"));
        assert!(!text || !bytes.contains(&b'\r'), "{}", path.display());
    }
    assert!(scripts >= 8, "{scripts} scripts in {}", clone.display());
    let help = Command::new(clone.join("generar-compose.sh")).arg("--help").output().unwrap();
    assert!(help.status.success(), "{help:?}");
}
