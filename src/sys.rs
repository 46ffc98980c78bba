//! System calls that std lacks and that belong to no other module, behind safe functions.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

/// Turns the C convention, -1 and `errno`, into a `Result`.
pub fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A timeout for poll(2) or epoll_wait(2), at most 24 days. Rounded up: rounded down, the last fraction
/// of a millisecond before a deadline would be a busy loop.
pub fn milliseconds(timeout: Duration) -> libc::c_int {
    timeout.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i32::MAX)
}

/// Writes to stdout until all is written or nothing more can be, and says how many bytes that was. One
/// that does not block, which whoever started us can have made of it, is waited for all the same.
pub fn write_to_stdout(bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        let rest = &bytes[written..];
        // SAFETY: the pointer and the length are those of a live slice.
        let count = unsafe { libc::write(libc::STDOUT_FILENO, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(count).map_err(|_| io::Error::last_os_error().kind()) {
            Ok(count) => written += count,
            Err(io::ErrorKind::Interrupted) => {}
            Err(io::ErrorKind::WouldBlock) => wait_for_stdout(),
            Err(_) => break,
        }
    }
    written
}

fn wait_for_stdout() {
    let mut stdout = libc::pollfd { fd: libc::STDOUT_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: the pointer is to one live pollfd.
    unsafe { libc::poll(&mut stdout, 1, -1) };
}

/// A calendar date and time of day; month and day count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    pub year: i32,
    pub month: i32,
    pub day: i32,
    pub hour: i32,
    pub minute: i32,
    pub second: i32,
}

/// The local time, by TZ, of a moment in seconds since the epoch. See localtime_r(3); the epoch
/// itself where the C library cannot convert the moment.
pub fn local_time(seconds: i64) -> LocalTime {
    let mut broken_down = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to live values of this frame.
    unsafe { libc::localtime_r(&seconds, broken_down.as_mut_ptr()) };
    // SAFETY: all zeroes is a valid tm, and localtime_r leaves it so or fills it.
    let tm = unsafe { broken_down.assume_init() };
    LocalTime {
        year: tm.tm_year + 1900,
        month: tm.tm_mon + 1,
        day: tm.tm_mday,
        hour: tm.tm_hour,
        minute: tm.tm_min,
        second: tm.tm_sec,
    }
}

/// Raises the soft limit on open descriptors to the hard one, the most a process may take without
/// privilege (getrlimit(2)). The soft default of 1024 is there for programs that use select(2).
pub fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a live rlimit.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::milliseconds;
    use std::time::Duration;

    #[test]
    fn timeouts_are_rounded_up() {
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_micros(1001)), 2);
        assert_eq!(milliseconds(Duration::from_secs(3_000_000_000)), i32::MAX);
    }
}
