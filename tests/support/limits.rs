//! Programs without some resources: file descriptors, a stdout, root's rights.

use std::process::Command;
use std::ptr;

use super::check;
use super::program::before_exec;

/// Makes room in this process for `count` connections.
pub fn allow_descriptors(count: u64) {
    let limit = tp0::sys::limits::raise_descriptor_limit();
    assert!(limit >= count + 500, "needs a hard limit of {} descriptors (ulimit -Hn)", count + 500);
}

/// Makes `command` run with `count` descriptors at the most.
pub fn limit_descriptors(command: &mut Command, count: u64) {
    let limit = libc::rlimit { rlim_cur: count, rlim_max: count };
    // SAFETY: the pointer is to a live rlimit.
    before_exec(command, move || check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }));
}

/// Has `command` start with the soft limit that is usual, below the hard one.
pub fn start_with_few_descriptors(command: &mut Command) {
    before_exec(command, || {
        set_descriptor_limit(0, 1024);
        Ok(())
    });
}

/// Changes the soft limit on descriptors of a running process; 0 is this one.
pub fn set_descriptor_limit(pid: i32, count: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    check(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, ptr::null(), &mut limit) }).unwrap();
    limit.rlim_cur = count;
    // SAFETY: the pointer is to a live rlimit.
    check(unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &limit, ptr::null_mut()) }).unwrap();
}

/// Makes `command` start without a stdout.
pub fn close_stdout(command: &mut Command) {
    // SAFETY: takes no pointers; nothing runs between here and exec that owns the descriptor.
    before_exec(command, || check(unsafe { libc::close(libc::STDOUT_FILENO) }));
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
