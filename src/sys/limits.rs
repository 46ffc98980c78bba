//! Limits of the process.
#![allow(unsafe_code)]

/// Raises the soft limit on open file descriptors to the hard one, the most that a process may have without privilege
/// (getrlimit(2)), and returns the soft limit that holds now. The soft default is 1024 because of programs that use
/// select(2).
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit, and the resource is a valid one: it cannot fail.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
    // SAFETY: the pointer is to a live rlimit.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
        limit = raised;
    }
    limit.rlim_cur
}
