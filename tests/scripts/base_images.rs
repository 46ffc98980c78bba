//! docker/base-images.sh, with a fake `docker`.

use crate::support::scripts::Directory;

#[test]
fn leaves_an_image_that_is_there_and_pulls_one_that_is_not() {
    let directory = Directory::new("images");
    let engine = "echo \"$@\" >>asked; [ \"$1\" != image ] || [ \"$3\" = busybox ]";
    directory.fake("docker", engine);
    let done = directory.run("docker/base-images.sh", &["busybox", "rust:1.85-alpine"]);
    assert_eq!(done.status, 0, "{done:?}");
    assert_eq!(
        directory.read("asked"),
        "version\nimage inspect busybox\nimage inspect rust:1.85-alpine\npull --quiet rust:1.85-alpine\n"
    );
}

#[test]
fn refuses_other_names_before_it_does_anything() {
    let directory = Directory::new("image-names");
    directory.fake("docker", "touch asked");
    let done = directory.run("docker/base-images.sh", &["busybox", "debian"]);
    assert!(done.status == 1 && done.stderr.contains("usage: "), "{done:?}");
    assert!(!directory.path("asked").exists());
}
