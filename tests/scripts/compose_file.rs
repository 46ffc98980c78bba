//! The generator as a program: its output against golden files, its refusals word for word.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Output, Stdio};

const USAGE: &str = "usage: gen [--stack] [--root DIR] N\n";

fn gen_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gen"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    gen_command(arguments).output().expect("gen runs")
}

fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &[][..]),
        "{arguments:?}"
    );
    String::from_utf8(output.stdout).expect("gen prints UTF-8")
}

#[test]
fn prints_the_golden_files() {
    assert_eq!(printed(&["0"]), include_str!("../golden/compose-0.yaml"));
    assert_eq!(printed(&["2"]), include_str!("../golden/compose-2.yaml"));
    assert_eq!(printed(&["--stack", "0"]), include_str!("../golden/stack-0.yaml"));
    assert_eq!(printed(&["--stack", "2"]), include_str!("../golden/stack-2.yaml"));
}

/// Only the number differs, and no bridge limits it.
#[test]
fn a_stack_file_is_as_long_for_any_number_of_clients() {
    let two = printed(&["--stack", "2"]);
    for count in ["1", "1023", "18446744073709551615"] {
        let file = printed(&["--stack", count]);
        let expected = two.replace("and 2 clients", &format!("and {count} clients"));
        assert_eq!(file, expected.replace("REPLICAS-2", &format!("REPLICAS-{count}")));
    }
}

#[test]
fn the_most_clients_are_one_less_than_a_bridge_has_ports() {
    assert_eq!(printed(&["1022"]).matches("container_name: ").count(), 1023);
}

#[test]
fn sources_are_below_the_root() {
    let table = [
        ("/srv", "\"/srv/server/config.ini\""),
        ("/srv/", "\"/srv/server/config.ini\""),
        ("/", "\"/server/config.ini\""),
        ("/a b/$x \"y\" \\z #'\u{f1}", "\"/a b/$$x \\\"y\\\" \\\\z #'\u{f1}/server/config.ini\""),
        ("/a\n\u{85}\u{2028}", "\"/a\\u000a\\u0085\\u2028/server/config.ini\""),
    ];
    for (root, source) in table {
        let file = printed(&["--root", root, "1"]);
        assert!(file.contains(&format!("        source: {source}\n")), "{root:?}: {file}");
        assert!(!file.contains("./"), "{root:?}: {file}");
        let file = printed(&["--stack", "--root", root, "1"]);
        assert!(file.contains(&format!("    file: {source}\n")), "{root:?}: {file}");
        assert!(!file.contains("./"), "{root:?}: {file}");
    }
}

#[test]
fn help_and_version_are_asked_for() {
    for help in ["--help", "-h"] {
        assert!(printed(&[help]).starts_with(USAGE));
    }
    for version in ["--version", "-V"] {
        assert_eq!(printed(&[version]), concat!("gen ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn bad_usage_is_refused() {
    let table: [(&[&str], &str); 20] = [
        (&[], "the number of clients is missing"),
        (&[""], "\"\" is not a plain decimal number of clients"),
        (&["1.5"], "\"1.5\" is not a plain decimal number of clients"),
        (&["-1"], "\"-1\" is not a plain decimal number of clients"),
        (&["+3"], "\"+3\" is not a plain decimal number of clients"),
        (&["007"], "\"007\" is not a plain decimal number of clients"),
        (&["00"], "\"00\" is not a plain decimal number of clients"),
        (&[" 5"], "\" 5\" is not a plain decimal number of clients"),
        (&["\u{663}"], "\"\u{663}\" is not a plain decimal number of clients"),
        (&["a\nb"], "\"a\\nb\" is not a plain decimal number of clients"),
        (&["1", "2"], "\"2\": unexpected argument"),
        (&["--root", "3"], "--root: DIR and N must follow"),
        (&["--root", "/", "3", "4"], "--root: DIR and N must follow"),
        (&["--root", "tp0", "3"], "--root: \"tp0\" is not an absolute path"),
        (&["--root", "", "3"], "--root: \"\" is not an absolute path"),
        (&["--stack"], "the number of clients is missing"),
        (&["--stack", "007"], "\"007\" is not a plain decimal number of clients"),
        (
            &["--stack", "18446744073709551616"],
            "\"18446744073709551616\" is too large a number of clients",
        ),
        (&["2", "--stack"], "\"--stack\": unexpected argument"),
        (&["--stack", "--stack", "2"], "\"2\": unexpected argument"),
    ];
    for (arguments, reason) in table {
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr, format!("gen: {reason}\n{USAGE}"));
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(2), &[][..]),
            "{arguments:?}"
        );
    }
}

#[test]
fn more_clients_than_a_bridge_has_ports_for_are_refused() {
    for count in ["1023", "18446744073709551616"] {
        let output = run(&[count]);
        let reason = "a Linux bridge network has 1023 ports and the server takes one, \
                      so 1022 is the most for one machine; for more there is Docker Swarm: \
                      ./generar-compose.sh --stack FILE";
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr, format!("gen: {count} clients: {reason} {count}\n"));
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &[][..]));
    }
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").expect("Linux has /dev/full");
    let output = gen_command(&["2"]).stdout(full).output().expect("gen runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "gen: stdout: No space left on device (os error 28)\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    // More than a pipe holds, so that the write is under way when its reader leaves.
    let mut child = gen_command(&["1022"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("gen runs");
    let mut stdout = child.stdout.take().expect("stdout is a pipe");
    stdout.read_exact(&mut [0; 10]).expect("gen prints");
    drop(stdout);
    let output = child.wait_with_output().expect("gen ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &[][..]));
}
