//! The readers of untrusted bytes for the targets of rust/fuzz; `cargo fuzz` alone compiles this module.

use crate::driver::DEPTH;
use crate::manifest::Manifest;
use crate::{Result, golden, json, wire};

/// Reads the bytes of a golden file for one variant of a bundle with this manifest.
///
/// # Errors
/// `golden_malformed` with `path`.
pub fn read_golden(bytes: &[u8], path: &str, manifest: &Manifest, variant: &str) -> Result<()> {
    golden::read(bytes, path, manifest, variant).map(drop)
}

/// Reads a tensor as the driver's requests spell it, as an input and as a buffer; tells which it can be.
pub fn read_tensor(bytes: &[u8]) -> (bool, bool) {
    let tree = json::parse(bytes, DEPTH);
    let given = |with_data| tree.as_ref().and_then(|tree| wire::given(tree, with_data));
    (given(true).is_some_and(|tensor| tensor.view().shape == tensor.shape), given(false).is_some())
}
