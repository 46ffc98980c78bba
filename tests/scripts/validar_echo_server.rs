//! validar-echo-server.sh without Docker: a fake `docker` runs a container's command right here, where a fake `nc`
//! stands for the server.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::support::scripts::{Directory, ended};

const SUCCESS: &str = "action: test_echo_server | result: success\n";
const FAIL: &str = "action: test_echo_server | result: fail\n";

/// An engine whose containers run here: everything is there, and a command is what follows the image.
const ENGINE: &str = r#"[ "$1" = run ] || exit 0
while [ "$1" != busybox ]; do shift; done
shift
exec "$@""#;

#[test]
fn compares_every_byte() {
    let directory = Directory::new("bytes");
    directory.fake("docker", ENGINE);
    for (server, status, reason) in [
        ("cat", 0, ""),
        ("cat; sleep 60", 0, ""),
        ("cat; echo", 1, "answered otherwise"),
        ("tr -d '\\n'", 1, "answered otherwise"),
        (
            "cat >/dev/null; printf 'a \"b\\\\\\r\\n\\0\\303\\261 c\\n'",
            1,
            r#", got 13 bytes "a \"b\\\r\n\0\303\261 c\n""#,
        ),
        ("tr H h", 1, "answered otherwise"),
        ("cat; printf '\\0'", 1, "answered otherwise"),
        ("cat; exec yes", 1, "answered otherwise"),
        ("cat >/dev/null", 1, "server:12345 closed the connection and sent nothing back\n"),
        ("sleep 60", 1, "server:12345 sent nothing back within 5 seconds\n"),
        (
            "echo \"nc: bad address 'server'\" >&2; exit 1",
            1,
            "no server at server:12345: nc: bad address 'server': docker logs server may tell why; make",
        ),
    ] {
        directory.fake("nc", server);
        let start = Instant::now();
        let done = directory.run("validar-echo-server.sh", &[]);
        assert_eq!(done.status, status, "{server}: {done:?}");
        assert_eq!(done.stdout, if status == 0 { SUCCESS } else { FAIL }, "{server}");
        assert!(done.stderr.contains(reason), "{server}: {done:?}");
        assert_eq!(done.stderr.lines().count(), usize::from(status == 1), "{server}: {done:?}");
        assert!(start.elapsed() < Duration::from_secs(50), "{server}: not before the server ends");
    }
}

#[test]
fn needs_no_stderr() {
    let directory = Directory::new("quiet");
    directory.fake("docker", ENGINE);
    directory.fake("nc", "cat");
    directory.script("elsewhere/quiet", "exec sh ../validar-echo-server.sh 2>&-");
    let done = directory.run("elsewhere/quiet", &[]);
    assert_eq!((done.status, done.stdout.as_str()), (0, SUCCESS), "{done:?}");
}

#[test]
fn sends_hello_echo_and_something_new_each_time() {
    let directory = Directory::new("nonce");
    directory.fake("docker", ENGINE);
    directory.fake("nc", "tee -a ../sent");
    for _ in 0..2 {
        assert_eq!(directory.run("validar-echo-server.sh", &[]).stdout, SUCCESS);
    }
    let sent = directory.read("sent");
    let lines: Vec<_> = sent.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.starts_with("Hello Echo ")), "{sent}");
    assert_ne!(lines[0], lines[1]);
}

#[test]
fn reads_the_port_from_the_settings() {
    let directory = Directory::new("port");
    directory.fake("docker", ENGINE);
    directory.fake("nc", "echo \"$@\" >../target/asked; cat");
    for (settings, port) in [
        ("[DEFAULT]\nSERVER_PORT = 12345\n", "12345"),
        ("[DEFAULT]\nserver_port=1", "1"),
        ("\u{feff}; no\r\n[DEFAULT]\r\nServer_Port\t:\t65535\t\r\n", "65535"),
        ("  [DEFAULT] ; comment\n  SERVER_PORT = 0012345\n", "12345"),
        ("[DEFAULT]#\r# SERVER_PORT = 1\rSERVER_PORT = 65535\r", "65535"),
        (
            "# SERVER_PORT = 1\n[A]\nSERVER_PORT = 2\n[DEFAULT]\nSERVER_PORTS = 3\nSERVER_PORT = 4\n",
            "4",
        ),
    ] {
        fs::write(directory.path("server/config.ini"), settings).unwrap();
        let done = directory.run("validar-echo-server.sh", &[]);
        assert_eq!(done.stdout, SUCCESS, "{settings:?}: {done:?}");
        let asked = directory.read("target/asked");
        assert_eq!(asked, format!("server {port}\n"), "{settings:?}");
    }
    for (settings, reason) in [
        ("", "no SERVER_PORT in [DEFAULT]"),
        ("[A]\nSERVER_PORT = 1\n", "no SERVER_PORT in [DEFAULT]"),
        ("[DEFAULT]\nSERVER_PORT = many\n", "SERVER_PORT: \"many\" is not a port number"),
        ("[DEFAULT]\nSERVER_PORT = 123456\n", "SERVER_PORT: \"123456\" is not a port number"),
        ("[DEFAULT]\nSERVER_PORT = 65536\n", "SERVER_PORT: \"65536\" is not a port number"),
        ("[DEFAULT]\nSERVER_PORT = 00\n", "SERVER_PORT is 0, a free port that only the server's"),
    ] {
        fs::write(directory.path("server/config.ini"), settings).unwrap();
        let done = directory.run("validar-echo-server.sh", &[]);
        assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{settings:?}: {done:?}");
        assert!(done.stderr.contains(&format!("server/config.ini: {reason}")), "{done:?}");
    }
}

#[test]
fn says_what_is_missing() {
    let directory = Directory::new("missing");
    // A warning of the engine's hides nothing.
    for (engine, reason) in [
        (
            "echo 'WARNING: old' >&2; echo 'permission denied' >&2; exit 1",
            "the Docker engine cannot be asked: WARNING: old permission denied (start Docker, or join the group docker)",
        ),
        (
            "[ $1 != network ]",
            "there is no network tp0_testing_net: start the server, by make docker",
        ),
        // Where others are joined into a swarm, the network may be there nevertheless.
        (
            "case $1 in network) exit 1 ;; info) echo active ;; run) echo 'no network' >&2; exit 125 ;; esac",
            "no container could run: no network",
        ),
        (
            "[ $1 != run ] || { echo Emulate >&2; echo out of names >&2; exit 125; }",
            "no container could run: Emulate out of names",
        ),
        ("[ $1 != image ] && [ $1 != pull ]", "there is no busybox image"),
    ] {
        directory.fake("docker", engine);
        directory.fake("apt-get", "exit 1");
        let done = directory.run("validar-echo-server.sh", &[]);
        assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{engine}: {done:?}");
        assert!(done.stderr.contains(reason), "{engine}: {done:?}");
    }
    let done = directory.run("validar-echo-server.sh", &["--help"]);
    assert!(done.status == 0 && done.stdout.starts_with("usage: "), "{done:?}");
    let done = directory.run("validar-echo-server.sh", &["12345"]);
    assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{done:?}");
    let mut command = directory.command("sh", "validar-echo-server.sh", &[]);
    let done = ended(command.env("TMPDIR", directory.path("nowhere")).output().unwrap());
    assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{done:?}");
    assert!(done.stderr.contains("nowhere"), "{done:?}");

    let settings = directory.path("server/config.ini");
    fs::remove_file(&settings).unwrap();
    let none = directory.run("validar-echo-server.sh", &[]);
    fs::create_dir(&settings).unwrap();
    let not_a_file = directory.run("validar-echo-server.sh", &[]);
    for (done, reason) in
        [(none, "config.ini: no such file"), (not_a_file, "config.ini: is a directory")]
    {
        assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{done:?}");
        assert!(done.stderr.contains(reason), "{done:?}");
    }
}

#[test]
fn ends_an_engine_that_will_not_be_asked() {
    let directory = Directory::new("stubborn");
    directory.fake("docker", "trap '' TERM; while :; do sleep 1; done");
    let script = directory.read("validar-echo-server.sh");
    let quick = script.replace("engine_limit=30", "engine_limit=1");
    assert_ne!(script, quick);
    fs::write(directory.path("validar-echo-server.sh"), quick).unwrap();
    symlink("../validar-echo-server.sh", directory.path("elsewhere/validar")).unwrap();
    let done = directory.run("elsewhere/validar", &[]);
    assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{done:?}");
    let reason = "the Docker engine cannot be asked: no answer within 1 seconds (start Docker";
    assert!(done.stderr.contains(reason), "{done:?}");
}
