//! Nothing to unwind a stack with, in the static release build: there a panic aborts.
//!
//! A panic's message can end in a backtrace. For that std brings an unwinder and a reader of debugging
//! symbols along, three quarters of an empty program of 395 kB, and finds no names: the image's programs
//! are stripped. All of it is reached through `_Unwind_Backtrace`. Here that is a walk along a stack that
//! ends at once; link-time optimization sees that the rest is never reached, and drops it. The message
//! itself, with file and line, stays.
//!
//! These twelve are all that std refers to (1.85 to 1.97) of the Itanium C++ ABI, Exception Handling,
//! level I, and its extensions by gcc. If a later std needs one more, the linker will load it from the C
//! compiler's library, together with those in the same file, and fail because they are there twice: then
//! it belongs here.
#![cfg(all(panic = "abort", target_env = "musl"))]
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::process::abort;

const END_OF_STACK: c_int = 5; // _URC_END_OF_STACK

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_trace: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// Where std refers to a function and never calls it, its name is enough.
macro_rules! never_called {
    ($($name:ident)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> ! {
                abort()
            }
        )*
    };
}

never_called! {
    _Unwind_FindEnclosingFunction
    _Unwind_GetCFA
    _Unwind_GetDataRelBase
    _Unwind_GetIP
    _Unwind_GetIPInfo
    _Unwind_GetLanguageSpecificData
    _Unwind_GetRegionStart
    _Unwind_GetTextRelBase
    _Unwind_Resume
    _Unwind_SetGR
    _Unwind_SetIP
}
