//! Loading a library just far enough to ask what it is. The crate `ort` panics on one without its API.

use crate::elf;
use crate::error::{Error, Result};
use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL};
use ort::sys::OrtApiBase;
use std::ffi::{CStr, OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A loaded library of ONNX Runtime.
pub(crate) struct Found {
    library: Option<Library>,
    /// Its file.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// Where its API begins; good as long as the library is loaded.
    pub base: &'static OrtApiBase,
}

impl Found {
    /// Loads a file that was checked, or what the system's loader finds by a name. With `held` the host
    /// program has loaded it, perhaps as a part of itself.
    pub fn at(path: &Path, held: bool) -> Result<Found> {
        let refuse = |found: String| {
            let found = format!("{}: {found}", path.display());
            Error::new("library_malformed", ".", "an ONNX Runtime library that loads", found)
        };
        // SAFETY: constructors run; `elf` found the file whole and to be of ONNX Runtime, or the system vouches.
        let library = match unsafe { Library::open(Some(path), RTLD_LAZY | RTLD_LOCAL) } {
            Ok(library) => library,
            Err(_) if held => Library::this(),
            Err(error) => {
                // The crate keeps the loader's own words one level down.
                let source = std::error::Error::source(&error).map(ToString::to_string);
                return Err(refuse(source.unwrap_or_else(|| error.to_string())));
            }
        };
        let (path, version, base) = ask(&library).map_err(refuse)?;
        Ok(Found { library: Some(library), path, version, base })
    }

    /// Leaves the library loaded for ever: ONNX Runtime must not be unloaded.
    pub fn keep(mut self) -> Found {
        std::mem::forget(self.library.take());
        self
    }
}

fn ask(library: &Library) -> std::result::Result<(PathBuf, String, &'static OrtApiBase), String> {
    type Entry = unsafe extern "C" fn() -> *const OrtApiBase;
    // SAFETY: the signature is that of onnxruntime_c_api.h.
    let entry =
        unsafe { library.get::<Entry>(elf::entry().as_bytes()) }.map_err(|error| error.to_string())?;
    // SAFETY: OrtGetApiBase takes nothing and gives a static table or null.
    let base = unsafe { entry().as_ref() }.ok_or("it has no API")?;
    // SAFETY: the version is a static C string.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
    let path = file_of(*entry as *const c_void).ok_or("it is in no file")?;
    Ok((path, version, base))
}

/// The file that a function was loaded from.
pub(crate) fn file_of(function: *const c_void) -> Option<PathBuf> {
    // SAFETY: all zeros is a valid `Dl_info`, and dladdr takes any address.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is valid for the call.
    if unsafe { libc::dladdr(function, &raw mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr gave a C string that lives as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    std::fs::canonicalize(Path::new(OsStr::from_bytes(name.to_bytes()))).ok()
}
