//! The bytes of a `bundle.json`: read or refused, and what is read says what was read.
#![no_main]

use bundle::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Manifest::parse(bytes) {
        Ok(manifest) => assert_eq!(manifest.tree.to_string().as_bytes(), bytes),
        Err(error) => assert!(error.subject().is_empty() || error.subject().starts_with('/')),
    }
});
