//! An open predictor.

use crate::arrays::{self, Items};
use crate::call::NativeCall;
use crate::fault::{guarded, raised};
use crate::tree;
use bundle::manifest::Signature;
use bundle::{Comparison, Outputs, Predictor, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyString};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a batch may go on before it looks whether Python got a signal.
const PATIENCE: Duration = Duration::from_millis(50);

/// An open predictor; `Native` of python/bundle/runtimes/protocol.py. Any number of threads may use it at once.
#[pyclass(frozen, module = "bundle.runtimes._rust")]
pub struct Native {
    predictor: Arc<Predictor>,
    /// The names of the outputs, in the manifest's order.
    names: Vec<Py<PyString>>,
}

#[pymethods]
impl Native {
    /// Opens the bundle in the folder `path`; `options` are those of FORMAT.md section 5, with types of JSON.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, options: &Bound<'_, PyDict>) -> PyResult<Native> {
        guarded(py, || {
            let options = tree::options(options)?;
            let opened = py.detach(|| Predictor::open(path, &options));
            let predictor = opened.map_err(|error| raised(py, &error))?;
            let name = |known: &Signature| PyString::intern(py, &known.name).unbind();
            let names = predictor.manifest().outputs.iter().map(name).collect();
            Ok(Native { predictor: Arc::new(predictor), names })
        })
    }

    /// The fields of the reply to `open` in spec/DRIVER.md, and `provider_reasons`.
    fn described<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        guarded(py, || tree::object(py, &Value::Object(described(&self.predictor))))
    }

    /// Predicts once, from C-contiguous arrays in native byte order.
    fn predict<'py>(&self, py: Python<'py>, inputs: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
        guarded(py, || {
            let items = arrays::items(inputs);
            let lent = arrays::inputs(&items)?;
            let views = arrays::views(&lent);
            let found = py.detach(|| self.predictor.predict(&views));
            self.arrays(py, found.map_err(|error| raised(py, &error))?)
        })
    }

    /// Predicts once, into arrays for some or all outputs.
    fn predict_into<'py>(
        &self,
        py: Python<'py>,
        inputs: &Bound<'py, PyDict>,
        outputs: &Bound<'py, PyDict>,
    ) -> PyResult<()> {
        guarded(py, || {
            let (given, wanted) = (arrays::items(inputs), arrays::items(outputs));
            let (lent, mut places) = (arrays::inputs(&given)?, arrays::outputs(&wanted)?);
            let (views, mut buffers) = (arrays::views(&lent), arrays::buffers(&mut places));
            let done = py.detach(|| self.predictor.predict_into(&views, &mut buffers));
            done.map_err(|error| raised(py, &error))
        })
    }

    /// Binds arrays for a loop that does not allocate; they are kept alive.
    fn bind<'py>(
        &self,
        py: Python<'py>,
        inputs: &Bound<'py, PyDict>,
        outputs: &Bound<'py, PyDict>,
    ) -> PyResult<NativeCall> {
        guarded(py, || NativeCall::new(py, &self.predictor, &arrays::items(inputs), &arrays::items(outputs)))
    }

    /// Predicts in pieces. `progress` is called with (rows done, rows in all) and cancels with False.
    #[pyo3(signature = (inputs, batch_size=None, progress=None))]
    fn predict_batch<'py>(
        &self,
        py: Python<'py>,
        inputs: &Bound<'py, PyDict>,
        batch_size: Option<&Bound<'py, PyAny>>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        guarded(py, || {
            let items: Items = arrays::items(inputs);
            let lent = arrays::inputs(&items)?;
            let (views, size) = (arrays::views(&lent), batch_size.map(rows));
            let mut watch = Watch { progress, looked: Instant::now(), raised: None };
            let found = py.detach(|| {
                let mut report = |done, rows| watch.report(done, rows);
                self.predictor.predict_batch(&views, size, Some(&mut report))
            });
            if let Some(error) = watch.raised {
                return Err(error);
            }
            self.arrays(py, found.map_err(|error| raised(py, &error))?)
        })
    }

    /// The fields of the reply to `self_test` in spec/DRIVER.md, and `source_worst` where it is known.
    fn self_test<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        guarded(py, || {
            let cases = py.detach(|| self.predictor.self_test()).map_err(|error| raised(py, &error))?;
            tree::object(py, &tested(&cases))
        })
    }

    /// Waits for the calls in flight and frees the model. May be called twice, not from `progress`.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        guarded(py, || {
            py.detach(|| self.predictor.close());
            Ok(())
        })
    }
}

impl Native {
    fn arrays<'py>(&self, py: Python<'py>, mut found: Outputs) -> PyResult<Bound<'py, PyDict>> {
        let arrays = PyDict::new(py);
        for (known, name) in self.predictor.manifest().outputs.iter().zip(&self.names) {
            if let Some(tensor) = found.remove(&known.name) {
                arrays.set_item(name, arrays::array(py, &known.name, tensor)?)?;
            }
        }
        Ok(arrays)
    }
}

/// The rows of a piece as the predictor takes them: a number beyond 64 bits is as good as the largest, and
/// what is no integer is as bad as none.
fn rows(size: &Bound<'_, PyAny>) -> i64 {
    if !size.is_exact_instance_of::<PyInt>() {
        return 0;
    }
    size.extract().unwrap_or_else(|_| if size.gt(0).unwrap_or(false) { i64::MAX } else { i64::MIN })
}

/// What a batch tells Python between its pieces.
struct Watch {
    progress: Option<Py<PyAny>>,
    looked: Instant,
    raised: Option<PyErr>,
}

impl Watch {
    /// Whether to go on. Without a callback Python is asked now and then, so that Ctrl-C ends a long batch.
    fn report(&mut self, done: u64, rows: u64) -> bool {
        if self.progress.is_none() && self.looked.elapsed() < PATIENCE {
            return true;
        }
        self.looked = Instant::now();
        let answer = Python::attach(|py| {
            let Some(progress) = &self.progress else { return py.check_signals().map(|()| true) };
            let answer = progress.bind(py).call1((done, rows))?;
            Ok(!answer.is(PyBool::new(py, false)))
        });
        answer.unwrap_or_else(|error| {
            self.raised = Some(error);
            false
        })
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn described(predictor: &Predictor) -> BTreeMap<String, Value> {
    let Value::Object(mut fields) = bundle::opened(predictor) else { return BTreeMap::new() };
    fields.remove("ok");
    let reasons = predictor.provider_reasons().iter();
    let reasons = reasons.map(|(name, reason)| (name.clone(), Value::text(reason))).collect();
    fields.insert("provider_reasons".to_owned(), Value::Object(reasons));
    fields
}

fn tested(cases: &[bundle::CaseReport]) -> Value {
    let output = |output: &bundle::OutputReport| {
        let (found, worst) = (&output.recorded, |found: &Comparison| Value::text(found.worst.to_string()));
        let mut row = BTreeMap::from([
            ("name".to_owned(), Value::text(&output.name)),
            ("passed".to_owned(), Value::Bool(found.passed)),
            ("flips".to_owned(), Value::Int(found.flips as i64)),
            ("near_ties".to_owned(), Value::Int(found.near_ties as i64)),
            ("worst".to_owned(), worst(found)),
        ]);
        row.extend(output.source.as_ref().map(|source| ("source_worst".to_owned(), worst(source))));
        Value::Object(row)
    };
    let case = |case: &bundle::CaseReport| {
        let outputs = Value::Array(case.outputs.iter().map(output).collect());
        let passed = Value::Bool(case.passed());
        object([("name", Value::text(&case.name)), ("passed", passed), ("outputs", outputs)])
    };
    let passed = cases.iter().all(bundle::CaseReport::passed);
    object([("passed", Value::Bool(passed)), ("cases", Value::Array(cases.iter().map(case).collect()))])
}
