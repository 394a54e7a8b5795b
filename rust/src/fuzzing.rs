//! The readers of untrusted bytes for the targets of rust/fuzz; `cargo fuzz` alone compiles this module.

use crate::archive::Archive;
use crate::driver::DEPTH;
use crate::manifest::Manifest;
use crate::{Result, elf, golden, json, wire};
use std::path::Path;

/// Reads the bytes of a golden file for one variant of a bundle with this manifest.
///
/// # Errors
/// `golden_malformed` with `path`.
pub fn read_golden(bytes: &[u8], path: &str, manifest: &Manifest, variant: &str) -> Result<()> {
    golden::read(bytes, path, manifest, variant).map(drop)
}

/// Reads the file of a shared library.
///
/// # Errors
/// By the checks L1 to L5 of LIBRARY.md.
pub fn read_library(path: &Path) -> Result<()> {
    elf::open(path).and_then(|file| elf::check(path, &file)).map(drop)
}

/// Reads an archive and all its contents; returns how many bytes these have.
///
/// # Errors
/// By the checks A1 to A7 of STORE.md.
pub fn read_archive(path: &Path) -> Result<u64> {
    let archive = Archive::open(path, None, None)?;
    let mut total = 0;
    for entry in &archive.entries {
        archive.pieces(entry, |piece| {
            total += piece.len() as u64;
            Ok(())
        })?;
    }
    Ok(total)
}

/// Reads a tensor as the driver's requests spell it, as an input and as a buffer; tells which it can be.
pub fn read_tensor(bytes: &[u8]) -> (bool, bool) {
    let tree = json::parse(bytes, DEPTH);
    let given = |with_data| tree.as_ref().and_then(|tree| wire::given(tree, with_data));
    (given(true).is_some_and(|tensor| tensor.view().shape == tensor.shape), given(false).is_some())
}
