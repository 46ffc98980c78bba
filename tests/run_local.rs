//! run-local.sh, and that nothing it started outlives it.

#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scripts::{Folder, PROGRAMS, ended, names};

#[test]
fn refuses_bad_arguments() {
    let folder = Folder::built("run-arguments");
    for arguments in [&[""][..], &["x"], &["-1"], &["1.5"], &["007"], &["10000"], &["1", "2"]] {
        let done = folder.run("run-local.sh", arguments);
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains("usage: run-local.sh [N]"), "{arguments:?}: {done:?}");
    }
}

#[test]
fn wants_built_programs() {
    let done = Folder::new("run-unbuilt").run("run-local.sh", &[]);
    assert_eq!((done.status, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.contains("make build makes it"), "{done:?}");
}

#[test]
fn ends_when_the_clients_have_finished() {
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
fn says_once_that_the_settings_are_missing() {
    let folder = Folder::built("run-no-settings");
    fs::remove_file(folder.path("server/config.ini")).unwrap();
    let done = folder.run("run-local.sh", &["1"]);
    assert_eq!(done.status, 1);
    assert!(done.stdout.contains("there is no such file"), "{done:?}");
    assert!(done.stderr.lines().all(|line| line.starts_with("run-local.sh: ")), "{done:?}");
}

#[test]
fn tells_who_failed_and_stops_the_rest() {
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
fn ends_everything_when_it_is_told_to() {
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
fn kills_what_is_left_when_it_is_told_twice() {
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
fn leaves_nothing_behind_when_nobody_can_hear_it() {
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
fn leaves_nothing_behind_after_an_early_ctrl_c() {
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
fn says_why_it_cannot_begin_but_nothing_of_what_a_signal_ended() {
    let folder = Folder::built("run-begin");
    let why = "run-local.sh: no pipes can be made for what the programs print\n";
    for (mkfifo, status, stderr) in [("exit 1", 1, why), ("kill -s TERM $PPID $$", 143, "")] {
        folder.fake("mkfifo", mkfifo);
        let done = folder.run("run-local.sh", &["1"]);
        assert_eq!((done.status, done.stderr.as_str()), (status, stderr), "{mkfifo}: {done:?}");
        assert_eq!(done.stdout, "");
    }
}

#[test]
fn tells_of_a_program_that_something_else_ended() {
    let folder = Folder::built("run-ended");
    folder.script("target/release/client", "kill -s TERM $$");
    let done = folder.run("run-local.sh", &["1"]);
    assert_eq!(done.status, 1);
    assert!(done.stderr.contains("run-local.sh: client1 ended with status 143\n"), "{done:?}");
}

#[test]
fn learns_the_port_whatever_the_level() {
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
