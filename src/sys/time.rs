//! Local time, and durations as the kernel's waits take them.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::time::Duration;

/// A timeout for poll(2) or epoll_wait(2), at most 24 days. Rounded up: rounded down, the last fraction
/// of a millisecond before a deadline would be a busy loop.
pub fn milliseconds(timeout: Duration) -> libc::c_int {
    timeout.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i32::MAX)
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
