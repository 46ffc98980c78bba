//! generar-compose.sh and its FILE: replaced whole, or left as it was.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::scripts::{Directory, ended, gen_prints, names};

#[test]
fn leaves_the_file_alone_when_gen_fails_half_way() {
    let directory = Directory::new("half");
    let half = "[ $1 != --version ] || exit 0; echo half; echo 'gen: no more' >&2; exit 1";
    directory.script("target/release/gen", half);
    fs::write(directory.path("elsewhere/old"), "as it was").unwrap();
    for file in ["old", "new"] {
        let done = directory.generate(&[file, "1"]);
        assert_eq!((done.status, done.stderr.as_str()), (1, "gen: no more\n"));
    }
    assert_eq!(directory.read("elsewhere/old"), "as it was");
    assert_eq!(names(&directory.path("elsewhere")), ["old"]);
}

#[test]
fn leaves_the_file_alone_when_the_disk_is_full() {
    let directory = Directory::built("full");
    let done = directory.generate(&["/dev/full", "1"]);
    let end = "generar-compose.sh: /dev/full: not all of it is written\n";
    assert!(done.status == 1 && done.stderr.ends_with(end), "{done:?}");

    fs::write(directory.path("elsewhere/old"), "as it was").unwrap();
    for full in ["cat", "cp", "mktemp", "mv"] {
        directory.fake(full, "echo half; echo 'no space' >&2; exit 1");
        let done = directory.generate(&["old", "1"]);
        let stderr = "no space\ngenerar-compose.sh: old: left as it was\n";
        assert_eq!((done.status, done.stderr.as_str()), (1, stderr), "{full}");
        assert_eq!(directory.read("elsewhere/old"), "as it was");
        assert_eq!(names(&directory.path("elsewhere")), ["old"], "{full}");
        fs::remove_file(directory.path("bin").join(full)).unwrap();
    }
}

#[test]
fn ends_with_0_once_the_file_is_written_whatever_stderr_is() {
    let directory = Directory::built("quiet");
    for stderr in ["2>&-", "2>/dev/full"] {
        directory.script("elsewhere/quiet", &format!("exec ../generar-compose.sh new 1 {stderr}"));
        let done = directory.run("elsewhere/quiet", &[]);
        assert_eq!(
            (done.status, names(&directory.path("elsewhere"))[0].as_str()),
            (0, "new"),
            "{stderr}"
        );
        fs::remove_file(directory.path("elsewhere/new")).unwrap();
    }
}

#[test]
fn says_where_it_cannot_write() {
    let directory = Directory::built("unwritable");
    fs::create_dir(directory.path("elsewhere/directory")).unwrap();
    symlink("loop", directory.path("elsewhere/loop")).unwrap();
    // /proc, because nobody can make a file there: these tests may run as root.
    for (file, reason) in [
        ("directory", "directory: is a directory"),
        ("none/", "none/: there is no such directory, nor would it be a file"),
        ("none/file", "none/file: there is no such directory"),
        ("loop", "loop: a link that leads nowhere"),
        ("/proc/file", "/proc/file: left as it was"), // after mktemp's own words
    ] {
        let done = directory.generate(&[file, "1"]);
        assert_eq!(done.status, 1, "{file}: {done:?}");
        assert!(done.stderr.ends_with(&format!("generar-compose.sh: {reason}\n")), "{done:?}");
    }
}

#[test]
fn keeps_permissions_and_links() {
    let directory = Directory::built("permissions");
    let mode = |name| fs::metadata(directory.path(name)).unwrap().permissions().mode() & 0o777;
    fs::write(directory.path("elsewhere/old"), "a longer text than any".repeat(1000)).unwrap();
    fs::set_permissions(directory.path("elsewhere/old"), fs::Permissions::from_mode(0o604))
        .unwrap();
    symlink("old", directory.path("elsewhere/link")).unwrap();
    assert_eq!(directory.generate(&["link", "1"]).status, 0);
    assert!(fs::symlink_metadata(directory.path("elsewhere/link")).unwrap().is_symlink());
    assert!(directory.read("elsewhere/old").ends_with("CLI_ID=1\n"));
    assert_eq!(mode("elsewhere/old"), 0o604);

    directory.script("new-file.sh", "umask 027; exec sh ../generar-compose.sh new 1");
    assert_eq!(directory.run("new-file.sh", &[]).status, 0);
    assert_eq!(mode("elsewhere/new"), 0o640);

    let longest = "n".repeat(255);
    assert_eq!(directory.generate(&[&longest, "1"]).status, 0);
    assert!(directory.path("elsewhere").join(longest).exists());
}

#[test]
fn writes_to_what_cannot_be_replaced() {
    let directory = Directory::built("stdout");
    let done = directory.generate(&["/dev/stdout", "1"]);
    assert_eq!(
        done.stdout,
        gen_prints(&["--root", directory.0.to_str().unwrap(), "1"]),
        "{done:?}"
    );
    assert_eq!(directory.generate(&["/dev/null", "1"]).status, 0);

    directory.script("log.sh", "echo before >log; exec sh ../generar-compose.sh \"$1\" 1 >>log");
    for file in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let log = directory.run("log.sh", &[file]);
        assert_eq!(log.status, 0, "{file}: {log:?}");
        let log = directory.read("elsewhere/log");
        assert_eq!(log, format!("before\n{}", done.stdout), "{file}");
    }
}

const SIGNALS: [(&str, i32); 3] = [("HUP", 129), ("INT", 130), ("TERM", 143)];

fn assert_ends_and_leaves_nothing(directory: &Directory, status: i32, case: &str) {
    let mut command = directory.command("sh", "generar-compose.sh", &["file", "1"]);
    let done = ended(command.env("TMPDIR", directory.temporary()).output().unwrap());
    assert_eq!(done.status, status, "{case}: {done:?}");
    assert!(names(&directory.temporary()).is_empty(), "{case}");
    assert!(names(&directory.path("elsewhere")).is_empty(), "{case}");
}

#[test]
fn leaves_nothing_behind_at_a_signal() {
    let directory = Directory::new("hangup");
    for (signal, status) in SIGNALS {
        directory.script("target/release/gen", &format!("kill -s {signal} $PPID"));
        assert_ends_and_leaves_nothing(&directory, status, signal);
    }
}

/// A signal to all processes of a terminal, in the middle of a file's making.
#[test]
fn leaves_nothing_behind_when_mktemp_gets_the_signal_too() {
    let directory = Directory::built("mktemp");
    for (signal, status) in SIGNALS {
        for made in ["tmp.*", ".compose.*"] {
            let all = format!("kill -s {signal} $PPID $$");
            let mktemp = "PATH=${PATH#*:}; made=$(mktemp \"$@\")";
            let script =
                format!("{mktemp}; case ${{made##*/}} in {made}) {all} ;; esac; echo \"$made\"");
            directory.fake("mktemp", &script);
            assert_ends_and_leaves_nothing(&directory, status, &format!("{signal} {made}"));
        }
    }
}
