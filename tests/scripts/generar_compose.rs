//! generar-compose.sh: where it finds gen, and FILE, which is replaced whole or left as it was.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use crate::support::scripts::{Directory, Ended, PROGRAMS, busybox, ended, gen_prints, names};

/// A file `old` in `elsewhere`, from where the script runs.
fn with_old_file(directory: Directory) -> Directory {
    fs::write(directory.path("elsewhere/old"), "as it was").unwrap();
    directory
}

fn assert_left_alone(directory: &Directory, case: &str) {
    assert_eq!(directory.read("elsewhere/old"), "as it was", "{case}");
    assert_eq!(names(&directory.path("elsewhere")), ["old"], "{case}");
    assert_eq!(names(&directory.temporary()), [""; 0], "{case}");
}

#[test]
fn refuses_bad_arguments() {
    let directory = with_old_file(Directory::built("arguments"));
    for arguments in [
        &[][..],
        &["old"],
        &["--stack", "old"],
        &["old", "--stack", "1"],
        &["old", "1", "2"],
        &["", "1"],
        &["old", ""],
        &["old", "1.5"],
        &["old", "-1"],
        &["old", "+3"],
        &["old", "007"],
        &["old", "1\n2"],
    ] {
        let done = directory.generate(arguments);
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains("\nusage: generar-compose.sh "), "{arguments:?}: {done:?}");
        assert_left_alone(&directory, &format!("{arguments:?}"));
    }
    let done = directory.generate(&["old", "1023"]);
    assert!(done.status == 2 && done.stderr.starts_with("gen: 1023 clients: "), "{done:?}");
    assert_left_alone(&directory, "1023");
}

#[test]
fn writes_the_file_wherever_it_is() {
    let directory = Directory::built("sources");
    let root = directory.0.to_str().unwrap();
    for (file, stack, expected) in [
        ("../compose.yaml", false, gen_prints(&["2"])),
        ("../docker/../-n", false, gen_prints(&["2"])),
        ("a file", false, gen_prints(&["--root", root, "2"])),
        ("-file", false, gen_prints(&["--root", root, "2"])),
        ("../stack", true, gen_prints(&["--stack", "2"])),
        ("stack", true, gen_prints(&["--stack", "--root", root, "2"])),
    ] {
        let arguments = if stack { &["--stack", file, "2"][..] } else { &[file, "2"] };
        for shell in ["sh", "bash"] {
            let mut command = directory.command(shell, "generar-compose.sh", arguments);
            let done = ended(command.output().unwrap());
            assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{shell} {file}");
            assert_eq!(directory.read(&format!("elsewhere/{file}")), expected, "{shell} {file}");
        }
    }
    assert_eq!(names(&directory.path("elsewhere")), ["-file", "a file", "stack"]);
}

#[test]
fn works_with_busybox() {
    let directory = Directory::new("busybox");
    if busybox(&directory) {
        fake_rustc(&directory);
        assert_generates(&directory, "rustc");
        directory.script("target/release/gen", "exit 127");
        assert_generates(&directory, "rustc");
    }
}

fn assert_generates(directory: &Directory, by: &str) -> Ended {
    let _ = fs::remove_file(directory.path("compose.yaml"));
    let done = directory.generate(&["../compose.yaml", "1"]);
    assert_eq!(done.status, 0, "by {by}: {done:?}");
    assert_eq!(directory.read("compose.yaml"), gen_prints(&["1"]), "by {by}");
    done
}

/// One that is quick: rustc --edition 2024 -o OUTPUT INPUT
fn fake_rustc(directory: &Directory) {
    directory.fake("rustc", &format!("echo rustc >&2; cp '{}' \"$4\"", PROGRAMS[2].1));
}

#[test]
fn compiles_gen_without_cargo() {
    assert_generates(&Directory::new("rustc"), "rustc");
}

#[test]
fn passes_over_a_gen_that_is_old_or_does_not_run_here() {
    let directory = Directory::new("stale");
    fake_rustc(&directory);
    directory.script("target/release/gen", "exit 127");
    assert_eq!(assert_generates(&directory, "rustc").stderr, "rustc\n");

    directory.script("target/release/gen", "echo stale");
    let source = fs::File::options().append(true).open(directory.path("gen.rs")).unwrap();
    source.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
    assert_eq!(assert_generates(&directory, "rustc").stderr, "rustc\n");
}

#[test]
fn runs_the_gen_of_the_image_where_rustc_does_not_do() {
    let directory = with_old_file(Directory::new("image"));
    // It does not run: as in a directory that is mounted noexec.
    directory.fake("rustc", "touch \"$4\"");
    directory.fake("docker", "echo 'no engine' >&2; exit 1");
    directory.script("docker/build.sh", "echo 'no engine' >&2; exit 1");
    let done = directory.generate(&["old", "1"]);
    assert!(done.status != 0 && done.stderr.ends_with("no engine\n"), "{done:?}");
    assert_left_alone(&directory, "no engine");

    // image inspect IMAGE, run --rm --network none --entrypoint /gen IMAGE ARGUMENTS...
    let engine = format!(
        "if [ $1 = image ]; then test -e ../image; else shift 7 && exec '{}' \"$@\"; fi",
        PROGRAMS[2].1
    );
    directory.fake("docker", &engine);
    directory.script("docker/build.sh", "echo built; touch ../image");
    for built in ["built\n", ""] {
        let done = assert_generates(&directory, "Docker");
        assert!(done.stderr.ends_with(built) && built.is_empty() != done.stderr.contains("built"));
    }
}

#[test]
fn leaves_the_file_alone_when_something_fails() {
    let directory = with_old_file(Directory::built("failures"));
    for command in ["mkdir", "cat", "mv"] {
        directory.fake(command, "echo 'no space' >&2; exit 1");
        let done = directory.generate(&["old", "1"]);
        assert_eq!((done.status, done.stderr.as_str()), (1, "no space\n"), "{command}");
        assert_left_alone(&directory, command);
        fs::remove_file(directory.path("bin").join(command)).unwrap();
    }
    // /proc, because nobody can make a file there: these tests may run as root.
    for file in ["/dev/full", "../docker", "none/", "none/file", "/proc/file"] {
        let done = directory.generate(&[file, "1"]);
        assert!(done.status != 0 && !done.stderr.is_empty(), "{file}: {done:?}");
        assert_left_alone(&directory, file);
    }
    let half = "[ $1 != --version ] || exit 0; echo half; echo 'gen: no more' >&2; exit 1";
    directory.script("target/release/gen", half);
    let done = directory.generate(&["old", "1"]);
    assert_eq!((done.status, done.stderr.as_str()), (1, "gen: no more\n"));
    assert_left_alone(&directory, "half of it");
}

#[test]
fn keeps_permissions_and_links() {
    let directory = Directory::built("permissions");
    let mode = |name| fs::metadata(directory.path(name)).unwrap().permissions().mode() & 0o777;
    let longer = "a longer text than any".repeat(1000);
    fs::write(directory.path("elsewhere/old"), longer).unwrap();
    let permissions = fs::Permissions::from_mode(0o604);
    fs::set_permissions(directory.path("elsewhere/old"), permissions).unwrap();
    symlink("old", directory.path("elsewhere/link")).unwrap();
    for file in ["old", "link"] {
        assert_eq!(directory.generate(&[file, "1"]).status, 0, "{file}");
        assert_eq!(mode("elsewhere/old"), 0o604, "{file}");
    }
    assert!(directory.path("elsewhere/link").is_symlink());

    directory.script("new-file.sh", "umask 027; exec sh ../generar-compose.sh new 1");
    assert_eq!(directory.run("new-file.sh", &[]).status, 0);
    assert_eq!(mode("elsewhere/new"), 0o640);

    // A file system that refuses both.
    directory.fake("chmod", "exit 1");
    directory.fake("cp", "exit 1");
    for file in ["old", "newer"] {
        assert_eq!(directory.generate(&[file, "2"]).status, 0, "{file}");
        assert!(directory.read(&format!("elsewhere/{file}")).contains("CLI_ID=2"), "{file}");
    }
}

#[test]
fn writes_to_what_cannot_be_replaced() {
    let directory = Directory::built("stdout");
    let expected = gen_prints(&["--root", directory.0.to_str().unwrap(), "1"]);
    assert_eq!(directory.generate(&["/dev/stdout", "1"]).stdout, expected);
    assert_eq!(directory.generate(&["/dev/null", "1"]).status, 0);
}

/// They come while gen runs, and again, to the script and to rm, while the script cleans up.
#[test]
fn leaves_nothing_behind_at_a_signal() {
    let directory = with_old_file(Directory::new("signals"));
    fake_rustc(&directory);
    for (signal, status) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        let rm = format!("kill -s {signal} $PPID $$; PATH=${{PATH#*:}} exec rm \"$@\"");
        directory.fake("rm", &rm);
        directory.fake("rustc", &format!(": >\"$4\"; kill -s {signal} $PPID"));
        let done = directory.generate(&["old", "1"]);
        assert_eq!(done.status, status, "{signal}: {done:?}");
        assert_left_alone(&directory, signal);
    }
}
