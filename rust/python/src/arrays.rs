//! numpy arrays as tensors that are lent, and tensors as numpy arrays.

use crate::fault::bundle_error;
use bundle::{Buffers, Dtype, Inputs, Tensor, TensorMut, TensorRef};
use numpy::npyffi::{
    NPY_ARRAY_CARRAY, NPY_ARRAY_WRITEABLE, NpyTypes, PY_ARRAY_API, get_type_object, npy_intp,
};
use numpy::{PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::borrow::Cow;
use std::ffi::c_char;
use std::ptr;

/// The arrays of a call with their names; holding it keeps the arrays alive.
pub type Items<'py> = Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

/// The arrays of a dictionary.
pub fn items<'py>(arrays: &Bound<'py, PyDict>) -> Items<'py> {
    arrays.iter().collect()
}

/// A tensor over the memory of a numpy array that something else keeps alive; strings are copied.
pub struct Lent<'a> {
    pub name: Cow<'a, str>,
    /// `None` for what the format lacks: another element type or byte order, or no array at all.
    dtype: Option<Dtype>,
    shape: Vec<u64>,
    start: *mut u8,
    length: usize,
    pub strings: Vec<Vec<u8>>,
}

// SAFETY: it stands for memory that is lent, which may be used by another thread.
unsafe impl Send for Lent<'_> {}

/// The arrays as inputs of a call.
pub fn inputs<'a>(items: &'a Items<'_>) -> PyResult<Vec<Lent<'a>>> {
    items.iter().map(|(name, value)| Lent::input(name, value)).collect()
}

/// The arrays as buffers to fill.
pub fn outputs<'a>(items: &'a Items<'_>) -> PyResult<Vec<Lent<'a>>> {
    items.iter().map(|(name, value)| Lent::output(name, value)).collect()
}

/// What is lent, to be read.
pub fn views<'a>(lent: &'a [Lent<'_>]) -> Inputs<'a> {
    lent.iter().map(|lent| (&*lent.name, lent.view())).collect()
}

/// What is lent, to be filled, or to be read at every run.
pub fn buffers<'a>(lent: &'a mut [Lent<'_>]) -> Buffers<'a> {
    lent.iter_mut().map(Lent::buffer).collect()
}

impl<'a> Lent<'a> {
    fn input(name: &'a Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Lent<'a>> {
        let name = name.cast::<PyString>()?.to_string_lossy();
        let Ok(array) = value.cast::<PyUntypedArray>() else { return Ok(Lent::of_nothing(name)) };
        if !array.is_c_contiguous() {
            let expected = "a C-contiguous array";
            return Err(bundle_error(value.py(), "buffer_unsuitable", &name, expected, "another layout"));
        }
        let mut lent = Lent::over(name, array);
        if lent.dtype == Some(Dtype::String) {
            match texts(array) {
                Some(strings) => lent.strings = strings,
                None => lent.dtype = None,
            }
        }
        Ok(lent)
    }

    fn output(name: &'a Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Lent<'a>> {
        let name = name.cast::<PyString>()?.to_string_lossy();
        let Ok(array) = value.cast::<PyUntypedArray>() else { return Ok(Lent::of_nothing(name)) };
        let mut lent = Lent::over(name, array);
        if !array.is_c_contiguous() || !is_writeable(array) {
            lent.dtype = None;
        }
        Ok(lent)
    }

    fn of_nothing(name: Cow<'a, str>) -> Lent<'a> {
        let start = ptr::NonNull::<u128>::dangling().as_ptr().cast();
        Lent { name, dtype: None, shape: Vec::new(), start, length: 0, strings: Vec::new() }
    }

    fn over(name: Cow<'a, str>, array: &Bound<'_, PyUntypedArray>) -> Lent<'a> {
        let dtype = dtype(array);
        let shape: Vec<u64> = array.shape().iter().map(|size| *size as u64).collect();
        let start = start(array).cast();
        let length = array.len() * dtype.map_or(0, Dtype::size);
        Lent { name, dtype, shape, start, length, strings: Vec::new() }
    }

    fn view(&self) -> TensorRef<'_> {
        if self.dtype == Some(Dtype::String) {
            return TensorRef::from_strings(&self.shape, &self.strings);
        }
        // SAFETY: a C-contiguous array, which `Items` keeps alive, has as many bytes.
        unsafe { TensorRef::from_raw(self.dtype, &self.shape, self.start, self.length) }
    }

    fn buffer(&mut self) -> (&str, TensorMut<'_>) {
        if self.dtype == Some(Dtype::String) {
            return (&self.name, TensorMut::from_strings(&self.shape, &mut self.strings));
        }
        // SAFETY: as in `view`; what is to be filled is writable, or has no dtype and is refused.
        (&self.name, unsafe { TensorMut::from_raw(self.dtype, &self.shape, self.start, self.length) })
    }

    /// The same, with a name of its own.
    pub fn owned(self) -> Lent<'static> {
        Lent { name: Cow::Owned(self.name.into_owned()), ..self }
    }
}

/// The address of an array's first element; numpy gives every array one.
fn start(array: &Bound<'_, PyUntypedArray>) -> *mut c_char {
    // SAFETY: the array is alive.
    unsafe { (*array.as_array_ptr()).fields.data }
}

fn is_writeable(array: &Bound<'_, PyUntypedArray>) -> bool {
    // SAFETY: the array is alive.
    unsafe { (*array.as_array_ptr()).fields.flags & NPY_ARRAY_WRITEABLE != 0 }
}

/// The dtype of an array; `None` for an element type that the format lacks, or another byte order.
fn dtype(array: &Bound<'_, PyUntypedArray>) -> Option<Dtype> {
    let kind = array.dtype();
    if kind.is_native_byteorder() == Some(false) {
        return None;
    }
    Some(match (kind.kind(), kind.itemsize()) {
        (b'b', 1) => Dtype::Bool,
        (b'f', 2) => Dtype::Float16,
        (b'f', 4) => Dtype::Float32,
        (b'f', 8) => Dtype::Float64,
        (b'i', 1) => Dtype::Int8,
        (b'i', 2) => Dtype::Int16,
        (b'i', 4) => Dtype::Int32,
        (b'i', 8) => Dtype::Int64,
        (b'u', 1) => Dtype::Uint8,
        (b'u', 2) => Dtype::Uint16,
        (b'u', 4) => Dtype::Uint32,
        (b'u', 8) => Dtype::Uint64,
        (b'O', _) => Dtype::String,
        _ => return None,
    })
}

/// The number of the element type in numpy, where `long` has 64 bits.
fn number(dtype: Dtype) -> i32 {
    use numpy::npyffi::NPY_TYPES::*;
    let number = match dtype {
        Dtype::Bool => NPY_BOOL,
        Dtype::Float16 => NPY_HALF,
        Dtype::Float32 => NPY_FLOAT,
        Dtype::Float64 => NPY_DOUBLE,
        Dtype::Int16 => NPY_SHORT,
        Dtype::Int32 => NPY_INT,
        Dtype::Int64 => NPY_LONG,
        Dtype::Int8 => NPY_BYTE,
        Dtype::String => NPY_OBJECT,
        Dtype::Uint16 => NPY_USHORT,
        Dtype::Uint32 => NPY_UINT,
        Dtype::Uint64 => NPY_ULONG,
        Dtype::Uint8 => NPY_UBYTE,
    };
    number as i32
}

/// Whether an array holds objects, which stand for strings.
pub fn holds_objects(array: &Bound<'_, PyUntypedArray>) -> bool {
    dtype(array) == Some(Dtype::String)
}

/// The strings of a C-contiguous array of objects, in UTF-8; `None` where one is no text.
pub fn texts(array: &Bound<'_, PyUntypedArray>) -> Option<Vec<Vec<u8>>> {
    let start = start(array).cast::<*mut ffi::PyObject>();
    let text = |index| {
        // SAFETY: the array has as many elements, each null or a reference of its own.
        let element =
            unsafe { Bound::from_borrowed_ptr_or_opt(array.py(), start.add(index).read_unaligned()) };
        utf8(&element?)
    };
    (0..array.len()).map(text).collect()
}

/// The UTF-8 of a text. Half a surrogate pair becomes bytes that are none, which the predictor refuses.
fn utf8(element: &Bound<'_, PyAny>) -> Option<Vec<u8>> {
    if let Ok(bytes) = element.cast::<PyBytes>() {
        return Some(bytes.as_bytes().to_vec());
    }
    let text = element.cast::<PyString>().ok()?;
    if let Ok(text) = text.to_str() {
        return Some(text.as_bytes().to_vec());
    }
    let (encoding, errors) = (c"utf-8".as_ptr(), c"surrogatepass".as_ptr());
    // SAFETY: the text is alive, both names are C strings, and the result is a new reference or null.
    let bytes = unsafe {
        let bytes = ffi::PyUnicode_AsEncodedString(text.as_ptr(), encoding, errors);
        Bound::from_owned_ptr_or_err(element.py(), bytes)
    };
    Some(bytes.ok()?.cast::<PyBytes>().ok()?.as_bytes().to_vec())
}

/// The memory of an output, which the array over it keeps alive.
#[pyclass(frozen, module = "bundle.runtimes._rust")]
struct Memory {
    _tensor: Tensor,
}

/// An array over a tensor's own memory; strings become objects.
pub fn array<'py>(py: Python<'py>, name: &str, mut tensor: Tensor) -> PyResult<Bound<'py, PyAny>> {
    if tensor.dtype() == Dtype::String {
        return text_array(py, name, &tensor);
    }
    let (number, shape) = (number(tensor.dtype()), sizes(&tensor));
    let start = tensor.bytes_mut().as_mut_ptr();
    let memory = Bound::new(py, Memory { _tensor: tensor })?;
    // SAFETY: `start` is valid for an array of this type and shape for as long as the tensor lives, and
    // nothing else uses it.
    let array = unsafe { over(py, number, shape, start) }?;
    // SAFETY: the array is alive and has no base; the call takes the reference over, also where it fails.
    let done = unsafe { PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), memory.into_ptr()) };
    if done < 0 { Err(PyErr::fetch(py)) } else { Ok(array) }
}

fn sizes(tensor: &Tensor) -> Vec<npy_intp> {
    tensor.shape().iter().map(|size| *size as npy_intp).collect()
}

/// A C-contiguous writable array over memory, or where that is null over new memory of its own.
///
/// # Safety
/// `start` is null, or valid for as many elements as long as the array lives.
unsafe fn over(
    py: Python<'_>,
    number: i32,
    mut shape: Vec<npy_intp>,
    start: *mut u8,
) -> PyResult<Bound<'_, PyAny>> {
    let rank = shape.len() as i32;
    // SAFETY: the number is one of numpy's, whose descriptor is taken over; the sizes outlive the call.
    unsafe {
        let made = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            get_type_object(py, NpyTypes::PyArray_Type),
            PY_ARRAY_API.PyArray_DescrFromType(py, number),
            rank,
            shape.as_mut_ptr(),
            ptr::null_mut(),
            start.cast(),
            if start.is_null() { 0 } else { NPY_ARRAY_CARRAY },
            ptr::null_mut(),
        );
        Bound::from_owned_ptr_or_err(py, made)
    }
}

fn text_array<'py>(py: Python<'py>, name: &str, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the array has memory of its own.
    let array = unsafe { over(py, number(Dtype::String), sizes(tensor), ptr::null_mut()) }?;
    let start = start(array.cast::<PyUntypedArray>()?).cast::<*mut ffi::PyObject>();
    for (index, text) in tensor.strings().iter().enumerate() {
        let text = std::str::from_utf8(text).map_err(|error| {
            bundle_error(py, "output_mismatch", name, "text in UTF-8", &error.to_string())
        })?;
        // SAFETY: the array has as many elements, each null or a reference of its own.
        unsafe {
            let place = start.add(index);
            ffi::Py_XDECREF(place.replace(PyString::new(py, text).into_ptr()));
        }
    }
    Ok(array)
}
