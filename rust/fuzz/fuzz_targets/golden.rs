//! The bytes of a golden file, for a bundle with strings, booleans, integers and floats.
#![no_main]

use bundle::{Manifest, fuzzing};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const PATH: &str = "golden/first.safetensors";
static MANIFEST: LazyLock<Manifest> = LazyLock::new(|| {
    let bytes = include_bytes!("../../../spec/cases/valid/several_tensors/bundle/bundle.json");
    Manifest::parse(bytes).expect("the manifest of a valid case")
});

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = fuzzing::read_golden(bytes, PATH, &MANIFEST, "source") {
        assert_eq!((error.code(), error.subject()), ("golden_malformed", PATH));
    }
});
