//! Local time, and durations as the kernel's waits take them.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::time::Duration;

/// A timeout for poll(2) or epoll_wait(2), at most 24 days. It is rounded up, because otherwise the last fraction of a
/// millisecond before a deadline would be a busy loop.
pub fn milliseconds(timeout: Duration) -> libc::c_int {
    timeout.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i32::MAX)
}

/// The local time, by TZ, of a moment in seconds since the epoch, as `2026-11-23 17:33:53` (localtime_r(3)). If the C
/// library cannot convert the moment, the date is in the year 1900.
pub fn local_time(seconds: i64) -> String {
    let mut broken_down = MaybeUninit::zeroed();
    // SAFETY: both pointers are to live values of this frame.
    unsafe { libc::localtime_r(&seconds, broken_down.as_mut_ptr()) };
    // SAFETY: all zeroes is a valid tm, and localtime_r leaves it so or fills it.
    let tm = unsafe { broken_down.assume_init() };
    let (year, month, day) = (tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    let (hour, minute, second) = (tm.tm_hour, tm.tm_min, tm.tm_sec);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
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
