//! The bytes of an archive: what is read of it lies inside of it.
#![no_main]

use bundle::fuzzing;
use libfuzzer_sys::fuzz_target;
use std::{env, fs, process};

fuzz_target!(|bytes: &[u8]| {
    let path = env::temp_dir().join(format!("fuzz-archive-{}", process::id()));
    fs::write(&path, bytes).expect("a folder for temporary files");
    match fuzzing::read_archive(&path) {
        Ok(total) => assert!(total < bytes.len() as u64),
        Err(error) => assert!(error.subject() != "." || error.code().starts_with("archive_"), "{error}"),
    }
});
