//! Does this system have what a library asks for? Asked before its code runs (LIBRARY.md, checks L6 to L8).

use crate::elf::{self, Stated};
use crate::error::{Error, Result};
use crate::probe;
use libloading::os::unix::{Library, RTLD_LAZY, RTLD_LOCAL};
use std::ffi::c_void;
use std::path::{Path, PathBuf};

const LIBSTDCXX: &str = "libstdc++.so.6";
/// What that library exports, to ask the loader for its file.
const EXPORTED: &str = "__cxa_throw";

/// Checks what the library in the file `path` asks for.
pub(crate) fn check(path: &Path, stated: &Stated) -> Result<()> {
    let mut libstdcxx = None;
    for name in &stated.needed {
        let found = find(path, name, &stated.folders).ok_or_else(|| {
            let expected = "a system with all that ONNX Runtime needs";
            Error::new("library_dependency", name, expected, "no library of this name")
        })?;
        if name == LIBSTDCXX {
            libstdcxx = found;
        }
    }
    if let (Some(asked), Some(own)) = (highest(stated, "GLIBC_", None), glibc())
        && asked > own
    {
        return Err(too_old("library_glibc", "glibc", &asked, &own));
    }
    let defined = libstdcxx.and_then(|file| elf::defined(&file));
    for prefix in ["GLIBCXX_", "CXXABI_"] {
        let own = defined.as_ref().and_then(|names| numbers(prefix, names.iter().map(String::as_str)));
        if let (Some(asked), Some(own)) = (highest(stated, prefix, Some(LIBSTDCXX)), own)
            && asked > own
        {
            return Err(too_old("library_libstdcxx", prefix, &asked, &own));
        }
    }
    Ok(())
}

fn too_old(code: &'static str, what: &str, asked: &[u32], own: &[u32]) -> Error {
    let shown = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    Error::new(code, ".", format!("{what} {} or newer", shown(asked)), shown(own))
}

/// The highest version that the library asks for, of one library or of any.
fn highest(stated: &Stated, prefix: &str, library: Option<&str>) -> Option<Vec<u32>> {
    let asked = stated.asked.iter().filter(|(of, _)| library.is_none_or(|library| of == library));
    numbers(prefix, asked.flat_map(|(_, versions)| versions).map(String::as_str))
}

/// The highest of the versions that begin so and end in numbers alone.
fn numbers<'a>(prefix: &str, names: impl Iterator<Item = &'a str>) -> Option<Vec<u32>> {
    let version = |name: &str| name.strip_prefix(prefix)?.split('.').map(|part| part.parse().ok()).collect();
    names.filter_map(version).max()
}

/// The version of the system's C library, where that is glibc.
#[cfg(target_env = "gnu")]
fn glibc() -> Option<Vec<u32>> {
    // SAFETY: it takes nothing and gives a static C string.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    numbers("", std::iter::once(version.to_str().ok()?))
}

#[cfg(not(target_env = "gnu"))]
fn glibc() -> Option<Vec<u32>> {
    None
}

/// Whether a needed library is found, and its file where that is known.
fn find(library: &Path, name: &str, folders: &str) -> Option<Option<PathBuf>> {
    if let Some(found) = opened(name, libc::RTLD_NOLOAD) {
        return Some(found);
    }
    let origin = library.parent().unwrap_or(library).to_string_lossy();
    let place = |folder: &str| {
        let folder = folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
        Path::new(&folder).join(name)
    };
    let beside =
        folders.split(':').filter(|folder| !folder.is_empty()).map(place).find(|file| file.is_file());
    beside.map(Some).or_else(|| opened(name, RTLD_LOCAL))
}

fn opened(name: &str, how: i32) -> Option<Option<PathBuf>> {
    // SAFETY: what the system's loader finds by name is the system's own, and about to be loaded anyway.
    let library = unsafe { Library::open(Some(name), RTLD_LAZY | how) }.ok()?;
    if name != LIBSTDCXX {
        return Some(None);
    }
    // SAFETY: it is not called, only asked where it is.
    let function = unsafe { library.get::<*const c_void>(EXPORTED.as_bytes()) };
    Some(function.ok().and_then(|function| probe::file_of(*function)))
}
