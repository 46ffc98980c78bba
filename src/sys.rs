//! System calls that std lacks and that belong to no other module, behind safe functions.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;

/// Turns the C convention, -1 and `errno`, into a `Result`.
pub fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
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
