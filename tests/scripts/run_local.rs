//! run-local.sh: what it runs and prints, and that it always ends and leaves no process behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::scripts::{Directory, Ended, ended};

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The script in a process group of its own, on a free port.
fn command(directory: &Directory, clients: &str, period: &str) -> Command {
    let port = free_port().to_string();
    let mut command = directory.command("bash", "run-local.sh", &[clients]);
    command.env("SERVER_PORT", &port).env("CLI_SERVER_ADDRESS", format!("127.0.0.1:{port}"));
    command.env("CLI_LOOP_PERIOD", period).process_group(0);
    command
}

fn run(directory: &Directory, clients: &str) -> Ended {
    ended(command(directory, clients, "10ms").output().unwrap())
}

/// The processes of a group that still run.
fn group(id: u32) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let is_member = |pid: &String| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit(") ").next().unwrap_or_default();
        let fields: Vec<&str> = fields.split(' ').collect(); // state, parent, group, …
        fields.len() > 2 && fields[0] != "Z" && fields[2] == id.to_string()
    };
    pids.filter(is_member).collect()
}

fn kill(signal: &str, target: &str) {
    let kill = format!("kill -s {signal} -- {target}");
    // A process may have ended by now.
    let _ = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().unwrap();
}

#[test]
fn refuses_bad_arguments() {
    let directory = Directory::built("run-arguments");
    for arguments in [&[""][..], &["x"], &["-1"], &["1.5"], &["007"], &["10000"], &["1", "2"]] {
        let done = directory.run("run-local.sh", arguments);
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains("usage: run-local.sh [N]"), "{arguments:?}: {done:?}");
    }
    let done = Directory::new("run-unbuilt").run("run-local.sh", &[]);
    assert!(done.status == 1 && done.stderr.contains("make build makes it"), "{done:?}");
}

#[test]
fn ends_when_the_clients_have_finished() {
    let directory = Directory::built("run");
    for (clients, summary, server) in [
        ("0", "1 server and 0 clients", "server  | "),
        ("1", "1 server and 1 client", "server  | "),
        ("10", "1 server and 10 clients", "server   | "),
    ] {
        let done = run(&directory, clients);
        let last = format!("run-local.sh: {summary}; all ended with status 0\n");
        assert!(done.status == 0 && done.stdout.ends_with(&last), "{done:?}");
        let finished = done.stdout.matches("action: loop_finished | result: success").count();
        assert_eq!(finished.to_string(), clients, "{done:?}");
        let shutdown = |line: &str| line.starts_with(server) && line.contains("action: shutdown");
        assert_eq!(done.stdout.lines().filter(|line| shutdown(line)).count(), 2, "{done:?}");
    }
}

#[test]
fn runs_the_settings_as_they_are() {
    let directory = Directory::built("run-settings");
    let port = free_port();
    let settings = format!(
        "[DEFAULT]\r\nSERVER_PORT = {port}\r\nSERVER_LISTEN_BACKLOG = 5\r\nLOGGING_LEVEL = ERROR\r\n\
         [OTHER]\r\nLOGGING_LEVEL = DEBUG\r\n"
    );
    fs::write(directory.path("server/config.ini"), settings).unwrap();
    let settings = format!(
        "server:\r\n  address: \"server:{port}\" # not :1\r\nloop:\r\n  amount: 2\r\n  period: \"1ms\"\r\n\
         log:\r\n  level: \"INFO\"\r\n"
    );
    fs::write(directory.path("client/config.yaml"), settings).unwrap();
    let done = directory.run("run-local.sh", &["1"]);
    assert_eq!(done.status, 0, "{done:?}");
    assert!(!done.stdout.contains("server  | "), "not the level of the file: {done:?}");
    assert_eq!(done.stdout.matches("receive_message | result: success").count(), 2, "{done:?}");
}

#[test]
fn says_who_failed() {
    let directory = Directory::built("run-failing");
    directory.script("target/release/client", "[ \"$CLI_ID\" != 2 ] || exit 3");
    let done = run(&directory, "3");
    let stderr = "run-local.sh: 1 server and 3 clients; client2 ended with status 3\n";
    assert_eq!((done.status, done.stderr.as_str()), (1, stderr), "{done:?}");
    assert!(done.stdout.contains("action: shutdown | result: success"), "{done:?}");

    // Without a server the clients are ended too.
    directory.script("target/release/server", "echo 'config.ini:1: no' >&2; exit 2");
    directory.script(
        "target/release/client",
        "trap 'echo asked; exit' TERM; while sleep 0.1; do :; done",
    );
    let done = run(&directory, "2");
    let stderr = "run-local.sh: 1 server and 2 clients; server ended with status 2\n";
    assert_eq!((done.status, done.stderr.as_str()), (1, stderr), "{done:?}");
    for line in ["server  | config.ini:1: no\n", "client1 | asked\n", "client2 | asked\n"] {
        assert!(done.stdout.contains(line), "{line:?}: {done:?}");
    }
}

/// To the script, to its group as a terminal does, or to each process as a service manager does.
fn send(signal: &str, to: &str, script: &Child) {
    match to {
        "script" => kill(signal, &script.id().to_string()),
        "group" => kill(signal, &format!("-{}", script.id())),
        _ => group(script.id()).iter().for_each(|pid| kill(signal, pid)),
    }
}

#[test]
fn ends_everything_at_a_signal() {
    let directory = Directory::built("run-signals");
    for (signal, to) in [("HUP", "script"), ("INT", "group"), ("TERM", "each")] {
        let mut command = command(&directory, "2", "1h");
        let mut script = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(script.stdout.take().unwrap());
        let (mut line, mut echoes) = (String::new(), 0);
        while echoes < 2 {
            line.clear();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "{signal} {to}: it has ended");
            // A client's line: the server's has an address between the two.
            echoes += line.matches("receive_message | result: success | client_id: ").count();
        }
        send(signal, to, &script);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(script.wait().unwrap().code(), Some(0), "{signal} {to}: {rest}");
        let shutdowns = rest.matches("action: shutdown | result: success").count();
        assert_eq!(shutdowns, 3, "{signal} {to}: {rest}");
        assert!(rest.ends_with("; all ended with status 0\n"), "{signal} {to}: {rest}");
    }
}

/// Whenever they come: the delays decide nothing but how early that is.
#[test]
fn leaves_nothing_behind_after_early_signals() {
    let directory = Directory::built("run-early");
    let signals = ["INT", "TERM", "HUP", "QUIT"].iter().cycle();
    for (delay, signal) in (0..16).map(|step| step * 4).zip(signals) {
        let mut command = command(&directory, "5", "1h");
        let output = fs::File::create(directory.path("output")).unwrap();
        command.stderr(output.try_clone().unwrap()).stdout(output);
        let mut script = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        send(signal, "each", &script);
        send("TERM", "each", &script);
        let status = script.wait().unwrap();
        let output = directory.read("output");
        let case = format!("{signal} after {delay} ms: {status}: {output}");
        assert_ne!(status.code(), Some(124), "it did not end: {case}");
        assert!(!output.contains(" /server/config.ini"), "{case}");
        assert_eq!(group(script.id()), [""; 0], "{case}");
    }
}

#[test]
fn ends_by_itself_when_nobody_reads() {
    let directory = Directory::built("run-unheard");
    for output in ["| head -n 1", ">/dev/full", ">&-"] {
        directory.script("unheard.sh", &format!("bash ../run-local.sh 2 {output}"));
        let mut script = directory.command("sh", "unheard.sh", &[]);
        let port = free_port().to_string();
        script.env("SERVER_PORT", &port).env("CLI_SERVER_ADDRESS", format!("127.0.0.1:{port}"));
        script.env("CLI_LOOP_PERIOD", "10ms").process_group(0);
        let script = script.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let id = script.id();
        let done = ended(script.wait_with_output().unwrap());
        assert_eq!(done.status, i32::from(!output.starts_with('|')), "{output}");
        assert_eq!(group(id), [""; 0], "{output}");
    }
}
