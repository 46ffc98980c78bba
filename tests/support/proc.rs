//! The resources of a process, mostly from /proc.

use std::collections::HashSet;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use super::check;

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

/// Processor time so far, of all its threads.
pub fn processor_time(pid: i32) -> Duration {
    let mut clock = 0;
    // SAFETY: the pointer is to a live clockid_t.
    let result = unsafe { libc::clock_getcpuclockid(pid, &mut clock) };
    assert_eq!(result, 0, "no clock of {pid}");
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    check(unsafe { libc::clock_gettime(clock, &mut time) }).unwrap();
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The address on which a process of this machine listens, once it does.
pub fn listening_address(pid: i32) -> Option<SocketAddr> {
    let sockets: HashSet<String> = descriptors(pid).into_iter().collect();
    let mut listeners = tcp_table("0A").into_iter();
    let own = listeners.find(|row| sockets.contains(&format!("socket:[{}]", row.inode)));
    own.map(|row| SocketAddr::from(([127, 0, 0, 1], row.local)))
}

/// How many ended connections of a port the kernel still keeps.
pub fn time_waits(port: u16) -> usize {
    tcp_table("06").iter().filter(|row| row.local == port).count()
}

/// Whether somebody has asked for a connection to a port, and has no answer yet.
pub fn is_asked_for(port: u16) -> bool {
    tcp_table("02").iter().any(|row| row.remote == port)
}

/// A socket: its inode, its port and its peer's.
struct Row {
    inode: String,
    local: u16,
    remote: u16,
}

/// The lines of /proc/net/tcp in a state of tcp_states.h in the kernel: proc_pid_net(5).
fn tcp_table(state: &str) -> Vec<Row> {
    let table = fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let port = |address: &str| {
        let (_, port) = address.rsplit_once(':').expect("an address");
        u16::from_str_radix(port, 16).expect("a port")
    };
    rows.filter(|row| row[3] == state)
        .map(|row| Row { inode: row[9].to_owned(), local: port(row[1]), remote: port(row[2]) })
        .collect()
}
