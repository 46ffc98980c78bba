//! SIGTERM and SIGINT as one more readable file descriptor.
//!
//! The self-pipe trick, with an eventfd. Not a signalfd: it wants the signals blocked in every thread,
//! and a second signal could not end a process that is stuck. Not a flag alone: one that is checked
//! before a blocking call can miss the signal and sleep through it.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::SeqCst};
use std::{mem, ptr};

use super::errno::check;

/// Signals that come this soon after the first, in milliseconds, are the same request: timeout(1), a
/// terminal and a container engine often send two.
const SAME_REQUEST: i64 = 100;

static EVENTFD: AtomicI32 = AtomicI32::new(-1);
/// When the first signal came, in milliseconds of the monotonic clock; 0 before it.
static FIRST_AT: AtomicI64 = AtomicI64::new(0);
/// The number of the first signal; 0 before it.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// A file descriptor that becomes readable at the first SIGTERM or SIGINT, and stays so. A signal that
/// comes more than 100 ms later ends the process at once, with 128 + n.
#[derive(Debug)]
pub struct StopSignal(OwnedFd);

impl StopSignal {
    /// Installs the handlers (sigaction(2)). Called once, before anything else.
    pub fn install() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: eventfd(2) has just opened it, and nobody else owns it.
        let stop = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        EVENTFD.store(stop.0.as_raw_fd(), SeqCst);
        for signal in [libc::SIGTERM, libc::SIGINT] {
            // A signal that is ignored from the start stays so: a shell does that to `program &`.
            if action(signal, None)? != libc::SIG_IGN {
                let handler = on_signal as extern "C" fn(libc::c_int);
                action(signal, Some(handler as libc::sighandler_t))?;
            }
        }
        // A write beyond a limit on the log file's size is to fail, as on a full disk, not to kill.
        action(libc::SIGXFSZ, Some(libc::SIG_IGN))?;
        Ok(stop)
    }
}

impl Drop for StopSignal {
    fn drop(&mut self) {
        EVENTFD.store(-1, SeqCst);
    }
}

impl AsFd for StopSignal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The name of the first signal, once it has come.
pub fn received() -> Option<&'static str> {
    match FIRST.load(SeqCst) {
        0 => None,
        libc::SIGINT => Some("SIGINT"),
        _ => Some("SIGTERM"),
    }
}

/// The eventfd, for another wait in `sys`; -1, which poll(2) skips, when there is none.
pub(super) fn eventfd() -> RawFd {
    EVENTFD.load(SeqCst)
}

/// Sets a signal's handler, if one is given, and returns the one before.
fn action(
    signal: libc::c_int,
    handler: Option<libc::sighandler_t>,
) -> io::Result<libc::sighandler_t> {
    // SAFETY: all zeroes is a valid sigaction: no flags, no signal masked.
    let [mut new, mut old]: [libc::sigaction; 2] = unsafe { mem::zeroed() };
    // A call that a signal interrupts goes on, except epoll_wait(2) and poll(2), which end with EINTR.
    new.sa_flags = libc::SA_RESTART;
    new.sa_sigaction = handler.unwrap_or_default();
    let new = handler.map_or(ptr::null(), |_| &raw const new);
    // SAFETY: `new` is null or live, `old` is live; the handler is `on_signal`, which does only what
    // signal-safety(7) allows, or SIG_IGN.
    check(unsafe { libc::sigaction(signal, new, &mut old) })?;
    Ok(old.sa_sigaction)
}

/// Calls only write, clock_gettime and _exit, which are async-signal-safe, and leaves errno alone: the one
/// write of 1 to an eventfd that is open cannot fail.
extern "C" fn on_signal(signal: libc::c_int) {
    let now = monotonic_milliseconds();
    if FIRST_AT.compare_exchange(0, now, SeqCst, SeqCst).is_ok() {
        FIRST.store(signal, SeqCst);
        let (one, fd) = (1u64, EVENTFD.load(SeqCst));
        if fd >= 0 {
            // SAFETY: eight bytes from a live u64.
            unsafe { libc::write(fd, (&raw const one).cast(), 8) };
        }
    } else if now - FIRST_AT.load(SeqCst) > SAME_REQUEST {
        // SAFETY: ends the process, without destructors or buffers.
        unsafe { libc::_exit(128 + signal) };
    }
}

fn monotonic_milliseconds() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
