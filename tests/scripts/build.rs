//! The Makefile and docker/build.sh, with a fake `cargo` and a fake `docker`.

use std::fs;
use std::process::Command;

use crate::support::scripts::{Directory, Ended, ended};

fn make(directory: &Directory, arguments: &[&str]) -> Ended {
    let path = format!("{}:{}", directory.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("timeout");
    command.args(["60", "make"]).args(arguments).current_dir(&directory.0);
    for variable in ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "FUZZ_SECONDS"] {
        command.env_remove(variable);
    }
    // A user's own settings of cargo.
    command.env("PATH", path).env("CARGO_BUILD_TARGET", "none").env("CARGO_TARGET_DIR", "/nowhere");
    ended(command.output().unwrap())
}

#[test]
fn builds_in_target_release_and_runs_nothing_old() {
    let directory = Directory::built("make-build");
    directory.fake("cargo", "echo \"$@\" \"${CARGO_BUILD_TARGET-unset}\" >>asked");
    directory.script("run-local.sh", "touch ran");
    let done = make(&directory, &["run"]);
    assert_eq!(directory.read("asked"), "build --release --target-dir target unset\n");
    assert!(done.stderr.contains("build.target"), "{done:?}");
    assert!(done.status != 0 && !directory.path("ran").exists(), "{done:?}");

    let cargo = "case $1 in clean) sleep 1; rm -r target ;; build) mkdir -p target/release; touch target/release/server; \
                 chmod +x target/release/server ;; esac";
    directory.fake("cargo", cargo);
    let done = make(&directory, &["-j4", "clean", "build"]);
    assert!(done.status == 0 && directory.path("target/release/server").exists(), "{done:?}");
}

#[test]
fn refuses_what_is_no_target_and_no_number() {
    let directory = Directory::new("make-targets");
    fs::create_dir(directory.path("tests")).unwrap();
    for target in ["nothing", "tests", "server", "docker"] {
        let done = make(&directory, &[target]);
        assert_eq!(done.status, 2, "{target}: {done:?}");
        assert!(
            done.stderr.starts_with(&format!("there is no target {target}: make alone")),
            "{done:?}"
        );
    }
    directory.fake("cargo", "");
    for seconds in ["abc", "0", "-1", ""] {
        let done = make(&directory, &["fuzz", &format!("FUZZ_SECONDS={seconds}")]);
        assert!(done.status == 2 && done.stderr.contains("not a number from 1"), "{done:?}");
    }
}

/// A builder of buildx may keep an image to itself, and end with 0.
#[test]
fn a_build_with_buildx_loads_the_image() {
    let directory = Directory::new("build");
    for (buildx, build) in
        [("true", "buildx build --load --tag server:latest"), ("false", "build --tag")]
    {
        directory
            .fake("docker", &format!("echo \"$@\" >>asked; [ \"$2\" != version ] || {buildx}"));
        let done = directory.run("docker/build.sh", &[]);
        assert_eq!(done.status, 0, "{done:?}");
        let asked = directory.read("asked");
        assert!(asked.lines().last().unwrap().starts_with(build), "{asked}");
    }
}
