//! A call over arrays that are bound.

use crate::arrays::{self, Items, Lent};
use crate::fault::{bundle_error, guarded, raised};
use bundle::{BoundCall, Predictor};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// The two lists of a bound call.
struct Pair {
    inputs: Vec<Lent<'static>>,
    outputs: Vec<Lent<'static>>,
}

struct Held {
    // Dropped in this order: the call borrows the other two.
    call: BoundCall<'static>,
    _lent: Box<Pair>,
    _predictor: Arc<Predictor>,
}

/// A call over arrays that are bound; `NativeCall` of python/bundle/runtimes/protocol.py. One thread at a time:
/// a second one waits.
#[pyclass(frozen, module = "bundle.runtimes._rust")]
pub struct NativeCall {
    // Dropped before the arrays whose memory it uses.
    held: Mutex<Held>,
    process: u32,
    /// The arrays of strings, which are read anew at every run.
    texts: Vec<(String, Py<PyUntypedArray>)>,
    _arrays: Vec<Py<PyAny>>,
}

impl NativeCall {
    pub fn new(
        py: Python<'_>,
        predictor: &Arc<Predictor>,
        inputs: &Items<'_>,
        outputs: &Items<'_>,
    ) -> PyResult<NativeCall> {
        let own = |lent: Vec<Lent<'_>>| lent.into_iter().map(Lent::owned).collect();
        let lent = Pair { inputs: own(arrays::inputs(inputs)?), outputs: own(arrays::outputs(outputs)?) };
        let (mut lent, predictor) = (Box::new(lent), Arc::clone(predictor));
        // SAFETY: the predictor and the box stay where they are, and `Held` drops them after the call.
        let (lent_at, predictor_at): (&'static mut Pair, &'static Predictor) =
            unsafe { (&mut *ptr::from_mut(&mut *lent), &*Arc::as_ptr(&predictor)) };
        let given = arrays::buffers(&mut lent_at.inputs);
        let places = arrays::buffers(&mut lent_at.outputs);
        let call = py.detach(|| predictor_at.bind(given, places)).map_err(|error| raised(py, &error))?;
        let text = |(name, value): &(Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            let array = value.cast::<PyUntypedArray>().ok().filter(|array| arrays::holds_objects(array))?;
            Some((name.extract().ok()?, array.clone().unbind()))
        };
        Ok(NativeCall {
            held: Mutex::new(Held { call, _lent: lent, _predictor: predictor }),
            process: std::process::id(),
            texts: inputs.iter().filter_map(text).collect(),
            _arrays: inputs.iter().chain(outputs).map(|(_, value)| value.clone().unbind()).collect(),
        })
    }

    /// The call, for one thread. In a forked process a lock that another thread held would never open; what is
    /// taken by force there is refused by its first check.
    fn lock(&self) -> Option<MutexGuard<'_, Held>> {
        match self.held.try_lock() {
            Ok(held) => Some(held),
            Err(TryLockError::Poisoned(held)) => Some(held.into_inner()),
            Err(TryLockError::WouldBlock) if self.process != std::process::id() => None,
            Err(TryLockError::WouldBlock) => Some(self.held.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

#[pymethods]
impl NativeCall {
    /// Runs the model once over the arrays.
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        guarded(py, || {
            let texts = self.texts.iter().map(|(name, array)| read(py, name, array));
            let texts = texts.collect::<PyResult<Vec<_>>>()?;
            let done = py.detach(|| {
                let mut held = self.lock()?;
                for (name, fresh) in texts {
                    let places = held.call.input_strings(name).into_iter().flatten();
                    places.zip(fresh).for_each(|(place, text)| *place = text);
                }
                Some(held.call.run())
            });
            match done {
                Some(done) => done.map_err(|error| raised(py, &error)),
                None => {
                    let expected = "the process that opened it";
                    Err(bundle_error(py, "process_forked", ".", expected, "a forked one"))
                }
            }
        })
    }
}

fn read<'a>(py: Python<'_>, name: &'a str, array: &Py<PyUntypedArray>) -> PyResult<(&'a str, Vec<Vec<u8>>)> {
    let array = array.bind(py);
    let texts = array.is_c_contiguous().then(|| arrays::texts(array)).flatten();
    let texts = texts.ok_or_else(|| {
        let expected = "a numpy array of strings";
        bundle_error(py, "input_dtype_mismatch", name, expected, "other objects")
    })?;
    Ok((name, texts))
}
