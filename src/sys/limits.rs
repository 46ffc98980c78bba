//! Limits of the process.
#![allow(unsafe_code)]

use std::io;

use super::check;

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
