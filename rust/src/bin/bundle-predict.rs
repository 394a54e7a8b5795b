//! `bundle-predict`: the driver of spec/DRIVER.md.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    ExitCode::from(bundle::run_program(&arguments))
}
