//! Programs without some resources: file descriptors, capabilities.

use std::process::Command;
use std::ptr;

use super::check;
use super::program::before_exec;

/// Changes the soft limit on descriptors of a running process.
pub fn set_descriptor_limit(pid: i32, count: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    check(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, ptr::null(), &mut limit) }).unwrap();
    limit.rlim_cur = count;
    // SAFETY: the pointer is to a live rlimit.
    check(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &limit, ptr::null_mut()) }).unwrap();
}

/// Takes all capabilities from root, at the exec (capabilities(7)), as in a container of ours.
pub fn drop_capabilities(command: &mut Command) {
    before_exec(command, || {
        for capability in 0..64 {
            // SAFETY: takes no pointers. The kernel refuses it to a process that has no such capability.
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability) };
        }
        Ok(())
    });
}
