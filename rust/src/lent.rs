//! Tensors that a C program lends.
#![allow(non_camel_case_types, reason = "the names are those of the header")]

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::view::{Buffers, Elements, Inputs, TensorMut, TensorRef};
use std::ffi::{CStr, c_char, c_void};
use std::slice;

/// Element types, numbered as in ONNX.
pub const BUNDLE_FLOAT32: i32 = 1;
/// See BUNDLE_FLOAT32.
pub const BUNDLE_UINT8: i32 = 2;
/// See BUNDLE_FLOAT32.
pub const BUNDLE_INT8: i32 = 3;
/// See BUNDLE_FLOAT32.
pub const BUNDLE_UINT16: i32 = 4;
/// See BUNDLE_FLOAT32.
pub const BUNDLE_INT16: i32 = 5;
/// See BUNDLE_FLOAT32.
pub const BUNDLE_INT32: i32 = 6;
/// See BUNDLE_FLOAT32.
pub const BUNDLE_INT64: i32 = 7;
/// See BUNDLE_FLOAT32. `data` points to `size` of bundle_text.
pub const BUNDLE_STRING: i32 = 8;
/// See BUNDLE_FLOAT32. One byte each, 0 or 1.
pub const BUNDLE_BOOL: i32 = 9;
/// See BUNDLE_FLOAT32. 16 bits of storage.
pub const BUNDLE_FLOAT16: i32 = 10;
/// See BUNDLE_FLOAT32.
pub const BUNDLE_FLOAT64: i32 = 11;
/// See BUNDLE_FLOAT32.
pub const BUNDLE_UINT32: i32 = 12;
/// See BUNDLE_FLOAT32.
pub const BUNDLE_UINT64: i32 = 13;

/// A string: UTF-8 without U+0000, not terminated.
#[repr(C)]
pub struct bundle_text {
    /// Its bytes.
    pub bytes: *const c_char,
    /// Their number.
    pub length: usize,
}

/// A tensor in C order, contiguous. The struct and what it points to belong to the caller, but where
/// bundle_outputs_get filled it.
#[repr(C)]
pub struct bundle_tensor {
    /// Its name in the manifest, terminated by zero.
    pub name: *const c_char,
    /// One of BUNDLE_FLOAT32 and the like.
    pub dtype: i32,
    /// The size of each axis; may be null where `rank` is 0.
    pub shape: *const u64,
    /// The number of axes.
    pub rank: usize,
    /// The elements, in the byte order of this machine; may be null where there are none.
    pub data: *mut c_void,
    /// The size of `data` in bytes; of strings, their number.
    pub size: usize,
}

/// The two lists of a bound call.
pub(crate) struct Pair {
    pub inputs: Vec<Lent>,
    pub outputs: Vec<Lent>,
}

/// A tensor with a copy of all that is no element; strings are copied.
pub(crate) struct Lent {
    name: String,
    /// `None` for a number that is no dtype.
    dtype: Option<Dtype>,
    shape: Vec<u64>,
    data: *mut u8,
    size: usize,
    strings: Vec<Vec<u8>>,
}

// SAFETY: it stands for borrowed memory, which may be used by another thread.
unsafe impl Send for Lent {}

/// Reads a list of tensors.
///
/// # Safety
/// `tensors` are `count` tensors as bundle.h has them.
pub(crate) unsafe fn read(tensors: *const bundle_tensor, count: usize) -> Result<Vec<Lent>> {
    // SAFETY: the caller answers for it.
    let tensors = unsafe { list(tensors, count) }.ok_or_else(|| refuse(".", "a null pointer to tensors"))?;
    let mut lent: Vec<Lent> = Vec::with_capacity(count);
    for tensor in tensors {
        // SAFETY: the caller answers for it.
        let one = unsafe { one(tensor) }?;
        if lent.iter().any(|other| other.name == one.name) {
            return Err(refuse(&one.name, "a name that stands twice"));
        }
        lent.push(one);
    }
    Ok(lent)
}

fn refuse(subject: &str, found: &str) -> Error {
    Error::new("usage_invalid", subject, "tensors as bundle.h has them", found)
}

/// # Safety
/// `start` is null or `count` values.
unsafe fn list<'a, T>(start: *const T, count: usize) -> Option<&'a [T]> {
    if count == 0 {
        return Some(&[]);
    }
    if start.is_null() || count.checked_mul(size_of::<T>()).is_none_or(|size| size > isize::MAX as usize) {
        return None;
    }
    // SAFETY: the caller answers for it.
    Some(unsafe { slice::from_raw_parts(start, count) })
}

/// # Safety
/// As `read`.
unsafe fn one(tensor: &bundle_tensor) -> Result<Lent> {
    if tensor.name.is_null() {
        return Err(refuse(".", "a tensor without a name"));
    }
    // SAFETY: the caller answers for the pointers.
    let (name, shape) = unsafe { (CStr::from_ptr(tensor.name), list(tensor.shape, tensor.rank)) };
    let name = name.to_string_lossy().into_owned();
    let shape = shape.ok_or_else(|| refuse(&name, "a null pointer to a shape"))?.to_vec();
    let dtype = Dtype::from_onnx(tensor.dtype);
    let missing = || refuse(&name, "a null pointer to elements");
    let (strings, size) = if dtype == Some(Dtype::String) {
        // SAFETY: the caller answers for it.
        let texts = unsafe { list(tensor.data.cast::<bundle_text>(), tensor.size) }.ok_or_else(missing)?;
        // SAFETY: as above.
        let text =
            |text: &bundle_text| unsafe { list(text.bytes.cast::<u8>(), text.length) }.map(<[u8]>::to_vec);
        (texts.iter().map(text).collect::<Option<_>>().ok_or_else(missing)?, 0)
    } else {
        // SAFETY: as above.
        unsafe { list(tensor.data.cast::<u8>(), tensor.size) }.ok_or_else(missing)?;
        (Vec::new(), tensor.size)
    };
    Ok(Lent { name, dtype, shape, data: tensor.data.cast(), size, strings })
}

/// The tensors as inputs of a call.
pub(crate) fn views(lent: &[Lent]) -> Inputs<'_> {
    lent.iter().map(|lent| (lent.name.as_str(), view(lent))).collect()
}

fn view(lent: &Lent) -> TensorRef<'_> {
    let elements = match lent.dtype {
        Some(Dtype::String) => Elements::Strings(&lent.strings),
        // SAFETY: `one` found it sound, and the C program lends it for the call.
        _ => Elements::Bytes(unsafe { list(lent.data, lent.size) }.unwrap_or_default()),
    };
    TensorRef { dtype: lent.dtype, shape: &lent.shape, elements }
}

/// The tensors as buffers.
pub(crate) fn buffers(lent: &mut [Lent]) -> Buffers<'_> {
    lent.iter_mut().map(buffer).collect()
}

fn buffer(lent: &mut Lent) -> (&str, TensorMut<'_>) {
    if lent.dtype == Some(Dtype::String) {
        return (&lent.name, TensorMut::from_strings(&lent.shape, &mut lent.strings));
    }
    // Nothing may be read from or written to null, however little.
    let start =
        if lent.data.is_null() { std::ptr::NonNull::<u128>::dangling().as_ptr().cast() } else { lent.data };
    // SAFETY: `one` found it sound, and the C program lends it as long as the call is bound.
    (&lent.name, unsafe { TensorMut::from_raw(lent.dtype, &lent.shape, start, lent.size) })
}
