//! Programs without some resources: file descriptors, root's rights.

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

/// Takes the capabilities from root that let it read everybody's files, at the exec: capabilities(7).
pub fn keep_to_permissions(command: &mut Command) {
    const DAC_OVERRIDE: i32 = 1;
    const DAC_READ_SEARCH: i32 = 2;
    before_exec(command, || {
        for capability in [DAC_OVERRIDE, DAC_READ_SEARCH] {
            // SAFETY: takes no pointers. The kernel refuses it to a process that has neither.
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability) };
        }
        Ok(())
    });
}
