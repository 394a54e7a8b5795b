//! The last failure of a thread, for C programs.
#![allow(non_camel_case_types, reason = "the names are those of the header")]

use crate::error::{Error, Result};
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// What a function returns when it went well. Anything else is a failure: see bundle_last_error.
pub const BUNDLE_OK: i32 = 0;

/// A failure. `code` and `subject` are the contract (spec/errors.json), `message` is for people.
#[repr(C)]
pub struct bundle_error {
    /// Stable for ever, such as `input_missing`.
    pub code: *const c_char,
    /// What is at fault: an input, an option, a path inside the bundle.
    pub subject: *const c_char,
    /// A sentence.
    pub message: *const c_char,
}

struct LastError {
    error: bundle_error,
    _texts: [CString; 3],
}

thread_local! {
    static LAST: RefCell<Option<LastError>> = const { RefCell::new(None) };
}

fn remember(error: &Error) {
    // A text with a zero in it ends there.
    let text = |text: &str| CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default();
    let texts = [text(error.code()), text(error.subject()), text(&error.to_string())];
    let [code, subject, message] = [0, 1, 2].map(|index| texts[index].as_ptr());
    let last = LastError { error: bundle_error { code, subject, message }, _texts: texts };
    // The thread may be ending; then nobody asks any more.
    let _ = LAST.try_with(|place| *place.borrow_mut() = Some(last));
}

/// Runs the body of a function; a panic is a failure like any other.
pub(crate) fn guarded(work: impl FnOnce() -> Result<()>) -> i32 {
    let done = catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::new("internal_error", ".", "no fault of this library", "a panic")));
    match done {
        Ok(()) => BUNDLE_OK,
        Err(error) => {
            remember(&error);
            -1
        }
    }
}

/// What a program did wrong that no type of C prevents.
pub(crate) fn usage(subject: &str, expected: &str) -> Error {
    Error::new("usage_invalid", subject, expected, "a null pointer, or something else")
}

/// The last failure of this thread, or null. It lives until the next failure of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn bundle_last_error() -> *const bundle_error {
    let last =
        LAST.try_with(|last| last.borrow().as_ref().map_or(ptr::null(), |last| ptr::from_ref(&last.error)));
    last.unwrap_or(ptr::null())
}
