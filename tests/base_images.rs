//! docker/base-images.sh, with a fake `docker`.

#[path = "support/scripts.rs"]
mod scripts;

use std::fs;

use scripts::Folder;

#[test]
fn leaves_an_image_that_is_there() {
    let folder = Folder::new("images");
    folder.fake("docker", "echo \"$1\" >>../asked");
    let done = folder.run("docker/base-images.sh", &["busybox", "rust:1.85-alpine"]);
    assert_eq!((done.status, done.stdout.as_str()), (0, ""), "{done:?}");
    assert_eq!(fs::read_to_string(folder.path("asked")).unwrap(), "version\nimage\nimage\n");
}

#[test]
fn refuses_other_names_before_it_does_anything() {
    let folder = Folder::new("image-names");
    folder.fake("docker", "touch ../asked");
    for arguments in [&[][..], &["alpine"], &["busybox", "debian"]] {
        let done = folder.run("docker/base-images.sh", arguments);
        assert_eq!(done.status, 2);
        assert!(done.stderr.starts_with("usage: ") && !folder.path("asked").exists());
    }
    let done = folder.run("docker/base-images.sh", &["--help"]);
    assert!(done.status == 0 && done.stdout.starts_with("usage: "), "{done:?}");
    assert!(!folder.path("asked").exists());
}
