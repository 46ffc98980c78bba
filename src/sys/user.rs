//! The user that this process runs as.
#![allow(unsafe_code)]

/// The effective uid, by which the kernel decides who may read a file: credentials(7).
pub fn effective_uid() -> u32 {
    // SAFETY: takes no pointers, and always succeeds.
    unsafe { libc::geteuid() }
}
