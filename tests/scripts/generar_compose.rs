//! generar-compose.sh: what it writes and says, and where it finds gen.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::support::scripts::{Directory, PROGRAMS, gen_prints, names};

#[test]
fn refuses_bad_arguments_and_leaves_the_file_alone() {
    let directory = Directory::built("arguments");
    let file = directory.path("elsewhere/compose.yaml");
    fs::write(&file, "as it was").unwrap();
    let cases: [&[&str]; 15] = [
        &[],
        &["--stack", "compose.yaml"],
        &["compose.yaml", "--stack", "1"],
        &["compose.yaml"],
        &["compose.yaml", "1", "2"],
        &["", "1"],
        &["compose.yaml\n", "1"],
        &["compose.yaml", ""],
        &["compose.yaml", "1.5"],
        &["compose.yaml", "-1"],
        &["compose.yaml", "+3"],
        &["compose.yaml", "007"],
        &["compose.yaml", "00"],
        &["compose.yaml", " 1"],
        &["compose.yaml", "1\n2"],
    ];
    for arguments in cases {
        let done = directory.generate(arguments);
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains("\nusage: "), "{arguments:?}: {done:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "as it was", "{arguments:?}");
        assert_eq!(names(&directory.path("elsewhere")), ["compose.yaml"], "{arguments:?}");
    }
    for help in ["--help", "-h"] {
        let done = directory.generate(&[help]);
        assert!(done.status == 0 && done.stdout.starts_with("usage: "), "{help}: {done:?}");
    }
}

#[test]
fn names_sources_beside_the_file_or_absolutely() {
    let directory = Directory::built("sources");
    for (shell, file, expected) in [
        ("sh", "../compose.yaml", gen_prints(&["2"])),
        ("bash", "../docker/../-n", gen_prints(&["2"])),
        ("sh", "a file", gen_prints(&["--root", directory.0.to_str().unwrap(), "2"])),
        ("bash", "-file", gen_prints(&["--root", directory.0.to_str().unwrap(), "2"])),
    ] {
        let done = directory.command(shell, "generar-compose.sh", &[file, "2"]).output().unwrap();
        assert!(done.status.success(), "{file}: {done:?}");
        assert_eq!(directory.read(&format!("elsewhere/{file}")), expected);
    }
    assert_eq!(names(&directory.path("elsewhere")), ["-file", "a file"]);
}

#[test]
fn writes_the_file_of_a_stack_too() {
    let directory = Directory::built("stack");
    let root = directory.0.to_str().unwrap();
    for (file, expected) in [
        ("../stack", gen_prints(&["--stack", "5000"])),
        ("stack", gen_prints(&["--stack", "--root", root, "5000"])),
    ] {
        let done = directory.generate(&["--stack", file, "5000"]);
        assert_eq!(done.status, 0, "{file}: {done:?}");
        assert_eq!(directory.read(&format!("elsewhere/{file}")), expected);
    }
}

#[test]
fn says_how_to_start_what_it_has_written() {
    let directory = Directory::built("it's here");
    directory.fake("make", "printf '%s\\n' \"$@\"");
    let root = directory.0.to_str().unwrap();
    for (arguments, asked) in [
        (&["../docker-compose-dev.yaml", "1"][..], None),
        (&["/dev/null", "1"], None),
        (&["../out", "1"], Some(format!("docker-compose-up\nCOMPOSE_FILE={root}/out\n"))),
        (
            &["docker-compose-dev.yaml", "1"],
            Some(format!(
                "docker-compose-up\nCOMPOSE_FILE={root}/elsewhere/docker-compose-dev.yaml\n"
            )),
        ),
        (
            &["--stack", "../docker-compose-dev.yaml", "1"],
            Some(format!("docker-stack-up\nSTACK_FILE={root}/docker-compose-dev.yaml\n")),
        ),
    ] {
        let done = directory.generate(arguments);
        assert_eq!((done.status, done.stdout.as_str()), (0, ""), "{arguments:?}: {done:?}");
        let Some(asked) = asked else {
            assert_eq!(done.stderr, "", "{arguments:?}");
            continue;
        };
        // A shell understands it as it stands.
        let command = done.stderr.strip_prefix("generar-compose.sh: to start it: ").unwrap();
        directory.script("start.sh", command);
        let expected = format!("-C\n{root}\n{asked}");
        assert_eq!(directory.run("start.sh", &[]).stdout, expected, "{arguments:?}");
    }
}

#[test]
fn passes_on_that_there_are_too_many() {
    let directory = Directory::built("too-many");
    let done = directory.generate(&["compose.yaml", "1023"]);
    assert_eq!((done.status, done.stderr.lines().count()), (2, 1), "{done:?}");
    assert!(done.stderr.starts_with("gen: 1023 clients: a Linux bridge"), "{done:?}");
    assert!(names(&directory.path("elsewhere")).is_empty());
}

#[test]
fn finds_its_own_directory_through_a_link() {
    let directory = Directory::built("link");
    symlink("../generar-compose.sh", directory.path("elsewhere/generar")).unwrap();
    let done = directory.run("elsewhere/generar", &["../compose.yaml", "1"]);
    assert_eq!(done.status, 0, "{done:?}");
    assert_eq!(directory.read("compose.yaml"), gen_prints(&["1"]));

    fs::remove_file(directory.path("gen.rs")).unwrap();
    let done = directory.generate(&["other.yaml", "1"]);
    assert_eq!(done.status, 1);
    assert!(done.stderr.contains("gen.rs: no such file"), "{done:?}");
    assert_eq!(names(&directory.path("elsewhere")), ["generar"]);
}

fn assert_generates(directory: &Directory, by: &str) {
    let done = directory.generate(&["../compose.yaml", "1"]);
    assert_eq!(done.status, 0, "by {by}: {done:?}");
    assert_eq!(directory.read("compose.yaml"), gen_prints(&["1"]), "by {by}");
}

#[test]
fn needs_a_binary_or_a_compiler_or_docker() {
    let directory = Directory::new("without-cargo");
    assert_generates(&directory, "rustc");

    // As on a file system that is mounted noexec; and there is no engine.
    directory.fake("rustc", "while [ \"$1\" != -o ]; do shift; done; : >\"$2\"");
    directory.fake("docker", "echo 'permission denied' >&2; exit 1");
    let file = directory.path("compose.yaml");
    fs::remove_file(&file).unwrap();
    let done = directory.generate(&["../compose.yaml", "1"]);
    assert!(done.stderr.contains("gen: Permission denied\n"), "{done:?}");

    directory.fake("rustc", "echo 'rustc: too old' >&2; exit 1");
    let done = directory.generate(&["../compose.yaml", "1"]);
    assert!(done.stderr.starts_with("rustc: too old\npermission denied\n"), "{done:?}");
    assert!(done.stderr.contains("\ngenerar-compose.sh: gen.rs needs one of"), "{done:?}");
    assert!(done.status == 1 && !file.exists());

    let (_, program) = PROGRAMS[2];
    // run --rm --interactive --network none IMAGE sh -c COMMAND gen, the source on its stdin
    let engine = format!(
        "[ \"$1\" = run ] || exit 0; shift 10; tar -x -O -f - gen.rs | grep -q 'fn main' && exec '{program}' \"$@\""
    );
    directory.fake("docker", &engine);
    assert_generates(&directory, "Docker");
    assert_eq!(directory.generate(&["../compose.yaml", "5000"]).status, 2);
}

#[test]
fn passes_over_a_binary_that_does_not_run_here() {
    let directory = Directory::new("foreign");
    directory.script("target/release/gen", "exit 127");
    assert_generates(&directory, "rustc");
}

#[test]
fn passes_over_a_binary_older_than_its_source() {
    let directory = Directory::new("stale");
    directory.script("target/release/gen", "echo stale");
    let source = fs::File::options().append(true).open(directory.path("gen.rs")).unwrap();
    source.set_modified(std::time::SystemTime::now() + Duration::from_secs(60)).unwrap();
    assert_generates(&directory, "rustc");
}
