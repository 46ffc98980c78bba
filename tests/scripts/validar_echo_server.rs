//! validar-echo-server.sh without Docker: a fake `docker` runs a container's command right here, where a fake `nc`
//! stands for the server.

use std::collections::HashSet;
use std::fs;

use crate::support::scripts::Directory;

/// An engine whose containers run here: everything is there, and a command is what follows the image.
const ENGINE: &str = r#"[ "$1" = run ] || exit 0
while [ "$1" != busybox ]; do shift; done
shift
exec "$@""#;

/// Runs it. It prints exactly one result line, a failure has the reason on stderr, and no temporary file stays.
fn check(directory: &Directory, reason: Option<&str>, what: &str) {
    let done = directory.run("validar-echo-server.sh", &[]);
    let (status, result) = reason.map_or((0, "success"), |_| (1, "fail"));
    let line = format!("action: test_echo_server | result: {result}\n");
    assert_eq!((done.status, &done.stdout), (status, &line), "{what}: {done:?}");
    match reason {
        Some(reason) => assert!(done.stderr.contains(reason), "{what}: no {reason:?} in {done:?}"),
        None => assert_eq!(done.stderr, "", "{what}"),
    }
    assert_eq!(directory.names("temporary files"), [""; 0], "{what}");
}

#[test]
fn compares_every_byte() {
    let directory = Directory::new("bytes");
    directory.fake("docker", ENGINE);
    let other = Some("server:12345 answered other bytes");
    for (server, reason) in [
        ("cat", None),
        ("cat; sleep 60", None),
        ("cat; echo", other),
        ("tr -d '\\n'", other),
        ("tr H h", other),
        ("cat; printf '\\0'", other),
        ("cat; exec yes", other),
        ("cat >/dev/null; printf '\\r\\303'", Some("  \\r 303\n")),
        ("cat >/dev/null", Some("server:12345 closed the connection and sent nothing back\n")),
        ("sleep 60", Some("server:12345 sent nothing back within 5 seconds\n")),
        // Whatever else netcat, or a timeout that wants other options, ends with.
        ("echo 'bad address' >&2; exit 1", Some("bad address\nvalidar-echo-server.sh: no echo")),
        ("exit 3", Some("no echo from server:12345 (status 3): make docker-compose-up")),
    ] {
        directory.fake("nc", server);
        check(&directory, reason, server);
    }
}

#[test]
fn sends_something_new_each_time_to_the_port_of_the_settings() {
    let directory = Directory::new("port");
    directory.fake("docker", ENGINE);
    directory.fake("nc", "echo \"$@\" >asked; tee -a sent");
    for (settings, port) in [
        ("[DEFAULT]\nSERVER_PORT=1", "1"),
        ("; no\r\n[DEFAULT]\r\n#SERVER_PORT = 2\r\n\tSERVER_PORT\t:\t65535\t\r\n", "65535"),
        ("[DEFAULT]\nSERVER_PORTS = 3\nSERVER_PORT = 4\n[A]\nSERVER_PORT = 5\n", "4"),
    ] {
        fs::write(directory.path("server/config.ini"), settings).unwrap();
        check(&directory, None, settings);
        assert_eq!(directory.read("asked"), format!("server {port}\n"), "{settings:?}");
    }
    let sent = directory.read("sent");
    assert!(sent.lines().all(|line| line.starts_with("Hello Echo ")), "{sent}");
    assert_eq!(sent.lines().collect::<HashSet<_>>().len(), 3, "{sent}");

    fs::write(directory.path("server/config.ini"), "[DEFAULT]\n").unwrap();
    let reason = Some("server/config.ini: there is no line SERVER_PORT");
    check(&directory, reason, "no port");
    fs::remove_file(directory.path("server/config.ini")).unwrap();
    check(&directory, Some("config.ini"), "no file");
}

#[test]
fn shows_what_docker_says() {
    let directory = Directory::new("missing");
    directory.fake("apt-get", "exit 1");
    let script = directory.read("validar-echo-server.sh");
    let quick = script.replace("engine_limit=30", "engine_limit=1");
    assert_ne!(script, quick);
    fs::write(directory.path("validar-echo-server.sh"), quick).unwrap();
    for (engine, reason) in [
        ("echo 'permission denied' >&2; exit 1", "permission denied\nbase-images: install Docker"),
        ("[ $1 != image ] && [ $1 != pull ]", "there is no busybox image"),
        ("[ $1 != run ] || { echo 'no network' >&2; exit 125; }", "no network\nvalidar"),
        (
            "case $1 in run | rm) trap '' TERM; while :; do sleep 1; done ;; esac",
            "Docker did not run the container within 1 seconds",
        ),
        // The parent of `docker run` is timeout, and the script is its parent.
        (
            "[ $1 != run ] || { read -r _ _ _ script _ </proc/$PPID/stat; kill -s TERM $script; }",
            "interrupted",
        ),
    ] {
        directory.fake("docker", engine);
        check(&directory, Some(reason), engine);
    }
    let done = directory.run("validar-echo-server.sh", &["12345"]);
    assert!(done.status == 1 && done.stderr.contains("takes no arguments"), "{done:?}");
}
