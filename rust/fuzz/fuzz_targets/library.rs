//! The bytes of a file that is given as ONNX Runtime's library: none of its code runs.
#![no_main]

use bundle::fuzzing;
use libfuzzer_sys::fuzz_target;
use std::{env, fs, process};

fuzz_target!(|bytes: &[u8]| {
    let path = env::temp_dir().join(format!("fuzz-library-{}", process::id()));
    fs::write(&path, bytes).expect("a folder for temporary files");
    if let Err(error) = fuzzing::read_library(&path) {
        assert!(["library_malformed", "library_architecture"].contains(&error.code()), "{error}");
    }
});
