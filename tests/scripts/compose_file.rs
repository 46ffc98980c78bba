//! The generator as a program: its output against golden files, and what it refuses.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::scripts::{Ended, ended};

fn gen_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gen"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Ended {
    ended(gen_command(arguments).output().unwrap())
}

fn printed(arguments: &[&str]) -> String {
    let done = run(arguments);
    assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{arguments:?}");
    done.stdout
}

/// `RENEW=1 cargo test --test scripts golden` writes the files again.
#[test]
fn prints_the_golden_files() {
    for (name, arguments) in [
        ("compose-0.yaml", &["0"][..]),
        ("compose-2.yaml", &["2"]),
        ("stack-0.yaml", &["--stack", "0"]),
        ("stack-2.yaml", &["--stack", "2"]),
    ] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        let text = printed(arguments);
        if std::env::var_os("RENEW").is_some() {
            fs::write(&golden, &text).unwrap();
        }
        let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&actual, text).unwrap();
        let diff = ended(Command::new("diff").arg("-u").args([&golden, &actual]).output().unwrap());
        assert!(
            diff.status == 0,
            "gen {arguments:?} does not print tests/golden/{name}; if the new text is right: \
             RENEW=1 cargo test --test scripts golden\n{}",
            diff.stdout
        );
    }
}

/// Only the number differs, and no bridge limits it.
#[test]
fn a_stack_file_is_as_long_for_any_number_of_clients() {
    let two = printed(&["--stack", "2"]);
    let many =
        two.replace("and 2 clients", "and 5000 clients").replace("REPLICAS-2", "REPLICAS-5000");
    assert_eq!(printed(&["--stack", "5000"]), many);
}

#[test]
fn sources_are_below_the_root() {
    for (root, source) in [
        ("/srv/", "\"/srv/server/config.ini\""),
        ("/", "\"/server/config.ini\""),
        ("/a b/$x \"y\" \\z #'\u{f1}", "\"/a b/$$x \\\"y\\\" \\\\z #'\u{f1}/server/config.ini\""),
        ("/a\n@N@", "\"/a\\u000a@N@/server/config.ini\""),
    ] {
        for (arguments, key) in
            [(&["--root", root, "1"][..], "source"), (&["--stack", "--root", root, "1"], "file")]
        {
            let file = printed(arguments);
            assert!(file.contains(&format!(" {key}: {source}\n")), "{root:?}: {file}");
            assert!(!file.contains("./"), "{root:?}: {file}");
        }
    }
}

#[test]
fn bad_usage_is_refused() {
    assert!(printed(&["--help"]).starts_with("usage: gen "));
    assert_eq!(printed(&["--version"]), concat!("gen ", env!("CARGO_PKG_VERSION"), "\n"));
    let table: [(&[&str], &str); 14] = [
        (&[], "the number of clients is missing"),
        (&["--stack"], "the number of clients is missing"),
        (&[""], "\"\" is not a plain decimal number of clients"),
        (&["1.5"], "\"1.5\" is not a plain decimal number of clients"),
        (&["-1"], "\"-1\" is not a plain decimal number of clients"),
        (&["+3"], "\"+3\" is not a plain decimal number of clients"),
        (&["007"], "\"007\" is not a plain decimal number of clients"),
        (&[" 5"], "\" 5\" is not a plain decimal number of clients"),
        (&["\u{663}"], "\"\u{663}\" is not a plain decimal number of clients"),
        (&["18446744073709551616"], "18446744073709551616 is too large a number of clients"),
        (&["1", "2"], "\"2\": unexpected argument"),
        (&["--root"], "--root: DIR is missing"),
        (&["--root", "tp0", "3"], "--root: \"tp0\" is not an absolute path"),
        (&["--root", "", "3"], "--root: \"\" is not an absolute path"),
    ];
    for (arguments, reason) in table {
        let done = run(arguments);
        let stderr = format!("gen: {reason}\nusage: gen [--stack] [--root DIR] N\n");
        assert_eq!(
            (done.status, done.stdout, done.stderr),
            (2, String::new(), stderr),
            "{arguments:?}"
        );
    }
}

#[test]
fn the_most_clients_are_one_less_than_a_bridge_has_ports() {
    assert_eq!(printed(&["1022"]).matches("container_name: ").count(), 1023);
    let done = run(&["1023"]);
    assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{done:?}");
    assert!(
        done.stderr.starts_with("gen: 1023 clients: a Linux bridge network has 1023 ports"),
        "{done:?}"
    );
    assert!(done.stderr.ends_with(" ./generar-compose.sh --stack FILE 1023\n"), "{done:?}");
}

#[test]
fn only_a_reader_that_goes_away_may_miss_some_of_it() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let done = ended(gen_command(&["2"]).stdout(full).output().unwrap());
    let stderr = "gen: stdout: No space left on device (os error 28)\n";
    assert_eq!((done.status, done.stderr.as_str()), (1, stderr));

    // More than a pipe holds, so that the write is under way when its reader leaves.
    let mut child = gen_command(&["1022"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    let done = ended(child.wait_with_output().unwrap());
    assert_eq!((done.status, done.stderr.as_str()), (0, ""));
}
