//! What a C program hands over.

use crate::capi_error::usage;
use crate::driver;
use crate::error::Result;
use crate::json;
use crate::options::Options;
use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A C string.
///
/// # Safety
/// `text` is null or a C string.
pub(crate) unsafe fn text<'a>(text: *const c_char, subject: &str) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(usage(subject, "a text"));
    }
    // SAFETY: the caller answers for it.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// A path.
///
/// # Safety
/// As `text`.
pub(crate) unsafe fn path<'a>(place: *const c_char, subject: &str) -> Result<&'a Path> {
    // SAFETY: the caller answers for it.
    unsafe { text(place, subject) }.map(|path| Path::new(OsStr::from_bytes(path.to_bytes())))
}

/// The options in a JSON text; none where it is null.
///
/// # Safety
/// As `text`.
pub(crate) unsafe fn given(options: *const c_char) -> Result<Options> {
    if options.is_null() {
        return Ok(Options::new());
    }
    // SAFETY: the caller answers for it.
    let bytes = unsafe { text(options, "options") }?.to_bytes();
    let tree = json::parse(bytes, driver::DEPTH).and_then(|tree| tree.as_object().cloned());
    tree.ok_or_else(|| usage("options", "a JSON object"))
}

/// What a handle stands for.
///
/// # Safety
/// `handle` is null or what one of these functions gave and none has freed.
pub(crate) unsafe fn alive<'a, T>(handle: *const T) -> Result<&'a T> {
    // SAFETY: the caller answers for it.
    unsafe { handle.as_ref() }.ok_or_else(|| usage(".", "a handle"))
}

/// Writes a new handle.
///
/// # Safety
/// `place` is null or valid for a write.
pub(crate) unsafe fn give<T>(place: *mut *mut T, value: T) -> Result<()> {
    if place.is_null() {
        return Err(usage(".", "a place for the handle"));
    }
    // SAFETY: the caller answers for it.
    unsafe { *place = Box::into_raw(Box::new(value)) };
    Ok(())
}
