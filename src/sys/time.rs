//! Local time, and durations as the kernel's waits take them.
#![allow(unsafe_code)]

use std::fmt;
use std::mem::MaybeUninit;
use std::time::Duration;

/// A timeout for poll(2) or epoll_wait(2), at most 24 days. Rounded up: rounded down, the last fraction
/// of a millisecond before a deadline would be a busy loop.
pub fn milliseconds(timeout: Duration) -> libc::c_int {
    timeout.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i32::MAX)
}

/// A date and time of day, displayed as `2026-11-23 17:33:53`.
pub struct LocalTime(libc::tm);

/// The local time, by TZ, of a moment in seconds since the epoch. See localtime_r(3); a date in the
/// year 1900 where the C library cannot convert the moment.
pub fn local_time(seconds: i64) -> LocalTime {
    let mut broken_down = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to live values of this frame.
    unsafe { libc::localtime_r(&seconds, broken_down.as_mut_ptr()) };
    // SAFETY: all zeroes is a valid tm, and localtime_r leaves it so or fills it.
    LocalTime(unsafe { broken_down.assume_init() })
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = (self.0.tm_year + 1900, self.0.tm_mon + 1);
        let libc::tm { tm_mday: day, tm_hour: hour, tm_min: minute, tm_sec: second, .. } = self.0;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
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
