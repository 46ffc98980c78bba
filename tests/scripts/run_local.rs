//! run-local.sh, and that nothing it started outlives it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::scripts::{Directory, PROGRAMS, ended};

#[test]
fn refuses_bad_arguments() {
    let directory = Directory::built("run-arguments");
    for arguments in [&[""][..], &["x"], &["-1"], &["1.5"], &["007"], &["10000"], &["1", "2"]] {
        let done = directory.run("run-local.sh", arguments);
        assert_eq!((done.status, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains("\nusage: run-local.sh [N]"), "{arguments:?}: {done:?}");
    }
    let done = directory.run("run-local.sh", &["--help"]);
    assert!(done.status == 0 && done.stdout.starts_with("usage: run-local.sh [N]"), "{done:?}");
}

#[test]
fn wants_built_programs() {
    let done = Directory::new("run-unbuilt").run("run-local.sh", &[]);
    assert_eq!((done.status, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.contains("make build makes it"), "{done:?}");
}

#[test]
fn ends_when_the_clients_have_finished() {
    let directory = Directory::built("run=here");
    for clients in [0, 1, 10] {
        let mut command = directory.command("bash", "run-local.sh", &[&clients.to_string()]);
        let done = ended(command.env("CLI_LOOP_PERIOD", "10ms").output().unwrap());
        assert_eq!(done.status, 0, "{done:?}");
        let count = |part| done.stdout.lines().filter(|line| line.contains(part)).count();
        assert_eq!(count("action: loop_finished | result: success"), clients);
        assert_eq!(count("| result: success | client_id: ") - 2 * clients, 5 * clients);
        let lines: Vec<_> = done.stdout.lines().collect();
        let first = format!("run-local.sh: a server on a free port and {clients} clients; ends ");
        assert!(lines[0].starts_with(&first), "{done:?}");
        let plan = "run-local.sh: 5 messages each, a pause after each of 10ms";
        assert_eq!(lines.contains(&plan), clients > 0, "{done:?}");
        let width = if clients == 10 { "server   | " } else { "server  | " };
        assert!(lines[1].starts_with(width), "{done:?}");
        let of = if clients == 0 { String::new() } else { format!(" of {}", 5 * clients) };
        let echoes = format!("{}{of} messages echoed; all", 5 * clients);
        let last = format!("1 server and {clients} clients, {echoes}");
        assert_eq!(*lines.last().unwrap(), format!("run-local.sh: {last} ended with status 0"));
    }
}

#[test]
fn says_how_long_it_takes() {
    let directory = Directory::built("run-plan");
    let mut command = directory.command("bash", "run-local.sh", &["1"]);
    let done =
        ended(command.env("CLI_LOOP_AMOUNT", "2").env("CLI_LOOP_PERIOD", "1s").output().unwrap());
    assert!(
        done.stdout
            .contains("run-local.sh: 2 messages each, a pause after each of 1s, 2s in all\n"),
        "{done:?}"
    );
}

#[test]
fn says_once_that_the_settings_are_missing() {
    let directory = Directory::built("run-no-settings");
    fs::remove_file(directory.path("server/config.ini")).unwrap();
    let done = directory.run("run-local.sh", &["1"]);
    assert_eq!(done.status, 1);
    assert!(done.stdout.contains("there is no such file"), "{done:?}");
    assert!(done.stderr.lines().all(|line| line.starts_with("run-local.sh: ")), "{done:?}");
}

#[test]
fn says_who_failed_and_stops_the_rest() {
    let directory = Directory::built("run-failing");
    directory.script("target/release/client", "[ \"$CLI_ID\" != 2 ] || exit 3");
    let done = directory.run("run-local.sh", &["3"]);
    let stderr =
        "run-local.sh: 1 server and 3 clients, 0 messages echoed; client2 ended with status 3\n";
    assert_eq!((done.status, done.stderr.as_str()), (1, stderr), "{done:?}");
    assert!(done.stdout.contains("action: shutdown | result: success"), "{done:?}");

    directory.script("target/release/client", "kill -s TERM $$");
    let done = directory.run("run-local.sh", &["1"]);
    assert!(
        done.status == 1 && done.stderr.contains("; client1 ended with status 143\n"),
        "{done:?}"
    );

    // Its last line has no newline.
    directory.script("target/release/server", "printf 'config.ini:1: no' >&2; exit 2");
    let done = directory.run("run-local.sh", &["3"]);
    assert_eq!(done.stdout.lines().skip(1).collect::<Vec<_>>(), ["server  | config.ini:1: no"]);
    let stderr =
        "run-local.sh: 1 server and 0 clients, 0 messages echoed; server ended with status 2\n";
    assert_eq!((done.status, done.stderr.as_str()), (1, stderr));
}

fn read_until(lines: &mut impl BufRead, part: &str) {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended without {part:?}");
    }
}

/// To the script alone, or to all of its process group, as timeout(1) does.
fn send(signal: &str, script: &Child, group: &str) {
    let kill = format!("kill -s {signal} -- {group}{}", script.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn ends_everything_at_a_signal() {
    let directory = Directory::built("run-interrupted");
    for (signal, group) in
        [("INT", ""), ("TERM", ""), ("HUP", ""), ("INT", "-"), ("TERM", "-"), ("HUP", "-")]
    {
        let mut command = directory.command("bash", "run-local.sh", &["2"]);
        command.env("CLI_LOOP_PERIOD", "1h").stdout(Stdio::piped()).process_group(0);
        let mut script = command.spawn().unwrap();
        let mut stdout = BufReader::new(script.stdout.take().unwrap());
        for _ in 0..2 {
            // A client's line: the server's has an address between the two.
            read_until(&mut stdout, "receive_message | result: success | client_id: ");
        }
        send(signal, &script, group);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap(); // to its end: whoever runs still holds the pipe
        assert_eq!(script.wait().unwrap().code(), Some(0), "{signal} {group}: {rest}");
        let ended = rest.matches("action: shutdown | result: success").count();
        assert_eq!(ended, 3, "{signal} {group}: {rest}");
        let last = "1 server and 2 clients, 2 of 10 messages echoed; all ended with status 0\n";
        assert!(rest.ends_with(last), "{signal} {group}: {rest}");
    }
}

#[test]
fn kills_what_is_left_at_a_second_signal() {
    let directory = Directory::built("run-twice");
    directory.script("target/release/client", "trap '' TERM; echo deaf; exec sleep 50");
    let mut command = directory.command("bash", "run-local.sh", &["1"]);
    let mut script = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(script.stdout.take().unwrap());
    read_until(&mut stdout, "client1 | deaf");
    send("TERM", &script, "");
    read_until(&mut stdout, "action: shutdown | result: success");
    // Those of the first two seconds are the same request.
    while script.try_wait().unwrap().is_none() {
        send("TERM", &script, "");
        std::thread::sleep(Duration::from_millis(100));
    }
    let done = ended(script.wait_with_output().unwrap());
    let stderr =
        "run-local.sh: 1 server and 1 clients, 0 messages echoed; client1 ended with status 137\n";
    assert_eq!((done.status, done.stderr.as_str()), (1, stderr));
}

/// A server whose process id is found afterwards.
fn watched(test: &str) -> Directory {
    let directory = Directory::built(test);
    let (_, program) = PROGRAMS[0];
    let server =
        format!("echo $$ >>'{}'; exec '{program}' \"$@\"", directory.path("pids").display());
    directory.script("target/release/server", &server);
    directory
}

fn assert_nothing_is_left(directory: &Directory, case: &str) {
    for pid in fs::read_to_string(directory.path("pids")).unwrap_or_default().lines() {
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!command.contains("--config"), "{case}: process {pid} still runs: {command:?}");
    }
}

#[test]
fn leaves_nothing_behind_when_nobody_can_hear_it() {
    let directory = watched("run-unheard");
    let heads = (1..10).map(|lines| format!("| head -n {lines}"));
    // A disk that is full at once, and one (a limit on files, for that) that has room for some lines.
    let full = [">/dev/full", ">&-", ">output"].map(str::to_owned);
    for output in heads.chain(full) {
        let limit = "trap '' XFSZ; ulimit -f 4";
        directory.script("unheard.sh", &format!("{limit}; bash ../run-local.sh 2 {output}"));
        let mut command = directory.command("sh", "unheard.sh", &[]);
        // There is always one more line that cannot be written.
        command.env("CLI_LOOP_PERIOD", "10ms").env("CLI_LOOP_AMOUNT", "1000000");
        let done = ended(command.output().unwrap());
        let (status, stderr) = match output.starts_with('|') {
            true => (0, ""),
            false => (1, "run-local.sh: stdout cannot be written to\n"),
        };
        assert_eq!((done.status, done.stderr.as_str()), (status, stderr), "{output}: {done:?}");
        assert_nothing_is_left(&directory, &output);
    }
}

#[test]
fn leaves_nothing_behind_after_an_early_ctrl_c() {
    let directory = watched("run-ctrl-c");
    if Command::new("script").arg("--version").output().is_err() {
        // Not eprintln!, which a test's success hides.
        let _ =
            writeln!(std::io::stderr(), "NOT TESTED: no script(1) here, which makes a terminal");
        return;
    }
    directory.script(
        "terminal.sh",
        "exec script -qefc 'echo here; exec bash ../run-local.sh 20' /dev/null",
    );
    // Whenever it comes; the delays decide nothing but how early that is.
    for delay in (0..20).chain((20..100).step_by(10)) {
        let mut command = directory.command("sh", "terminal.sh", &[]);
        command.env("CLI_LOOP_PERIOD", "1h");
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
        assert!(!screen.contains("ended with status 1"), "{delay} ms: {screen}");
        assert!(!screen.contains("pop_var_context"), "{delay} ms: {screen}");
        let last = screen.lines().last().unwrap_or_default();
        match status.code() {
            Some(0) => {
                let all = last.contains("; all ended with status 0");
                let early = "; stopped before all of them could handle a signal";
                assert!(all || last.contains(early), "{delay} ms: {screen}")
            }
            status => assert_eq!(status, Some(130), "{delay} ms: {screen}"),
        }
        assert_nothing_is_left(&directory, &format!("{delay} ms: {screen}"));
    }
}

#[test]
fn learns_the_port_whatever_the_level() {
    let directory = Directory::built("run-level");
    let settings = "[DEFAULT]\nSERVER_PORT = 12345\nSERVER_LISTEN_BACKLOG = 5\nlogging_level: ";
    for (environment, file, status, debug) in [
        ("ERROR", "info", 0, false),
        ("warn", "DEBUG", 0, false),
        ("", "critical\r\n", 0, false),
        ("", "debug", 0, true),
        ("Debug", "ERROR", 0, true),
        ("loud", "INFO", 1, false),
    ] {
        fs::write(directory.path("server/config.ini"), format!("{settings}{file}\n")).unwrap();
        let mut command = directory.command("bash", "run-local.sh", &["1"]);
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
