//! SIGTERM and SIGINT as one more readable file descriptor.
//!
//! This is the self-pipe trick, with an eventfd. The handler writes to the eventfd, which is part of every wait. A
//! flag alone would be a race: the signal could arrive between the check of the flag and the wait. A signalfd
//! would need the signals blocked in every thread.
//!
//! A watchdog bounds the shutdown: the handler also starts a timer, alarm(2), which ends the process with status 1
//! if something, such as a full pipe on stdout that nobody reads, holds the shutdown up.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use super::errno::check;

/// Seconds that the watchdog adds to the time that the shutdown may take.
const MARGIN: u32 = 2;

static EVENTFD: AtomicI32 = AtomicI32::new(-1);
/// The number of the first signal; 0 before it. Later signals change nothing.
static FIRST: AtomicI32 = AtomicI32::new(0);
/// Seconds from the first signal until the watchdog ends the process.
static WATCHDOG: AtomicU32 = AtomicU32::new(MARGIN);

/// A file descriptor that becomes readable at the first SIGTERM or SIGINT, and stays readable.
#[derive(Debug)]
pub struct StopSignal(OwnedFd);

impl StopSignal {
    /// Installs the handlers (sigaction(2)). `main` calls it once, before anything else.
    pub fn install() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: eventfd(2) has just opened it, and nobody else owns it.
        let stop = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        EVENTFD.store(stop.0.as_raw_fd(), SeqCst);
        // SIGALRM needs a handler, because the kernel drops a signal without one if the process is PID 1.
        set_handler(libc::SIGALRM, on_alarm)?;
        for signal in [libc::SIGTERM, libc::SIGINT] {
            // A shell starts `program &` with SIGINT ignored, and it must stay ignored.
            if !is_ignored(signal)? {
                set_handler(signal, on_stop)?;
            }
        }
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

/// Tells the watchdog how long a shutdown may take, rounded up to a second. Without this call the time is 0.
pub fn set_shutdown_time(time: Duration) {
    let seconds = time.as_nanos().div_ceil(1_000_000_000);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    WATCHDOG.store(seconds.saturating_add(MARGIN), SeqCst);
}

/// The name of the first signal, once it has come.
pub fn received() -> Option<&'static str> {
    match FIRST.load(SeqCst) {
        0 => None,
        libc::SIGINT => Some("SIGINT"),
        _ => Some("SIGTERM"),
    }
}

/// The handler uses only write, alarm and atomics, which are async-signal-safe (signal-safety(7)). It leaves errno
/// alone, because a write of 1 to an open eventfd cannot fail.
extern "C" fn on_stop(signal: libc::c_int) {
    if FIRST.compare_exchange(0, signal, SeqCst, SeqCst).is_err() {
        return;
    }
    // SAFETY: takes no pointers.
    unsafe { libc::alarm(WATCHDOG.load(SeqCst)) };
    let fd = EVENTFD.load(SeqCst);
    if fd >= 0 {
        let one = 1u64;
        // SAFETY: the pointer is to the eight bytes of a live u64.
        unsafe { libc::write(fd, (&raw const one).cast(), 8) };
    }
}

extern "C" fn on_alarm(_signal: libc::c_int) {
    // SAFETY: ends the process, without destructors or buffers.
    unsafe { libc::_exit(1) };
}

fn set_handler(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) -> io::Result<()> {
    // SAFETY: all zeroes is a valid sigaction: no flags, and no signal masked.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // A call that a signal interrupts goes on, except epoll_wait(2) and poll(2), which end with EINTR.
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is live, and the handler calls only async-signal-safe functions.
    check(unsafe { libc::sigaction(signal, &action, ptr::null_mut()) })?;
    Ok(())
}

fn is_ignored(signal: libc::c_int) -> io::Result<bool> {
    // SAFETY: all zeroes is a valid sigaction.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: `action` is live; a null pointer changes nothing.
    check(unsafe { libc::sigaction(signal, ptr::null(), &mut action) })?;
    Ok(action.sa_sigaction == libc::SIG_IGN)
}
