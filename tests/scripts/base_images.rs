//! docker/base-images.sh, with a fake `docker`.

use crate::support::scripts::{Directory, Ended, ended};

/// An engine of an amd64 machine that has the images of one platform; no registry answers.
fn for_platform(test: &str, images: &str, wanted: &str) -> (Ended, String) {
    let directory = Directory::new(test);
    let answers = format!(
        "case $1 in version) echo linux/amd64 ;; image) echo {images} ;; pull) exit 1 ;; esac"
    );
    directory.fake("docker", &format!("echo \"$1\" >>../asked\n{answers}"));
    let mut command = directory.command("sh", "docker/base-images.sh", &["rust:1.85-alpine"]);
    let done = ended(command.env("DOCKER_DEFAULT_PLATFORM", wanted).output().unwrap());
    (done, directory.read("asked"))
}

#[test]
fn leaves_an_image_that_is_there() {
    let directory = Directory::new("images");
    directory.fake("docker", "echo \"$1\" >>../asked");
    let done = directory.run("docker/base-images.sh", &["busybox", "rust:1.85-alpine"]);
    assert_eq!((done.status, done.stdout.as_str()), (0, ""), "{done:?}");
    assert_eq!(directory.read("asked"), "version\nimage\nimage\n");
}

#[test]
fn refuses_other_names_before_it_does_anything() {
    let directory = Directory::new("image-names");
    directory.fake("docker", "touch ../asked");
    for arguments in [&[][..], &["alpine"], &["busybox", "debian"]] {
        let done = directory.run("docker/base-images.sh", arguments);
        assert_eq!(done.status, 2);
        assert!(done.stderr.starts_with("usage: ") && !directory.path("asked").exists());
    }
    let done = directory.run("docker/base-images.sh", &["--help"]);
    assert!(done.status == 0 && done.stdout.starts_with("usage: "), "{done:?}");
    assert!(!directory.path("asked").exists());
}

#[test]
fn an_image_for_another_platform_is_not_the_one_that_is_wanted() {
    let (done, asked) = for_platform("images-platform", "linux/amd64", "linux/arm64");
    assert_eq!((done.status, asked.as_str()), (1, "version\nimage\npull\n"), "{done:?}");
    assert!(done.stderr.contains("a stand-in is made for linux/amd64 only"), "{done:?}");
}

#[test]
fn an_image_for_the_platform_that_is_wanted_stays() {
    for (number, wanted) in ["linux/arm64", "linux/arm64/v8"].iter().enumerate() {
        let (done, asked) = for_platform(&format!("images-{number}"), "linux/arm64", wanted);
        assert_eq!((done.status, asked.as_str()), (0, "version\nimage\n"), "{done:?}");
    }
}
