//! The resources of a process, from /proc: proc(5).

use std::fs;
use std::time::Duration;

/// A field of /proc/PID/status, in kilobytes: VmRSS, or VmHWM for its greatest value so far.
pub fn memory(pid: i32, field: &str) -> usize {
    let number = status(pid, field).trim_end_matches(" kB").parse();
    number.unwrap_or_else(|_| panic!("no number: {field}"))
}

/// Whether the process has a handler for `signal`.
pub fn handles(pid: i32, signal: i32) -> bool {
    let caught = u64::from_str_radix(&status(pid, "SigCgt"), 16).expect("a mask");
    caught & 1 << (signal - 1) != 0
}

fn status(pid: i32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let fields = status.lines().filter_map(|line| line.split_once(':'));
    let mut values = fields.filter(|(name, _)| *name == field).map(|(_, value)| value);
    values.next().unwrap_or_else(|| panic!("no {field} in {status}")).trim().to_owned()
}

/// The kinds of the process's descriptors: `socket:[…]`, `anon_inode:[eventpoll]`, `/dev/null`, …
pub fn descriptors(pid: i32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("a running process");
    // The process may close one during the read of the directory.
    let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

pub fn sockets(pid: i32) -> usize {
    descriptors(pid).iter().filter(|link| link.starts_with("socket:")).count()
}

/// Processor time so far, of all its threads, in steps of 10 ms.
pub fn processor_time(pid: i32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let fields: Vec<_> = stat.split(' ').collect();
    let ticks = |field: &str| field.parse::<u64>().expect("a number of ticks");
    Duration::from_millis(10 * (ticks(fields[13]) + ticks(fields[14])))
}

/// Whether somebody has asked for a connection to a port, and has no answer yet.
pub fn is_asked_for(port: u16) -> bool {
    const SYN_SENT: &str = "02";
    let table = fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    table.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[2].ends_with(&format!(":{port:04X}")) && fields[3] == SYN_SENT
    })
}
