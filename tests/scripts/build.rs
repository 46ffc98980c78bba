//! The Makefile, docker/build.sh and docker/base-images.sh, with a fake `cargo` and a fake `docker`.

use crate::support::scripts::{Directory, Ended};

fn make(directory: &Directory, arguments: &[&str]) -> Ended {
    let script = "unset MAKEFLAGS MAKELEVEL MFLAGS FUZZ_SECONDS; cd ..; exec make \"$@\"";
    directory.script("make.sh", script);
    directory.run("make.sh", arguments)
}

#[test]
fn builds_in_target_release_and_runs_nothing_old() {
    let directory = Directory::built("make-build");
    directory.fake("cargo", "echo \"$@\" \"${CARGO_BUILD_TARGET-unset}\" >>asked");
    directory.script("run-local.sh", "echo \"$1\" >ran");
    let done = make(&directory, &["run"]);
    assert_eq!(directory.read("asked"), "build --release --target-dir target unset\n");
    assert!(done.stderr.contains("build.target"), "{done:?}");
    assert!(done.status != 0 && !directory.path("ran").exists(), "{done:?}");

    let cargo = "case $1 in clean) sleep 1; rm -r target ;; build) mkdir -p target/release; touch target/release/server; \
                 chmod +x target/release/server ;; esac";
    directory.fake("cargo", cargo);
    let done = make(&directory, &["-j4", "clean", "run", "CLIENTS=3"]);
    assert!(done.status == 0 && directory.path("target/release/server").exists(), "{done:?}");
    assert_eq!(directory.read("ran"), "3\n");
}

#[test]
fn lists_its_targets_and_refuses_what_is_none_and_no_number() {
    let directory = Directory::new("make-targets");
    directory.fake("cargo", "");
    assert!(make(&directory, &[]).stdout.contains("\n  docker-compose-up "));
    for target in ["nothing", "docker", "server"] {
        let done = make(&directory, &[target]);
        let refusal = format!("there is no target {target}: make alone");
        assert!(done.status == 2 && done.stderr.starts_with(&refusal), "{done:?}");
    }
    for seconds in ["abc", "0", "-1", ""] {
        let done = make(&directory, &["fuzz", &format!("FUZZ_SECONDS={seconds}")]);
        assert!(done.status == 2 && done.stderr.contains("not a number from 1"), "{done:?}");
    }
}

/// A builder of buildx may keep an image to itself, and end with 0.
#[test]
fn pulls_a_missing_base_image_and_loads_what_buildx_builds() {
    for (has_both, pull, build) in
        [("true", "", "buildx build --load"), ("false", "pull --quiet rust:1.85-alpine\n", "build")]
    {
        let directory = Directory::new("build");
        let engine = format!("echo \"$@\" >>asked; case $1 in image | buildx) {has_both} ;; esac");
        directory.fake("docker", &engine);
        let done = directory.run("docker/build.sh", &[]);
        assert_eq!(done.status, 0, "{done:?}");
        let expected = format!(
            "version\nimage inspect rust:1.85-alpine\n{pull}buildx version\n\
             {build} --tag server:latest --tag client:latest .\n"
        );
        assert_eq!(directory.read("asked"), expected);
    }
}

#[test]
fn refuses_other_base_images_before_it_does_anything() {
    let directory = Directory::new("image-names");
    directory.fake("docker", "touch asked");
    let done = directory.run("docker/base-images.sh", &["busybox", "debian"]);
    assert!(done.status == 1 && done.stderr.contains("usage: "), "{done:?}");
    assert!(!directory.path("asked").exists());
    let done = directory.run("docker/base-images.sh", &["busybox"]);
    assert!(done.status == 0 && directory.path("asked").exists(), "{done:?}");
}
