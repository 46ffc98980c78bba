//! The shell scripts, without Docker: a fake `docker` runs a container's command right here, where a fake
//! `nc` stands for the server. What needs an engine is in tests/docker.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PROGRAMS: [(&str, &str); 3] = [
    ("server", env!("CARGO_BIN_EXE_server")),
    ("client", env!("CARGO_BIN_EXE_client")),
    ("gen", env!("CARGO_BIN_EXE_gen")),
];

/// A folder of a test's own, with a copy of what the scripts need; a blank in its name is part of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("scripts").join(test).join("a root");
        let _ = fs::remove_dir_all(&folder);
        for name in ["bin", "docker", "server", "client", "target/release", "elsewhere"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        for name in [
            "generar-compose.sh",
            "validar-echo-server.sh",
            "run-local.sh",
            "docker/base-images.sh",
            "server/config.ini",
            "client/config.yaml",
            "gen.rs",
        ] {
            fs::copy(Path::new(ROOT).join(name), folder.join(name)).unwrap();
        }
        Self(folder)
    }

    /// The same, with the programs where `cargo build --release` puts them.
    fn built(test: &str) -> Self {
        let folder = Self::new(test);
        for (name, program) in PROGRAMS {
            symlink(program, folder.path("target/release").join(name)).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A command that goes before any of the same name.
    fn fake(&self, name: &str, script: &str) {
        self.script(&format!("bin/{name}"), script);
    }

    fn script(&self, name: &str, script: &str) {
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, shell: &str, script: &str, arguments: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("timeout");
        command.args(["--foreground", "60", shell]).arg(self.path(script)).args(arguments);
        command.current_dir(self.path("elsewhere")).stdin(Stdio::null());
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.env("CARGO_TARGET_DIR", self.path("target"));
        command
    }

    /// A folder for temporary files, to be found empty in the end. Half of its name is that of another.
    fn temporary(&self) -> PathBuf {
        let path = self.path("elsewhere\nfiles");
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Ended {
        ended(self.command(shell_of(script), script, arguments).output().unwrap())
    }
}

fn shell_of(script: &str) -> &'static str {
    if script == "run-local.sh" { "bash" } else { "sh" }
}

#[derive(Debug)]
struct Ended {
    status: i32,
    stdout: String,
    stderr: String,
}

fn ended(output: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        status: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

// generar-compose.sh

fn gen_prints(arguments: &[&str]) -> String {
    let (_, program) = PROGRAMS[2];
    ended(Command::new(program).args(arguments).output().unwrap()).stdout
}

#[test]
fn generar_refuses_bad_arguments_and_leaves_the_file_alone() {
    let folder = Folder::built("arguments");
    let file = folder.path("elsewhere/compose.yaml");
    fs::write(&file, "as it was").unwrap();
    let cases: [&[&str]; 14] = [
        &[],
        &["compose.yaml"],
        &["compose.yaml", "1", "2"],
        &["", "1"],
        &["compose.yaml\n", "1"],
        &["compose.yaml", ""],
        &["compose.yaml", "1.5"],
        &["compose.yaml", "-1"],
        &["compose.yaml", "+3"],
        &["compose.yaml", "007"],
        &["compose.yaml", "00"],
        &["compose.yaml", " 1"],
        &["compose.yaml", "1\n2"],
        &["compose.yaml", "99999999999999999999"],
    ];
    for arguments in cases {
        let done = folder.run("generar-compose.sh", arguments);
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains("\nusage: "), "{arguments:?}: {done:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "as it was", "{arguments:?}");
        assert_eq!(names(&folder.path("elsewhere")), ["compose.yaml"], "{arguments:?}");
    }
}

#[test]
fn generar_names_sources_beside_the_file_or_absolutely() {
    let folder = Folder::built("sources");
    for (shell, file, expected) in [
        ("sh", "../compose.yaml", gen_prints(&["2"])),
        ("bash", "../docker/../-n", gen_prints(&["2"])),
        ("sh", "a file", gen_prints(&["--root", folder.0.to_str().unwrap(), "2"])),
        ("bash", "-file", gen_prints(&["--root", folder.0.to_str().unwrap(), "2"])),
    ] {
        let done = folder.command(shell, "generar-compose.sh", &[file, "2"]).output().unwrap();
        assert!(done.status.success(), "{file}: {done:?}");
        assert_eq!(fs::read_to_string(folder.path("elsewhere").join(file)).unwrap(), expected);
    }
    assert_eq!(names(&folder.path("elsewhere")), ["-file", "a file"]);
}

#[test]
fn generar_leaves_the_file_alone_when_gen_fails_half_way() {
    let folder = Folder::new("half");
    let half = "[ $1 != --version ] || exit 0; echo half; echo 'gen: no more' >&2; exit 1";
    folder.script("target/release/gen", half);
    fs::write(folder.path("elsewhere/old"), "as it was").unwrap();
    for file in ["old", "new"] {
        let done = folder.run("generar-compose.sh", &[file, "1"]);
        assert_eq!((done.status, done.stderr.as_str()), (1, "gen: no more\n"));
    }
    assert_eq!(fs::read_to_string(folder.path("elsewhere/old")).unwrap(), "as it was");
    assert_eq!(names(&folder.path("elsewhere")), ["old"]);
}

#[test]
fn generar_says_where_it_cannot_write() {
    let folder = Folder::built("unwritable");
    fs::create_dir(folder.path("elsewhere/folder")).unwrap();
    symlink("loop", folder.path("elsewhere/loop")).unwrap();
    // /proc, because nobody can make a file there: these tests may run as root.
    for (file, reason) in [
        ("folder", "folder: is a folder"),
        ("none/", "none/: there is no such folder, nor would it be a file"),
        ("none/file", "none/file: there is no folder ./none"),
        ("loop", "loop: a link that leads nowhere"),
        ("/proc/file", "/proc/file: no permission to write in /proc"),
    ] {
        let done = folder.run("generar-compose.sh", &[file, "1"]);
        assert_eq!(done.status, 1, "{file}: {done:?}");
        assert_eq!(done.stderr, format!("generar-compose.sh: {reason}\n"));
    }
}

#[test]
fn generar_keeps_permissions_and_links() {
    let folder = Folder::built("permissions");
    let mode = |name| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    fs::write(folder.path("elsewhere/old"), "a longer text than any".repeat(1000)).unwrap();
    fs::set_permissions(folder.path("elsewhere/old"), fs::Permissions::from_mode(0o604)).unwrap();
    symlink("old", folder.path("elsewhere/link")).unwrap();
    assert_eq!(folder.run("generar-compose.sh", &["link", "1"]).status, 0);
    assert!(fs::symlink_metadata(folder.path("elsewhere/link")).unwrap().is_symlink());
    assert!(
        fs::read_to_string(folder.path("elsewhere/old")).unwrap().ends_with("tp0_testing_net\n")
    );
    assert_eq!(mode("elsewhere/old"), 0o604);

    folder.script("new-file.sh", "umask 027; exec sh ../generar-compose.sh new 1");
    assert_eq!(folder.run("new-file.sh", &[]).status, 0);
    assert_eq!(mode("elsewhere/new"), 0o640);

    let longest = "n".repeat(255);
    assert_eq!(folder.run("generar-compose.sh", &[&longest, "1"]).status, 0);
    assert!(folder.path("elsewhere").join(longest).exists());
}

#[test]
fn generar_writes_to_what_cannot_be_replaced() {
    let folder = Folder::built("stdout");
    let done = folder.run("generar-compose.sh", &["/dev/stdout", "1"]);
    assert_eq!(done.stdout, gen_prints(&["--root", folder.0.to_str().unwrap(), "1"]), "{done:?}");
    assert_eq!(folder.run("generar-compose.sh", &["/dev/null", "1"]).status, 0);

    folder.script("log.sh", "echo before >log; exec sh ../generar-compose.sh \"$1\" 1 >>log");
    for file in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let log = folder.run("log.sh", &[file]);
        assert_eq!(log.status, 0, "{file}: {log:?}");
        let log = fs::read_to_string(folder.path("elsewhere/log")).unwrap();
        assert_eq!(log, format!("before\n{}", done.stdout), "{file}");
    }
}

#[test]
fn generar_finds_its_own_folder_through_a_link() {
    let folder = Folder::built("link");
    symlink("../generar-compose.sh", folder.path("elsewhere/generar")).unwrap();
    let done = folder.run("elsewhere/generar", &["../compose.yaml", "1"]);
    assert_eq!(done.status, 0, "{done:?}");
    assert_eq!(fs::read_to_string(folder.path("compose.yaml")).unwrap(), gen_prints(&["1"]));

    fs::remove_file(folder.path("gen.rs")).unwrap();
    let done = folder.run("generar-compose.sh", &["other.yaml", "1"]);
    assert_eq!(done.status, 1);
    assert!(done.stderr.contains("gen.rs: no such file"), "{done:?}");
    assert_eq!(names(&folder.path("elsewhere")), ["generar"]);
}

#[test]
fn generar_leaves_nothing_behind_when_it_is_told_to_end() {
    let folder = Folder::new("hangup");
    for (signal, status) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        folder.script("target/release/gen", &format!("kill -s {signal} $PPID"));
        let mut command = folder.command("sh", "generar-compose.sh", &["file", "1"]);
        let done = ended(command.env("TMPDIR", folder.temporary()).output().unwrap());
        assert_eq!(done.status, status, "{done:?}");
        assert!(
            names(&folder.temporary()).is_empty() && names(&folder.path("elsewhere")).is_empty()
        );
    }
}

#[test]
fn generar_needs_a_binary_or_a_compiler_or_docker() {
    let folder = Folder::new("without-cargo");
    let expected = gen_prints(&["1"]);
    let file = folder.path("compose.yaml");

    assert_eq!(folder.run("generar-compose.sh", &["../compose.yaml", "1"]).status, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), expected, "by rustc");

    // As on a file system that is mounted noexec.
    folder.fake("rustc", "while [ \"$1\" != -o ]; do shift; done; : >\"$2\"");
    let done = folder.run("generar-compose.sh", &["../compose.yaml", "1"]);
    assert_eq!(done.status, 1);
    assert!(done.stderr.contains("set TMPDIR to another folder"), "{done:?}");

    folder.fake("rustc", "echo 'rustc: too old' >&2; exit 1");
    folder.fake("docker", "exit 1");
    fs::remove_file(&file).unwrap();
    let done = folder.run("generar-compose.sh", &["../compose.yaml", "1"]);
    assert_eq!(done.status, 1);
    assert!(done.stderr.starts_with("rustc: too old\n"), "{done:?}");
    assert!(done.stderr.contains("no Docker engine") && !file.exists(), "{done:?}");

    let (_, program) = PROGRAMS[2];
    // run --rm --network none --entrypoint /gen IMAGE
    let engine = format!("[ \"$1\" != run ] || {{ shift 7; exec '{program}' \"$@\"; }}");
    folder.fake("docker", &engine);
    assert_eq!(folder.run("generar-compose.sh", &["../compose.yaml", "1"]).status, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), expected, "by Docker");
    assert_eq!(folder.run("generar-compose.sh", &["../compose.yaml", "5000"]).status, 2);
}

#[test]
fn generar_passes_over_a_binary_that_does_not_run_here() {
    let folder = Folder::new("foreign");
    folder.script("target/release/gen", "exit 127");
    assert_eq!(folder.run("generar-compose.sh", &["../compose.yaml", "1"]).status, 0);
    assert_eq!(fs::read_to_string(folder.path("compose.yaml")).unwrap(), gen_prints(&["1"]));
}

#[test]
fn generar_passes_over_a_binary_older_than_its_source() {
    let folder = Folder::new("stale");
    folder.script("target/release/gen", "echo stale");
    let source = fs::File::options().append(true).open(folder.path("gen.rs")).unwrap();
    source.set_modified(std::time::SystemTime::now() + Duration::from_secs(60)).unwrap();
    assert_eq!(folder.run("generar-compose.sh", &["../compose.yaml", "1"]).status, 0);
    assert_eq!(fs::read_to_string(folder.path("compose.yaml")).unwrap(), gen_prints(&["1"]));
}

// validar-echo-server.sh

const SUCCESS: &str = "action: test_echo_server | result: success\n";
const FAIL: &str = "action: test_echo_server | result: fail\n";

/// An engine whose containers run here: everything is there, and a command is what follows the image.
const ENGINE: &str = r#"[ "$1" = run ] || exit 0
while [ "$1" != busybox ]; do shift; done
shift
exec "$@""#;

#[test]
fn validar_compares_every_byte() {
    let folder = Folder::new("bytes");
    folder.fake("docker", ENGINE);
    for (server, status, reason) in [
        ("cat", 0, ""),
        ("cat; sleep 60", 0, ""),
        ("cat; echo", 1, "answered otherwise"),
        ("tr -d '\\n'", 1, "answered otherwise"),
        ("tr H h", 1, "answered otherwise"),
        ("cat; printf '\\0'", 1, "answered otherwise"),
        ("cat; exec yes", 1, "answered otherwise"),
        ("cat >/dev/null", 1, "sent nothing back"),
        ("sleep 60", 1, "sent nothing back"),
        (
            "echo \"nc: bad address 'server'\" >&2; exit 1",
            1,
            "no server at server:12345 (docker logs server may tell why): nc: bad",
        ),
    ] {
        folder.fake("nc", server);
        let start = Instant::now();
        let done = folder.run("validar-echo-server.sh", &[]);
        assert_eq!(done.status, status, "{server}: {done:?}");
        assert_eq!(done.stdout, if status == 0 { SUCCESS } else { FAIL }, "{server}");
        assert!(done.stderr.contains(reason), "{server}: {done:?}");
        assert_eq!(done.stderr.lines().count(), usize::from(status == 1), "{server}: {done:?}");
        assert!(start.elapsed() < Duration::from_secs(20), "{server}: not within seconds");
    }
}

#[test]
fn validar_sends_hello_echo_and_something_new_each_time() {
    let folder = Folder::new("nonce");
    folder.fake("docker", ENGINE);
    folder.fake("nc", "tee -a ../sent");
    for _ in 0..2 {
        assert_eq!(folder.run("validar-echo-server.sh", &[]).stdout, SUCCESS);
    }
    let sent = fs::read_to_string(folder.path("sent")).unwrap();
    let lines: Vec<_> = sent.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.starts_with("Hello Echo ")), "{sent}");
    assert_ne!(lines[0], lines[1]);
}

#[test]
fn validar_reads_the_port_from_the_settings() {
    let folder = Folder::new("port");
    folder.fake("docker", ENGINE);
    folder.fake("nc", "echo \"$@\" >../target/asked; cat");
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
        fs::write(folder.path("server/config.ini"), settings).unwrap();
        let done = folder.run("validar-echo-server.sh", &[]);
        assert_eq!(done.stdout, SUCCESS, "{settings:?}: {done:?}");
        let asked = fs::read_to_string(folder.path("target/asked")).unwrap();
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
        fs::write(folder.path("server/config.ini"), settings).unwrap();
        let done = folder.run("validar-echo-server.sh", &[]);
        assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{settings:?}: {done:?}");
        assert!(done.stderr.contains(&format!("server/config.ini: {reason}")), "{done:?}");
    }
}

#[test]
fn validar_says_what_is_missing() {
    let folder = Folder::new("missing");
    for (engine, reason) in [
        ("echo no such host >&2; exit 1", "no Docker engine answers: no such host"),
        ("[ $1 != network ]", "there is no network tp0_testing_net"),
        (
            "[ $1 != run ] || { echo out of names >&2; exit 125; }",
            "no container could run: out of names",
        ),
    ] {
        folder.fake("docker", engine);
        let done = folder.run("validar-echo-server.sh", &[]);
        assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{engine}: {done:?}");
        assert!(done.stderr.contains(reason), "{engine}: {done:?}");
    }
    let done = folder.run("validar-echo-server.sh", &["12345"]);
    assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{done:?}");
    let mut command = folder.command("sh", "validar-echo-server.sh", &[]);
    let done = ended(command.env("TMPDIR", folder.path("nowhere")).output().unwrap());
    assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{done:?}");
    assert!(done.stderr.contains("nowhere"), "{done:?}");
}

#[test]
fn validar_ends_an_engine_that_will_not_be_asked() {
    let folder = Folder::new("stubborn");
    folder.fake("docker", "trap '' TERM; while :; do sleep 1; done");
    let script = fs::read_to_string(folder.path("validar-echo-server.sh")).unwrap();
    let quick = script.replace("engine_limit=30", "engine_limit=1");
    assert_ne!(script, quick);
    fs::write(folder.path("validar-echo-server.sh"), quick).unwrap();
    symlink("../validar-echo-server.sh", folder.path("elsewhere/validar")).unwrap();
    let done = folder.run("elsewhere/validar", &[]);
    assert_eq!((done.status, done.stdout.as_str()), (1, FAIL), "{done:?}");
    assert!(done.stderr.contains("no Docker engine answers"), "{done:?}");
}

// docker/base-images.sh

#[test]
fn base_images_leaves_an_image_that_is_there() {
    let folder = Folder::new("images");
    folder.fake("docker", "echo \"$1\" >>../asked");
    let done = folder.run("docker/base-images.sh", &["busybox", "rust:1.85-alpine"]);
    assert_eq!((done.status, done.stdout.as_str()), (0, ""), "{done:?}");
    assert_eq!(fs::read_to_string(folder.path("asked")).unwrap(), "version\nimage\nimage\n");
}

#[test]
fn base_images_refuses_other_names_before_it_does_anything() {
    let folder = Folder::new("image-names");
    folder.fake("docker", "touch ../asked");
    for arguments in [&[][..], &["alpine"], &["busybox", "debian"]] {
        let done = folder.run("docker/base-images.sh", arguments);
        assert_eq!(done.status, 2);
        assert!(done.stderr.starts_with("usage: ") && !folder.path("asked").exists());
    }
}

// run-local.sh

#[test]
fn run_local_refuses_bad_arguments() {
    let folder = Folder::built("run-arguments");
    for arguments in [&[""][..], &["x"], &["-1"], &["1.5"], &["007"], &["10000"], &["1", "2"]] {
        let done = folder.run("run-local.sh", arguments);
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains("usage: run-local.sh [N]"), "{arguments:?}: {done:?}");
    }
}

#[test]
fn run_local_wants_built_programs() {
    let done = Folder::new("run-unbuilt").run("run-local.sh", &[]);
    assert_eq!((done.status, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.contains("make build makes it"), "{done:?}");
}

#[test]
fn run_local_ends_when_the_clients_have_finished() {
    let folder = Folder::built("run=here");
    for clients in [0, 1, 10] {
        let mut command = folder.command("bash", "run-local.sh", &[&clients.to_string()]);
        let done = ended(command.env("CLI_LOOP_PERIOD", "10ms").output().unwrap());
        assert_eq!(done.status, 0, "{done:?}");
        let count = |part| done.stdout.lines().filter(|line| line.contains(part)).count();
        assert_eq!(count("action: loop_finished | result: success"), clients);
        assert_eq!(count("| result: success | client_id: ") - 2 * clients, 5 * clients);
        let width = if clients == 10 { "server   | " } else { "server  | " };
        assert!(done.stdout.starts_with(width), "{done:?}");
        let noun = if clients == 1 { "client" } else { "clients" };
        let last =
            format!("run-local.sh: 1 server and {clients} {noun} have ended, each with status 0");
        assert_eq!(done.stdout.lines().last(), Some(last.as_str()));
    }
}

#[test]
fn run_local_tells_who_failed_and_stops_the_rest() {
    let folder = Folder::built("run-failing");
    folder.script("target/release/client", "[ \"$CLI_ID\" != 2 ] || exit 3");
    let done = folder.run("run-local.sh", &["3"]);
    assert_eq!(done.status, 1);
    assert!(done.stderr.contains("run-local.sh: client2 ended with status 3\n"), "{done:?}");
    assert!(done.stdout.contains("server  | "), "{done:?}");
    assert!(done.stdout.contains("action: shutdown | result: success"), "{done:?}");

    folder.script("target/release/server", "echo 'config.ini:1: no' >&2; exit 2");
    let done = folder.run("run-local.sh", &["3"]);
    assert_eq!((done.status, done.stdout.as_str()), (1, "server  | config.ini:1: no\n"));
    let stderr = "run-local.sh: server ended with status 2\n\
        run-local.sh: the server does not listen: no client was started\n";
    assert_eq!(done.stderr, stderr);
}

fn read_until(lines: &mut impl BufRead, part: &str) {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended without {part:?}");
    }
}

fn send(signal: &str, script: &Child) {
    let kill = format!("kill -s {signal} {}", script.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn run_local_ends_everything_when_it_is_told_to() {
    let folder = Folder::built("run-interrupted");
    for signal in ["INT", "TERM", "HUP"] {
        let mut command = folder.command("bash", "run-local.sh", &["2"]);
        command.env("CLI_LOOP_PERIOD", "1h").stdout(Stdio::piped());
        let mut script = command.spawn().unwrap();
        let mut stdout = BufReader::new(script.stdout.take().unwrap());
        for _ in 0..2 {
            // A client's line: the server's has an address between the two.
            read_until(&mut stdout, "receive_message | result: success | client_id: ");
        }
        send(signal, &script);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap(); // to its end: whoever runs still holds the pipe
        assert_eq!(script.wait().unwrap().code(), Some(0), "{signal}: {rest}");
        assert_eq!(
            rest.matches("action: shutdown | result: success").count(),
            3,
            "{signal}: {rest}"
        );
    }
}

#[test]
fn run_local_kills_what_is_left_when_it_is_told_twice() {
    let folder = Folder::built("run-twice");
    folder.script("target/release/client", "trap '' TERM; echo deaf; exec sleep 50");
    let mut command = folder.command("bash", "run-local.sh", &["1"]);
    let mut script = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(script.stdout.take().unwrap());
    read_until(&mut stdout, "client1 | deaf");
    send("TERM", &script);
    read_until(&mut stdout, "action: shutdown | result: success");
    send("TERM", &script);
    let done = ended(script.wait_with_output().unwrap());
    // Of them the server may be one, if it has not quite ended.
    let stderr = "run-local.sh: killed by a second signal: ";
    assert!(done.status == 143 && done.stderr.starts_with(stderr), "{done:?}");
}

/// A server whose process id is found afterwards, and a folder for the script's temporary files.
fn watched(test: &str) -> Folder {
    let folder = Folder::built(test);
    let (_, program) = PROGRAMS[0];
    let server = format!("echo $$ >>'{}'; exec '{program}' \"$@\"", folder.path("pids").display());
    folder.script("target/release/server", &server);
    folder.temporary();
    folder
}

fn assert_nothing_is_left(folder: &Folder, case: &str) {
    assert!(names(&folder.temporary()).is_empty(), "{case}");
    assert!(folder.path("elsewhere").exists(), "{case}");
    for pid in fs::read_to_string(folder.path("pids")).unwrap_or_default().lines() {
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!command.contains("--config"), "{case}: process {pid} still runs: {command:?}");
    }
}

#[test]
fn run_local_leaves_nothing_behind_when_nobody_can_hear_it() {
    let folder = watched("run-unheard");
    let heads = (1..10).map(|lines| format!("| head -n {lines}"));
    // A disk that is full at once, and one (a limit on files, for that) that has room for some lines.
    let full = [">/dev/full", ">&-", ">output"].map(str::to_owned);
    for output in heads.chain(full) {
        let limit = "trap '' XFSZ; ulimit -f 4";
        folder.script("unheard.sh", &format!("{limit}; bash ../run-local.sh 2 {output}"));
        let mut command = folder.command("sh", "unheard.sh", &[]);
        // There is always one more line that cannot be written.
        command.env("CLI_LOOP_PERIOD", "10ms").env("CLI_LOOP_AMOUNT", "1000000");
        command.env("TMPDIR", folder.temporary());
        let done = ended(command.output().unwrap());
        let (status, stderr) = match output.starts_with('|') {
            true => (0, ""),
            false => (1, "run-local.sh: stdout cannot be written to\n"),
        };
        assert_eq!((done.status, done.stderr.as_str()), (status, stderr), "{output}: {done:?}");
        assert_nothing_is_left(&folder, &output);
    }
}

#[test]
fn run_local_leaves_nothing_behind_after_an_early_ctrl_c() {
    let folder = watched("run-ctrl-c");
    if Command::new("script").arg("--version").output().is_err() {
        // Not eprintln!, which a test's success hides.
        let _ =
            writeln!(std::io::stderr(), "NOT TESTED: no script(1) here, which makes a terminal");
        return;
    }
    folder.script(
        "terminal.sh",
        "exec script -qefc 'echo here; exec bash ../run-local.sh 20' /dev/null",
    );
    // Whenever it comes; the delays decide nothing but how early that is.
    for delay in (0..20).chain((20..100).step_by(10)) {
        let mut command = folder.command("sh", "terminal.sh", &[]);
        command.env("CLI_LOOP_PERIOD", "1h").env("TMPDIR", folder.temporary());
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut keyboard = script.stdin.take().unwrap();
        let mut screen = BufReader::new(script.stdout.take().unwrap());
        screen.read_line(&mut String::new()).unwrap(); // the terminal is there
        let screen = std::thread::spawn(move || std::io::read_to_string(screen).unwrap());
        std::thread::sleep(Duration::from_millis(delay));
        keyboard.write_all(&[3]).unwrap();
        let status = script.wait().unwrap();
        let screen = screen.join().unwrap();
        assert_ne!(status.code(), Some(124), "{delay} ms: it did not end: {screen}");
        assert!(!screen.contains("run-local.sh: client"), "{delay} ms: {screen}");
        assert!(!screen.contains("pop_var_context"), "{delay} ms: {screen}");
        let last = screen.lines().last().unwrap_or_default();
        match status.code() {
            Some(0) => {
                let all = last.contains("have ended, each with status 0");
                let early = " before they could handle a signal, the others with status 0";
                assert!(all || last.contains(early), "{delay} ms: {screen}")
            }
            status => assert_eq!(status, Some(130), "{delay} ms: {screen}"),
        }
        assert_nothing_is_left(&folder, &format!("{delay} ms: {screen}"));
    }
}

#[test]
fn run_local_tells_of_a_program_that_something_else_ended() {
    let folder = Folder::built("run-ended");
    folder.script("target/release/client", "kill -s TERM $$");
    let done = folder.run("run-local.sh", &["1"]);
    assert_eq!(done.status, 1);
    assert!(done.stderr.contains("run-local.sh: client1 ended with status 143\n"), "{done:?}");
}

#[test]
fn run_local_learns_the_port_whatever_the_level() {
    let folder = Folder::built("run-level");
    let settings = "[DEFAULT]\nSERVER_PORT = 12345\nSERVER_LISTEN_BACKLOG = 5\nlogging_level: ";
    for (environment, file, status, debug) in [
        ("ERROR", "info", 0, false),
        ("warn", "DEBUG", 0, false),
        ("", "critical\r\n", 0, false),
        ("", "debug", 0, true),
        ("Debug", "ERROR", 0, true),
        ("loud", "INFO", 1, false),
    ] {
        fs::write(folder.path("server/config.ini"), format!("{settings}{file}\n")).unwrap();
        let mut command = folder.command("bash", "run-local.sh", &["1"]);
        command.env("LOGGING_LEVEL", environment).env("CLI_LOOP_PERIOD", "10ms");
        let done = ended(command.output().unwrap());
        assert_eq!(done.status, status, "{environment}, {file}: {done:?}");
        let shown = done
            .stdout
            .lines()
            .any(|line| line.starts_with("server") && line.contains(" DEBUG    action: "));
        assert_eq!(shown, debug, "{environment}, {file}: {done:?}");
    }
}
