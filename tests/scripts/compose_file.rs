//! The generator as a program: its output against golden files, and what it refuses.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::scripts::{GEN, ended, gen_prints};

/// It checks that gen prints nothing but this refusal.
fn assert_refused(arguments: &[&str], refusal: &str) {
    let done = ended(Command::new(GEN).args(arguments));
    assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
    assert_eq!(done.stderr, format!("gen: {refusal}\n"), "{arguments:?}");
}

#[test]
fn prints_the_golden_files() {
    for (name, arguments) in [("compose-1.yaml", &["1"][..]), ("stack-2.yaml", &["--stack", "2"])] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        let text = gen_prints(arguments);
        if std::env::var_os("RENEW").is_some() {
            fs::write(&golden, &text).unwrap();
        }
        assert!(
            text == fs::read_to_string(golden).unwrap(),
            "gen {arguments:?} does not print tests/golden/{name}; to see the difference with git diff: \
             RENEW=1 cargo test --test scripts golden"
        );
    }
}

#[test]
fn prints_the_same_file_for_other_numbers() {
    let one = gen_prints(&["1"]);
    let (head, rest) = one.split_once("  client1:\n").unwrap();
    let (client, tail) = rest.split_once("\nnetworks:\n").unwrap();
    for number in [0, 2, 1022] {
        let mut expected = head.replace("1 clients", &format!("{number} clients"));
        for id in 1..=number {
            let client = client.replace("client1", &format!("client{id}"));
            let client = client.replace("CLI_ID=1", &format!("CLI_ID={id}"));
            expected += &format!("  client{id}:\n{client}\n");
        }
        expected += &format!("networks:\n{tail}");
        assert!(gen_prints(&[&number.to_string()]) == expected, "{number}");
    }

    let two = gen_prints(&["--stack", "2"]);
    for number in ["0", "5000"] {
        let other = two.replace("2 clients", &format!("{number} clients"));
        let other = other.replace("REPLICAS-2", &format!("REPLICAS-{number}"));
        assert_eq!(gen_prints(&["--stack", number]), other);
    }
}

#[test]
fn sources_are_below_the_root() {
    for (root, source) in [
        ("/srv/", "/srv"),
        ("/", ""),
        ("/a b/$x \"y\" \\z #'\u{f1}", "/a b/$$x \\\"y\\\" \\\\z #'\u{f1}"),
        ("/a\n@N@", "/a\\u000a@N@"),
    ] {
        let compose = gen_prints(&["--root", root, "1"]);
        let stack = gen_prints(&["--stack", "--root", root, "1"]);
        for (file, key) in [(compose, "source"), (stack, "file")] {
            assert!(file.contains(&format!(" {key}: \"{source}/server/config.ini\"\n")), "{file}");
            assert!(file.contains(&format!(" {key}: \"{source}/client/config.yaml\"\n")), "{file}");
        }
    }
}

#[test]
fn answers_help_and_version() {
    assert!(gen_prints(&["--help"]).starts_with("usage: gen "));
    assert_eq!(gen_prints(&["--version"]), concat!("gen ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn refuses_bad_usage() {
    let usage = "usage: gen [--stack] [--root DIR] N";
    for number in ["", "1.5", "-1", "+3", "007", " 5", "\u{663}"] {
        let reason = format!("{number:?} is not a plain decimal number of clients");
        assert_refused(&[number], &format!("{reason}\n{usage}"));
    }
    for (arguments, reason) in [
        (&[][..], "the number of clients is missing"),
        (&["18446744073709551616"], "18446744073709551616 is too large a number of clients"),
        (&["1", "2"], "\"2\": unexpected argument"),
        (&["--root"], "--root: DIR is missing"),
        (&["--root", "tp0", "3"], "--root: \"tp0\" is not an absolute path"),
    ] {
        assert_refused(arguments, &format!("{reason}\n{usage}"));
    }
    assert_refused(
        &["1023"],
        "1023 clients: a Linux bridge network has 1023 ports and the server takes one, so 1022 is the most for one \
         machine; for more there is Docker Swarm: ./generar-compose.sh --stack FILE 1023",
    );
}

#[test]
fn only_a_reader_that_goes_away_may_miss_some_of_it() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let done = Command::new(GEN).arg("2").stdout(full).output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(done.stderr, b"gen: stdout: No space left on device (os error 28)\n");

    // gen prints more than a pipe holds, so it cannot have written all of it when its reader leaves.
    let mut command = Command::new(GEN);
    command.arg("1022").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
}
