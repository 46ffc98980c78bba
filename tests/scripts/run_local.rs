//! run-local.sh: what it runs and prints, and that it always ends and leaves no process behind.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::scripts::{Directory, Ended, ended};
use crate::support::server::Reserved;
use crate::support::until;

/// The programs, and settings with a free port. A client sends two messages.
fn directory(test: &str, period: &str) -> Directory {
    let directory = Directory::built(test);
    let port = Reserved::new().port();
    let server = format!(
        "[DEFAULT]\r\nSERVER_PORT = {port}\r\nSERVER_LISTEN_BACKLOG = 5\r\nLOGGING_LEVEL = INFO\r\n"
    );
    fs::write(directory.path("server/config.ini"), server).unwrap();
    let client = format!(
        "server:\r\n  address: \"server:{port}\" # not :1\r\nloop:\r\n  amount: 2\r\n  period: {period}\r\n\
         log:\r\n  level: INFO\r\n"
    );
    fs::write(directory.path("client/config.yaml"), client).unwrap();
    directory
}

/// Its output goes to files, because whatever it leaves behind would keep a pipe open.
fn start(directory: &Directory, script: &str, clients: &str) -> Child {
    let mut command = directory.command("bash", script, &[clients]);
    command.stdout(fs::File::create(directory.path("stdout")).unwrap());
    command.stderr(fs::File::create(directory.path("stderr")).unwrap());
    command.process_group(0).spawn().unwrap()
}

/// Waits for its end. Nothing may be left then, but a process that has just ended may still be there for a moment.
fn finish(directory: &Directory, mut script: Child, case: &str) -> Ended {
    let status = script.wait().unwrap();
    let (stdout, stderr) = (directory.read("stdout"), directory.read("stderr"));
    until(&format!("{case}: nothing is left; {stdout}{stderr}"), || group(script.id()).is_empty());
    Ended { status: status.code().unwrap_or(-1), stdout, stderr }
}

fn run(directory: &Directory, clients: &str) -> Ended {
    finish(directory, start(directory, "run-local.sh", clients), clients)
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
    for arguments in [&[""][..], &["-1"], &["1.5"], &["007"], &["10000"], &["1", "2"]] {
        let done = ended(&mut directory.command("bash", "run-local.sh", arguments));
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains("usage: run-local.sh [N]"), "{arguments:?}: {done:?}");
    }
    let done = run(&Directory::new("run-unbuilt"), "1");
    assert!(done.status == 1 && done.stderr.contains("make build makes it"), "{done:?}");
}

#[test]
fn ends_when_the_clients_have_finished() {
    let directory = directory("run", "10ms");
    for (clients, summary, server) in [
        (0, "1 server and 0 clients", "server  | "),
        (1, "1 server and 1 client", "server  | "),
        (10, "1 server and 10 clients", "server   | "),
    ] {
        let done = run(&directory, &clients.to_string());
        let last = format!("run-local.sh: {summary}; all ended with status 0\n");
        assert!(done.status == 0 && done.stdout.ends_with(&last), "{done:?}");
        let echoes = done.stdout.matches("receive_message | result: success | client_id: ").count();
        let finished = done.stdout.matches("loop_finished | result: success").count();
        assert_eq!((echoes, finished), (2 * clients, clients), "{done:?}");
        let shutdown = |line: &str| line.starts_with(server) && line.contains("action: shutdown");
        assert_eq!(done.stdout.lines().filter(|line| shutdown(line)).count(), 2, "{done:?}");
    }
}

#[test]
fn an_address_in_the_environment_wins() {
    let directory = directory("run-address", "10ms");
    directory.script("target/release/client", "echo \"$CLI_SERVER_ADDRESS\"");
    directory.script("address.sh", "CLI_SERVER_ADDRESS=elsewhere:1 bash ../run-local.sh 1");
    let done = finish(&directory, start(&directory, "address.sh", ""), "");
    assert!(done.stdout.contains("client1 | elsewhere:1\n"), "{done:?}");
}

#[test]
fn says_who_failed() {
    let directory = directory("run-failing", "10ms");
    directory.script("target/release/client", "[ \"$CLI_ID\" != 2 ] || exit 3");
    let done = run(&directory, "3");
    let stderr = "run-local.sh: 1 server and 3 clients; client2 ended with status 3\n";
    assert_eq!((done.status, done.stderr.as_str()), (1, stderr), "{done:?}");
    assert!(done.stdout.contains("action: shutdown | result: success"), "{done:?}");

    // Without a server the script ends the clients too. These lose the first TERM, as a process that has just been forked
    // can. The second one kills them, which is no failure.
    directory.script("target/release/server", "echo \"$SERVER_BIND: no\" >&2; exit 2");
    let client = "trap 'echo asked; trap - TERM' TERM; while sleep 0.1; do :; done";
    directory.script("target/release/client", client);
    let done = run(&directory, "2");
    let stderr = "run-local.sh: 1 server and 2 clients; server ended with status 2\n";
    assert_eq!((done.status, done.stderr.as_str()), (1, stderr), "{done:?}");
    for line in ["server  | 127.0.0.1: no\n", "client1 | asked\n", "client2 | asked\n"] {
        assert!(done.stdout.contains(line), "{line:?}: {done:?}");
    }
}

#[test]
fn ends_everything_at_a_signal() {
    let directory = directory("run-signals", "1h");
    for (signal, group) in [("HUP", ""), ("TERM", ""), ("QUIT", ""), ("INT", "-")] {
        let script = start(&directory, "run-local.sh", "2");
        // A client's line: the server's has an address between the two.
        let echo = "receive_message | result: success | client_id: ";
        until("two echoes", || directory.read("stdout").matches(echo).count() == 2);
        kill(signal, &format!("{group}{}", script.id()));
        let done = finish(&directory, script, &format!("{signal} {group}"));
        assert_eq!((done.status, done.stderr.as_str()), (0, ""), "{signal} {group}: {done:?}");
        let shutdowns = done.stdout.matches("action: shutdown | result: success").count();
        assert_eq!(shutdowns, 3, "{signal} {group}: {done:?}");
        assert!(done.stdout.ends_with("; all ended with status 0\n"), "{signal} {group}: {done:?}");
    }
}

/// Two to each process, whenever they come: the delays decide nothing but how early that is.
#[test]
fn leaves_nothing_behind_after_early_signals() {
    let directory = directory("run-early", "1h");
    for (delay, signal) in [(0, "INT"), (6, "TERM"), (12, "HUP"), (24, "QUIT")] {
        let script = start(&directory, "run-local.sh", "5");
        // The first process is timeout(1), and the second becomes the script.
        until("the script runs", || group(script.id()).len() > 1);
        std::thread::sleep(Duration::from_millis(delay));
        for signal in [signal, "TERM"] {
            kill(signal, &format!("-{}", script.id()));
        }
        let case = format!("{signal} after {delay} ms");
        let done = finish(&directory, script, &case);
        assert_ne!(done.status, 137, "{case}: it did not end: {done:?}");
    }
}

#[test]
fn ends_by_itself_when_nobody_reads() {
    let directory = directory("run-unheard", "10ms");
    for (output, status) in [("| head -n 1", 0), (">/dev/full", 1), (">&-", 1)] {
        directory.script("unheard.sh", &format!("bash ../run-local.sh 2 {output}"));
        let done = finish(&directory, start(&directory, "unheard.sh", ""), output);
        assert_eq!(done.status, status, "{output}: {done:?}");
    }
}
