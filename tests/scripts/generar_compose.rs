//! generar-compose.sh: where it finds gen, and FILE, which is replaced whole or left as it was.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::scripts::{Directory, Ended, GEN, ended, gen_prints};

const SCRIPT: &str = "generar-compose.sh";

/// Runs it where it has to fail. The file `old` stays as it was, and nothing else stays.
fn fail(directory: &Directory, arguments: &[&str]) -> Ended {
    let done = directory.run(SCRIPT, arguments);
    assert_ne!(done.status, 0, "{arguments:?}: {done:?}");
    assert_eq!(directory.read("elsewhere/old"), "as it was", "{arguments:?}: {done:?}");
    assert_eq!(directory.names("elsewhere"), ["old"], "{arguments:?}: {done:?}");
    assert_eq!(directory.names("temporary files"), [""; 0], "{arguments:?}: {done:?}");
    done
}

#[test]
fn refuses_bad_arguments() {
    let directory = Directory::built("arguments");
    for arguments in [
        &[][..],
        &["old"],
        &["--stack", "old"],
        &["old", "1", "2"],
        &["", "1"],
        &["old", ""],
        &["old", "1.5"],
        &["old", "-1"],
        &["old", "007"],
        &["old", "1\n2"],
    ] {
        let done = fail(&directory, arguments);
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains("\nusage: generar-compose.sh "), "{arguments:?}: {done:?}");
    }
    let done = fail(&directory, &["old", "1023"]);
    assert!(done.status == 2 && done.stderr.starts_with("gen: 1023 clients: "), "{done:?}");
}

#[test]
fn writes_the_file_wherever_it_is() {
    let directory = Directory::built("sources");
    let root = directory.0.to_str().unwrap();
    for shell in ["sh", "bash", "ash"] {
        if shell == "ash" {
            // Put BusyBox's applets, ash among them, before the commands of this machine.
            let mut install = Command::new("busybox");
            install.args(["--install", "-s"]).arg(directory.path("bin"));
            if !install.status().is_ok_and(|status| status.success()) {
                // Not eprintln!, which a test's success hides.
                let mut stderr = std::io::stderr();
                writeln!(stderr, "NOT TESTED: scripts with BusyBox: there is no busybox").unwrap();
                break;
            }
        }
        for (arguments, expected) in [
            (&["../compose.yaml", "2"][..], gen_prints(&["2"])),
            (&["../docker/../-n", "2"], gen_prints(&["2"])),
            (&["a file", "2"], gen_prints(&["--root", root, "2"])),
            (&["-file", "2"], gen_prints(&["--root", root, "2"])),
            (&["--stack", "../stack", "2"], gen_prints(&["--stack", "2"])),
            (&["--stack", "stack", "2"], gen_prints(&["--stack", "--root", root, "2"])),
        ] {
            let done = ended(&mut directory.command(shell, SCRIPT, arguments));
            assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{shell} {arguments:?}");
            let file = directory.path("elsewhere").join(arguments[arguments.len() - 2]);
            assert_eq!(fs::read_to_string(file).unwrap(), expected, "{shell} {arguments:?}");
        }
    }
    assert_eq!(directory.names("elsewhere"), ["-file", "a file", "old", "stack"]);
}

fn assert_generates(directory: &Directory) -> Ended {
    let _ = fs::remove_file(directory.path("compose.yaml"));
    let done = directory.run(SCRIPT, &["../compose.yaml", "1"]);
    assert_eq!(done.status, 0, "{done:?}");
    assert_eq!(directory.read("compose.yaml"), gen_prints(&["1"]));
    assert_eq!(directory.names("temporary files"), [""; 0]);
    done
}

#[test]
fn compiles_gen_if_none_is_built_or_it_is_old_or_does_not_run_here() {
    let directory = Directory::new("rustc");
    assert_generates(&directory);

    directory.script("target/release/gen", "exit 127");
    assert_generates(&directory);

    directory.script("target/release/gen", "echo stale");
    let source = fs::File::options().append(true).open(directory.path("gen.rs")).unwrap();
    source.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
    assert_generates(&directory);
}

#[test]
fn runs_the_gen_of_the_image_where_rustc_does_not_do() {
    let directory = Directory::new("image");
    // What it compiles does not run: as in a directory that is mounted noexec.
    directory.fake("rustc", "touch \"$4\"");
    directory.fake("docker", "echo 'no engine' >&2; exit 1");
    fs::write(directory.path("docker/build.sh"), "echo 'no engine' >&2; exit 1").unwrap();
    assert!(fail(&directory, &["old", "1"]).stderr.ends_with("no engine\n"));

    // image inspect IMAGE, run --rm --network none --entrypoint /gen IMAGE ARGUMENTS...
    let engine = format!("[ $1 != image ] || exec test -e ../image; shift 7; exec '{GEN}' \"$@\"");
    directory.fake("docker", &engine);
    fs::write(directory.path("docker/build.sh"), "echo built; touch ../image").unwrap();
    assert!(assert_generates(&directory).stderr.ends_with("built\n"));
    assert!(!assert_generates(&directory).stderr.contains("built"));
}

#[test]
fn leaves_the_file_alone_when_something_fails() {
    let directory = Directory::built("failures");
    symlink("elsewhere/old", directory.path("link")).unwrap();
    for (command, file) in [("mkdir", "old"), ("cat", "../link"), ("mv", "old")] {
        directory.fake(command, "echo 'no space' >&2; exit 1");
        assert_eq!(fail(&directory, &[file, "1"]).stderr, "no space\n", "{command}");
        fs::remove_file(directory.path("bin").join(command)).unwrap();
    }
    // /proc, because nobody can make a file there: these tests may run as root.
    for file in ["/dev/full", "../docker", "none/", "none/file", "/proc/file"] {
        assert_ne!(fail(&directory, &[file, "1"]).stderr, "", "{file}");
    }
    assert!(
        fail(&directory, &["none/file", "1"]).stderr.contains("its directory cannot be entered")
    );
    symlink("nowhere/file", directory.path("dangling")).unwrap();
    assert!(fail(&directory, &["../dangling", "1"]).stderr.contains("a link that leads nowhere"));
    let half = "[ $1 != --version ] || exit 0; echo half; echo 'gen: no more' >&2; exit 1";
    directory.script("target/release/gen", half);
    assert_eq!(fail(&directory, &["old", "1"]).stderr, "gen: no more\n");
}

#[test]
fn keeps_permissions_and_links() {
    let directory = Directory::built("permissions");
    let mode = |name| fs::metadata(directory.path(name)).unwrap().permissions().mode() & 0o777;
    let permissions = fs::Permissions::from_mode(0o604);
    fs::set_permissions(directory.path("elsewhere/old"), permissions).unwrap();
    symlink("old", directory.path("elsewhere/link")).unwrap();
    for file in ["old", "link"] {
        assert_eq!(directory.run(SCRIPT, &[file, "1"]).status, 0, "{file}");
        assert_eq!(mode("elsewhere/old"), 0o604, "{file}");
    }
    assert!(directory.path("elsewhere/link").is_symlink());

    directory.script("new-file.sh", "umask 027; exec sh ../generar-compose.sh new 1");
    assert_eq!(directory.run("new-file.sh", &[]).status, 0);
    assert_eq!(mode("elsewhere/new"), 0o640);

    // A file system that has no permissions.
    directory.fake("cp", "exit 1");
    assert_eq!(directory.run(SCRIPT, &["old", "2"]).status, 0);
    assert!(directory.read("elsewhere/old").contains("CLI_ID=2"));
}

#[test]
fn writes_to_what_cannot_be_replaced() {
    let directory = Directory::built("stdout");
    let expected = gen_prints(&["--root", directory.0.to_str().unwrap(), "1"]);
    assert_eq!(directory.run(SCRIPT, &["/dev/stdout", "1"]).stdout, expected);
    assert_eq!(directory.run(SCRIPT, &["/dev/null", "1"]).status, 0);
}

/// They come while rustc runs, as Ctrl-C does to the script and to its subshell, and again while the script cleans up.
#[test]
fn leaves_nothing_behind_at_a_signal() {
    let directory = Directory::new("signals");
    for (signal, status) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        let parents = "read -r _ _ _ script _ </proc/$PPID/stat";
        directory.fake("rustc", &format!(": >\"$4\"; {parents}; kill -s {signal} $script $PPID"));
        let rm = format!("kill -s {signal} $PPID $$; PATH=${{PATH#*:}} exec rm \"$@\"");
        directory.fake("rm", &rm);
        assert_eq!(fail(&directory, &["old", "1"]).status, status, "{signal}");
    }
}
