//! Trees of JSON between Python and the predictor.

use bundle::{Options, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

/// How deep an option may nest; it also ends a list that holds itself.
const DEPTH: usize = 64;

/// Options by name.
pub fn options(given: &Bound<'_, PyDict>) -> PyResult<Options> {
    given.iter().map(|(name, value)| Ok((name.extract()?, tree(&value, DEPTH)))).collect()
}

/// The tree of a value. What JSON lacks is null, which is the value of no option.
fn tree(value: &Bound<'_, PyAny>, depth: usize) -> Value {
    let sound = if depth == 0 { None } else { simple(value).or_else(|| nested(value, depth - 1)) };
    sound.unwrap_or(Value::Null)
}

fn simple(value: &Bound<'_, PyAny>) -> Option<Value> {
    // In Python a boolean is an integer too, so it comes first.
    if let Ok(flag) = value.cast::<PyBool>() {
        return Some(Value::Bool(flag.is_true()));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Some(Value::text(text.to_string_lossy()));
    }
    if value.is_instance_of::<PyInt>() {
        // An integer beyond 64 bits is beyond every option's range too.
        let number = value.extract::<i64>().map(Value::Int);
        return number.or_else(|_| value.str().map(|text| Value::Number(text.to_string()))).ok();
    }
    let float = value.cast::<PyFloat>().ok()?;
    Some(Value::Number(float.str().ok()?.to_string()))
}

fn nested(value: &Bound<'_, PyAny>, depth: usize) -> Option<Value> {
    if let Ok(map) = value.cast::<PyDict>() {
        let pair = |(key, value): (Bound<'_, PyAny>, _)| Some((key.extract().ok()?, tree(&value, depth)));
        return map.iter().map(pair).collect::<Option<_>>().map(Value::Object);
    }
    let items: Vec<_> = match (value.cast::<PyList>(), value.cast::<PyTuple>()) {
        (Ok(list), _) => list.iter().collect(),
        (_, Ok(tuple)) => tuple.iter().collect(),
        _ => return None,
    };
    Some(Value::Array(items.iter().map(|item| tree(item, depth)).collect()))
}

/// The Python object of a tree.
pub fn object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(flag) => PyBool::new(py, *flag).to_owned().into_any(),
        Value::Int(number) => PyInt::new(py, *number).into_any(),
        Value::Number(spelt) | Value::Text(spelt) => PyString::new(py, spelt).into_any(),
        Value::Array(list) => {
            let items = list.iter().map(|item| object(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Value::Object(map) => {
            let found = PyDict::new(py);
            for (key, value) in map {
                found.set_item(key, object(py, value)?)?;
            }
            found.into_any()
        }
    })
}
