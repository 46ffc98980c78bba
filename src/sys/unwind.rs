//! Replaces the stack unwinder in the static release build, where a panic aborts.
//!
//! A panic's message can end in a backtrace. For that, std brings an unwinder and a reader of debugging symbols: three
//! quarters of an empty program of 395 kB. They would find no names, because the image's programs are stripped. std
//! reaches all of it through `_Unwind_Backtrace`. Here that function walks a stack that ends at once. Link-time
//! optimization sees that nothing reaches the rest, and drops it. The message itself, with file and line, stays.
//!
//! Of the Itanium C++ ABI (Exception Handling, level I) and its extensions by gcc, std 1.85 to 1.97 refers to these
//! twelve functions alone. If a later std needs one more, the linker loads it from the C compiler's library, together
//! with those in the same file, and fails because they are there twice. Then add it here.
#![cfg(all(panic = "abort", target_env = "musl"))]
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::process::abort;

const END_OF_STACK: c_int = 5; // _URC_END_OF_STACK

#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_trace: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// Functions that std refers to and never calls: their names are enough.
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
