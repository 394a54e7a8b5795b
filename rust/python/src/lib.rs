//! The predictor in Rust as a module of Python: `bundle.runtimes._rust`.
//!
//! What it takes and gives is `Native` of python/bundle/runtimes/protocol.py. Every method lets other Python
//! threads run while the model does, and no panic leaves it but as `BundleError` `internal_error`.

mod arrays;
mod call;
mod fault;
mod native;
mod tree;

use pyo3::prelude::*;

/// The predictor in Rust, in process.
#[pymodule]
mod _rust {
    #[pymodule_export]
    use crate::call::NativeCall;
    #[pymodule_export]
    use crate::native::Native;
    // What a panic is where Python code raises it anew; of a callback it is one here too.
    #[pymodule_export]
    use pyo3::panic::PanicException;
}
