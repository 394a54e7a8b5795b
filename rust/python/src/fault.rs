//! Failures as Python sees them.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a method; a panic is a failure like any other.
pub fn guarded<T>(py: Python<'_>, work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let found = format!("a panic: {}", words(payload.as_ref()));
        Err(bundle_error(py, "internal_error", ".", "no fault of this library", &found))
    })
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no words")
}

/// The exception for a failure of the predictor. Its hint is that of the code, which Python looks up itself.
pub fn raised(py: Python<'_>, error: &bundle::Error) -> PyErr {
    bundle_error(py, error.code(), error.subject(), error.expected(), error.found())
}

/// A `BundleError`.
pub fn bundle_error(py: Python<'_>, code: &str, subject: &str, expected: &str, found: &str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let made = CLASS
        .import(py, "bundle.error", "BundleError")
        .and_then(|class| class.call1((code, subject, expected, found)));
    made.map_or_else(|error| error, PyErr::from_value)
}
