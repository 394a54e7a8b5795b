//! A tensor of a driver's request.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    bundle::fuzzing::read_tensor(bytes);
});
