//! SIGTERM and SIGINT as one more readable descriptor.
//!
//! An eventfd and a handler, not a signalfd: a signalfd wants the signals blocked in every thread
//! that is ever started, and a second signal could then not end a process that is stuck. Not a flag
//! either: one that is checked before a blocking call can miss the signal and sleep through it.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering::SeqCst};
use std::{fmt, mem, ptr};

use super::check;

/// Signals that come this soon after the first, in milliseconds, are one request to stop: a shell
/// and an engine often send two. A process that still runs after it is taken to be stuck.
const BURST: i64 = 100;

static EVENTFD: AtomicI32 = AtomicI32::new(-1);
/// When the first signal came, in milliseconds of the monotonic clock; 0 before it.
static FIRST_AT: AtomicI64 = AtomicI64::new(0);
/// Its number, 0 before it.
static FIRST: AtomicI32 = AtomicI32::new(0);
static ARMED: AtomicBool = AtomicBool::new(false);

/// A descriptor that becomes readable, for good, at the first SIGTERM or SIGINT.
///
/// A second signal ends the process with 128 + n: always once [`Shutdown::arm`] was called, and
/// otherwise when it comes more than a tenth of a second after the first.
#[derive(Debug)]
pub struct Shutdown(OwnedFd);

impl Shutdown {
    /// Installs the handlers (sigaction(2)); the first thing a program does. Once a process.
    pub fn install() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: eventfd(2) has just opened it, and nobody else owns it.
        let shutdown = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        EVENTFD.store(shutdown.0.as_raw_fd(), SeqCst);
        let handler = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        set_action(libc::SIGTERM, handler)?;
        set_action(libc::SIGINT, handler)?;
        // A log that has reached a limit on file sizes is to fail like a full disk.
        set_action(libc::SIGXFSZ, libc::SIG_IGN)?;
        Ok(shutdown)
    }

    /// From now on a second signal ends the process at once: called where the end has to wait.
    pub fn arm(&self) {
        ARMED.store(true, SeqCst);
    }

    /// The signal that asked for the end, if one has come.
    pub fn signal(&self) -> Option<Signal> {
        match FIRST.load(SeqCst) {
            0 => None,
            number => Some(Signal(number)),
        }
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        EVENTFD.store(-1, SeqCst);
    }
}

impl AsFd for Shutdown {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A signal, displayed by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(i32);

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            libc::SIGTERM => f.write_str("SIGTERM"),
            libc::SIGINT => f.write_str("SIGINT"),
            other => write!(f, "{other}"),
        }
    }
}

fn set_action(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: all zeroes is a valid sigaction: no flags, no signal masked.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    // Nobody needs EINTR: epoll_wait(2) and poll(2) watch the eventfd, and the rest should go on.
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is live; the handler is `on_signal`, which does only what signal-safety(7)
    // allows, or none.
    check(unsafe { libc::sigaction(signal, &action, ptr::null_mut()) })?;
    Ok(())
}

/// Calls only write, clock_gettime and _exit, all async-signal-safe, and leaves errno alone: a
/// write of 1 to an eventfd that is written once cannot fail.
extern "C" fn on_signal(signal: libc::c_int) {
    let now = monotonic_milliseconds();
    if FIRST_AT.compare_exchange(0, now, SeqCst, SeqCst).is_ok() {
        FIRST.store(signal, SeqCst);
        let one = 1u64;
        let fd = EVENTFD.load(SeqCst);
        if fd >= 0 {
            // SAFETY: eight bytes from a live u64.
            unsafe { libc::write(fd, (&raw const one).cast(), 8) };
        }
    } else if ARMED.load(SeqCst) || now - FIRST_AT.load(SeqCst) > BURST {
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
