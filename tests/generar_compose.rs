//! generar-compose.sh: with a built gen, with a compiler, and with a fake `docker`.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::Duration;

use support::scripts::{Folder, PROGRAMS, ended, names};

fn gen_prints(arguments: &[&str]) -> String {
    let (_, program) = PROGRAMS[2];
    ended(Command::new(program).args(arguments).output().unwrap()).stdout
}

#[test]
fn refuses_bad_arguments_and_leaves_the_file_alone() {
    let folder = Folder::built("arguments");
    let file = folder.path("elsewhere/compose.yaml");
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
        let done = folder.run("generar-compose.sh", arguments);
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains("\nusage: "), "{arguments:?}: {done:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "as it was", "{arguments:?}");
        assert_eq!(names(&folder.path("elsewhere")), ["compose.yaml"], "{arguments:?}");
    }
    for help in ["--help", "-h"] {
        let done = folder.run("generar-compose.sh", &[help]);
        assert!(done.status == 0 && done.stdout.starts_with("usage: "), "{help}: {done:?}");
    }
}

#[test]
fn names_sources_beside_the_file_or_absolutely() {
    let folder = Folder::built("sources");
    for (shell, file, expected) in [
        ("sh", "../compose.yaml", gen_prints(&["2"])),
        ("bash", "../docker/../-n", gen_prints(&["2"])),
        ("sh", "a file", gen_prints(&["--root", folder.0.to_str().unwrap(), "2"])),
        ("bash", "-file", gen_prints(&["--root", folder.0.to_str().unwrap(), "2"])),
    ] {
        let done = folder.command(shell, "generar-compose.sh", &[file, "2"]).output().unwrap();
        assert!(done.status.success(), "{file}: {done:?}");
        assert_eq!(fs::read_to_string(folder.path("elsewhere").join(file)).unwrap(), expected);
    }
    assert_eq!(names(&folder.path("elsewhere")), ["-file", "a file"]);
}

#[test]
fn writes_the_file_of_a_stack_too() {
    let folder = Folder::built("stack");
    let root = folder.0.to_str().unwrap();
    for (file, expected) in [
        ("../stack", gen_prints(&["--stack", "5000"])),
        ("stack", gen_prints(&["--stack", "--root", root, "5000"])),
    ] {
        let done = folder.run("generar-compose.sh", &["--stack", file, "5000"]);
        assert_eq!(done.status, 0, "{file}: {done:?}");
        assert_eq!(fs::read_to_string(folder.path("elsewhere").join(file)).unwrap(), expected);
    }
}

#[test]
fn says_how_to_start_what_it_has_written() {
    let folder = Folder::built("it's here");
    folder.fake("make", "printf '%s\\n' \"$@\"");
    let root = folder.0.to_str().unwrap();
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
        let done = folder.run("generar-compose.sh", arguments);
        assert_eq!((done.status, done.stdout.as_str()), (0, ""), "{arguments:?}: {done:?}");
        let Some(asked) = asked else {
            assert_eq!(done.stderr, "", "{arguments:?}");
            continue;
        };
        // A shell understands it as it stands.
        let command = done.stderr.strip_prefix("generar-compose.sh: to start it: ").unwrap();
        folder.script("start.sh", command);
        let expected = format!("-C\n{root}\n{asked}");
        assert_eq!(folder.run("start.sh", &[]).stdout, expected, "{arguments:?}");
    }
}

#[test]
fn leaves_the_file_alone_when_gen_fails_half_way() {
    let folder = Folder::new("half");
    let half = "[ $1 != --version ] || exit 0; echo half; echo 'gen: no more' >&2; exit 1";
    folder.script("target/release/gen", half);
    fs::write(folder.path("elsewhere/old"), "as it was").unwrap();
    for file in ["old", "new"] {
        let done = folder.run("generar-compose.sh", &[file, "1"]);
        assert_eq!((done.status, done.stderr.as_str()), (1, "gen: no more\n"));
    }
    assert_eq!(fs::read_to_string(folder.path("elsewhere/old")).unwrap(), "as it was");
    assert_eq!(names(&folder.path("elsewhere")), ["old"]);
}

#[test]
fn says_where_it_cannot_write() {
    let folder = Folder::built("unwritable");
    fs::create_dir(folder.path("elsewhere/folder")).unwrap();
    symlink("loop", folder.path("elsewhere/loop")).unwrap();
    // /proc, because nobody can make a file there: these tests may run as root.
    for (file, reason) in [
        ("folder", "folder: is a directory"),
        ("none/", "none/: there is no such directory, nor would it be a file"),
        ("none/file", "none/file: there is no such directory"),
        ("loop", "loop: a link that leads nowhere"),
        ("/proc/file", "/proc/file: left as it was"), // after mktemp's own words
    ] {
        let done = folder.run("generar-compose.sh", &[file, "1"]);
        assert_eq!(done.status, 1, "{file}: {done:?}");
        assert!(done.stderr.ends_with(&format!("generar-compose.sh: {reason}\n")), "{done:?}");
    }
}

#[test]
fn leaves_the_file_alone_when_the_disk_is_full() {
    let folder = Folder::built("full");
    let done = folder.run("generar-compose.sh", &["/dev/full", "1"]);
    let end = "generar-compose.sh: /dev/full: not all of it is written\n";
    assert!(done.status == 1 && done.stderr.ends_with(end), "{done:?}");

    fs::write(folder.path("elsewhere/old"), "as it was").unwrap();
    for full in ["cat", "cp", "mktemp", "mv"] {
        folder.fake(full, "echo half; echo 'no space' >&2; exit 1");
        let done = folder.run("generar-compose.sh", &["old", "1"]);
        let stderr = "no space\ngenerar-compose.sh: old: left as it was\n";
        assert_eq!((done.status, done.stderr.as_str()), (1, stderr), "{full}");
        assert_eq!(fs::read_to_string(folder.path("elsewhere/old")).unwrap(), "as it was");
        assert_eq!(names(&folder.path("elsewhere")), ["old"], "{full}");
        fs::remove_file(folder.path("bin").join(full)).unwrap();
    }
}

#[test]
fn passes_on_that_there_are_too_many() {
    let folder = Folder::built("too-many");
    let done = folder.run("generar-compose.sh", &["compose.yaml", "1023"]);
    assert_eq!((done.status, done.stderr.lines().count()), (2, 1), "{done:?}");
    assert!(done.stderr.starts_with("gen: 1023 clients: a Linux bridge"), "{done:?}");
    assert!(names(&folder.path("elsewhere")).is_empty());
}

#[test]
fn keeps_permissions_and_links() {
    let folder = Folder::built("permissions");
    let mode = |name| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    fs::write(folder.path("elsewhere/old"), "a longer text than any".repeat(1000)).unwrap();
    fs::set_permissions(folder.path("elsewhere/old"), fs::Permissions::from_mode(0o604)).unwrap();
    symlink("old", folder.path("elsewhere/link")).unwrap();
    assert_eq!(folder.run("generar-compose.sh", &["link", "1"]).status, 0);
    assert!(fs::symlink_metadata(folder.path("elsewhere/link")).unwrap().is_symlink());
    assert!(fs::read_to_string(folder.path("elsewhere/old")).unwrap().ends_with("CLI_ID=1\n"));
    assert_eq!(mode("elsewhere/old"), 0o604);

    folder.script("new-file.sh", "umask 027; exec sh ../generar-compose.sh new 1");
    assert_eq!(folder.run("new-file.sh", &[]).status, 0);
    assert_eq!(mode("elsewhere/new"), 0o640);

    let longest = "n".repeat(255);
    assert_eq!(folder.run("generar-compose.sh", &[&longest, "1"]).status, 0);
    assert!(folder.path("elsewhere").join(longest).exists());
}

#[test]
fn writes_to_what_cannot_be_replaced() {
    let folder = Folder::built("stdout");
    let done = folder.run("generar-compose.sh", &["/dev/stdout", "1"]);
    assert_eq!(done.stdout, gen_prints(&["--root", folder.0.to_str().unwrap(), "1"]), "{done:?}");
    assert_eq!(folder.run("generar-compose.sh", &["/dev/null", "1"]).status, 0);

    folder.script("log.sh", "echo before >log; exec sh ../generar-compose.sh \"$1\" 1 >>log");
    for file in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let log = folder.run("log.sh", &[file]);
        assert_eq!(log.status, 0, "{file}: {log:?}");
        let log = fs::read_to_string(folder.path("elsewhere/log")).unwrap();
        assert_eq!(log, format!("before\n{}", done.stdout), "{file}");
    }
}

#[test]
fn finds_its_own_directory_through_a_link() {
    let folder = Folder::built("link");
    symlink("../generar-compose.sh", folder.path("elsewhere/generar")).unwrap();
    let done = folder.run("elsewhere/generar", &["../compose.yaml", "1"]);
    assert_eq!(done.status, 0, "{done:?}");
    assert_eq!(fs::read_to_string(folder.path("compose.yaml")).unwrap(), gen_prints(&["1"]));

    fs::remove_file(folder.path("gen.rs")).unwrap();
    let done = folder.run("generar-compose.sh", &["other.yaml", "1"]);
    assert_eq!(done.status, 1);
    assert!(done.stderr.contains("gen.rs: no such file"), "{done:?}");
    assert_eq!(names(&folder.path("elsewhere")), ["generar"]);
}

#[test]
fn leaves_nothing_behind_at_a_signal() {
    let folder = Folder::new("hangup");
    for (signal, status) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        folder.script("target/release/gen", &format!("kill -s {signal} $PPID"));
        let mut command = folder.command("sh", "generar-compose.sh", &["file", "1"]);
        let done = ended(command.env("TMPDIR", folder.temporary()).output().unwrap());
        assert_eq!(done.status, status, "{done:?}");
        assert!(
            names(&folder.temporary()).is_empty() && names(&folder.path("elsewhere")).is_empty()
        );
    }
}

/// A signal to all processes of a terminal, in the middle of a file's making.
#[test]
fn leaves_nothing_behind_when_mktemp_gets_the_signal_too() {
    let folder = Folder::built("mktemp");
    for (signal, status) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        for made in ["tmp.*", ".compose.*"] {
            let all = format!("kill -s {signal} $PPID $$");
            let mktemp = "PATH=${PATH#*:}; made=$(mktemp \"$@\")";
            let script =
                format!("{mktemp}; case ${{made##*/}} in {made}) {all} ;; esac; echo \"$made\"");
            folder.fake("mktemp", &script);
            let mut command = folder.command("sh", "generar-compose.sh", &["file", "1"]);
            let done = ended(command.env("TMPDIR", folder.temporary()).output().unwrap());
            assert_eq!(done.status, status, "{made}: {done:?}");
            assert!(names(&folder.temporary()).is_empty(), "{signal} {made}");
            assert!(names(&folder.path("elsewhere")).is_empty(), "{signal} {made}");
        }
    }
}

#[test]
fn needs_a_binary_or_a_compiler_or_docker() {
    let folder = Folder::new("without-cargo");
    let expected = gen_prints(&["1"]);
    let file = folder.path("compose.yaml");

    assert_eq!(folder.run("generar-compose.sh", &["../compose.yaml", "1"]).status, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), expected, "by rustc");

    // As on a file system that is mounted noexec; and there is no engine.
    folder.fake("rustc", "while [ \"$1\" != -o ]; do shift; done; : >\"$2\"");
    folder.fake("docker", "echo 'permission denied' >&2; exit 1");
    fs::remove_file(&file).unwrap();
    let done = folder.run("generar-compose.sh", &["../compose.yaml", "1"]);
    assert!(done.stderr.contains("gen: Permission denied\n"), "{done:?}");

    folder.fake("rustc", "echo 'rustc: too old' >&2; exit 1");
    let done = folder.run("generar-compose.sh", &["../compose.yaml", "1"]);
    assert!(done.stderr.starts_with("rustc: too old\npermission denied\n"), "{done:?}");
    assert!(done.stderr.contains("\ngenerar-compose.sh: gen.rs needs one of"), "{done:?}");
    assert!(done.status == 1 && !file.exists());

    let (_, program) = PROGRAMS[2];
    // run --rm --interactive --network none IMAGE sh -c COMMAND gen, the source on its stdin
    let engine = format!(
        "[ \"$1\" = run ] || exit 0; shift 10; tar -x -O -f - gen.rs | grep -q 'fn main' && exec '{program}' \"$@\""
    );
    folder.fake("docker", &engine);
    assert_eq!(folder.run("generar-compose.sh", &["../compose.yaml", "1"]).status, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), expected, "by Docker");
    assert_eq!(folder.run("generar-compose.sh", &["../compose.yaml", "5000"]).status, 2);
}

#[test]
fn passes_over_a_binary_that_does_not_run_here() {
    let folder = Folder::new("foreign");
    folder.script("target/release/gen", "exit 127");
    assert_eq!(folder.run("generar-compose.sh", &["../compose.yaml", "1"]).status, 0);
    assert_eq!(fs::read_to_string(folder.path("compose.yaml")).unwrap(), gen_prints(&["1"]));
}

#[test]
fn passes_over_a_binary_older_than_its_source() {
    let folder = Folder::new("stale");
    folder.script("target/release/gen", "echo stale");
    let source = fs::File::options().append(true).open(folder.path("gen.rs")).unwrap();
    source.set_modified(std::time::SystemTime::now() + Duration::from_secs(60)).unwrap();
    assert_eq!(folder.run("generar-compose.sh", &["../compose.yaml", "1"]).status, 0);
    assert_eq!(fs::read_to_string(folder.path("compose.yaml")).unwrap(), gen_prints(&["1"]));
}
