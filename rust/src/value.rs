//! Values of ONNX Runtime's C API: made over memory of ours, or read into it.

use crate::dtype::Dtype;
use crate::tensor::{Buffer, Data, Tensor, count, is_aligned};
use crate::view::{Elements, TensorRef};
use ort::sys;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

/// Why the library refused, in its own words.
pub(crate) type Refusal = String;

/// An `OrtValue` of ours, or null.
#[repr(transparent)]
pub(crate) struct Value(pub *mut sys::OrtValue);

// SAFETY: a value belongs to no thread; it is never used by two at once.
unsafe impl Send for Value {}

impl Drop for Value {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the value is ours, and nothing uses it after this.
            unsafe { (ort::api().ReleaseValue)(self.0) };
        }
    }
}

/// The addresses of C strings, which must outlive their use.
pub(crate) fn addresses(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).collect()
}

/// Turns a status into a result.
pub(crate) fn check(status: sys::OrtStatusPtr) -> Result<(), Refusal> {
    if status.0.is_null() {
        return Ok(());
    }
    // SAFETY: a status that is not null is ours to read and to release.
    unsafe {
        let message = CStr::from_ptr((ort::api().GetErrorMessage)(status.0)).to_string_lossy().into_owned();
        (ort::api().ReleaseStatus)(status.0);
        Err(message)
    }
}

fn element_type(dtype: Dtype) -> sys::ONNXTensorElementDataType {
    use sys::ONNXTensorElementDataType::*;
    match dtype {
        Dtype::Bool => ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
        Dtype::Float16 => ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,
        Dtype::Float32 => ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
        Dtype::Float64 => ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
        Dtype::Int16 => ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
        Dtype::Int32 => ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,
        Dtype::Int64 => ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
        Dtype::Int8 => ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,
        Dtype::String => ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
        Dtype::Uint16 => ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
        Dtype::Uint32 => ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
        Dtype::Uint64 => ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
        Dtype::Uint8 => ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
    }
}

/// A value over the tensor's bytes, or over the aligned copy that comes with it.
pub(crate) fn lend(tensor: &TensorRef) -> Result<(Value, Option<Buffer>), Refusal> {
    let dtype = tensor.dtype.ok_or("elements of an unknown kind")?;
    match tensor.elements {
        Elements::Strings(strings) => Ok((fill(tensor.shape, strings)?, None)),
        Elements::Bytes(bytes) if is_aligned(bytes) => {
            Ok((over(dtype, tensor.shape, bytes.as_ptr().cast_mut(), bytes.len())?, None))
        }
        Elements::Bytes(bytes) => {
            let mut aligned = Buffer::copy(bytes, 0)?;
            let place = aligned.bytes_mut();
            let value = over(dtype, tensor.shape, place.as_mut_ptr(), place.len())?;
            Ok((value, Some(aligned)))
        }
    }
}

fn signed(shape: &[u64]) -> Vec<i64> {
    shape.iter().map(|size| *size as i64).collect()
}

/// The description of plain memory, made once: the library is never unloaded.
fn plain_memory() -> Result<*mut sys::OrtMemoryInfo, Refusal> {
    struct Info(*mut sys::OrtMemoryInfo);
    // SAFETY: the description is only read.
    unsafe impl Send for Info {}
    // SAFETY: as above.
    unsafe impl Sync for Info {}
    static INFO: OnceLock<Result<Info, Refusal>> = OnceLock::new();
    let make = || {
        let mut info = ptr::null_mut();
        let (allocator, kind) =
            (sys::OrtAllocatorType::OrtDeviceAllocator, sys::OrtMemType::OrtMemTypeDefault);
        // SAFETY: the out-pointer is valid.
        check(unsafe { (ort::api().CreateCpuMemoryInfo)(allocator, kind, &raw mut info) })?;
        Ok(Info(info))
    };
    INFO.get_or_init(make).as_ref().map(|info| info.0).map_err(Clone::clone)
}

/// A value over memory that outlives it. The library writes to it only where it is an output.
pub(crate) fn over(dtype: Dtype, shape: &[u64], start: *mut u8, length: usize) -> Result<Value, Refusal> {
    let (shape, memory) = (signed(shape), plain_memory()?);
    let mut value = Value(ptr::null_mut());
    // SAFETY: `start` is valid for `length` bytes; the shape outlives the call, the description everything.
    check(unsafe {
        (ort::api().CreateTensorWithDataAsOrtValue)(
            memory,
            start.cast::<c_void>(),
            length,
            shape.as_ptr(),
            shape.len(),
            element_type(dtype),
            &raw mut value.0,
        )
    })?;
    Ok(value)
}

fn fill(shape: &[u64], strings: &[Vec<u8>]) -> Result<Value, Refusal> {
    let texts = strings
        .iter()
        .map(|text| CString::new(text.as_slice()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let (shape, texts_at) = (signed(shape), addresses(&texts));
    let (mut allocator, mut value) = (ptr::null_mut(), Value(ptr::null_mut()));
    // SAFETY: every pointer is valid for the call, and the default allocator lives for ever.
    unsafe {
        check((ort::api().GetAllocatorWithDefaultOptions)(&mut allocator))?;
        check((ort::api().CreateTensorAsOrtValue)(
            allocator,
            shape.as_ptr(),
            shape.len(),
            element_type(Dtype::String),
            &mut value.0,
        ))?;
        check((ort::api().FillStringTensor)(value.0, texts_at.as_ptr(), texts_at.len()))?;
    }
    Ok(value)
}

/// A tensor of our own with what a value holds.
pub(crate) fn copy(value: &Value) -> Result<Tensor, Refusal> {
    let (dtype, shape) = describe(value)?;
    let count = count(&shape).ok_or("an output is too large")?;
    if dtype == Dtype::String {
        return Ok(Tensor { dtype, shape, data: Data::Strings(strings(value, count)?) });
    }
    let length = count * dtype.size();
    let mut start = ptr::null_mut();
    // SAFETY: the value is a tensor of numbers; its data is `length` bytes, and is copied before the value is released.
    let data = unsafe {
        check((ort::api().GetTensorMutableData)(value.0, &mut start))?;
        if length == 0 {
            Buffer::zeroed(0, 0)?
        } else {
            Buffer::copy(std::slice::from_raw_parts(start.cast::<u8>(), length), 0)?
        }
    };
    Ok(Tensor { dtype, shape, data: Data::Bytes(data) })
}

fn describe(value: &Value) -> Result<(Dtype, Vec<u64>), Refusal> {
    let (mut info, mut rank) = (ptr::null_mut(), 0);
    let mut element = sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    // SAFETY: out-pointers are valid, `shape` has room for `rank` sizes, and the info is released once.
    unsafe {
        check((ort::api().GetTensorTypeAndShape)(value.0, &mut info))?;
        let mut read = || {
            check((ort::api().GetTensorElementType)(info, &mut element))?;
            check((ort::api().GetDimensionsCount)(info, &mut rank))?;
            let mut shape = vec![0_i64; rank];
            check((ort::api().GetDimensions)(info, shape.as_mut_ptr(), rank))?;
            Ok::<_, Refusal>(shape)
        };
        let shape = read();
        (ort::api().ReleaseTensorTypeAndShapeInfo)(info);
        let shape = shape?.into_iter().map(|size| size as u64).collect();
        Ok((Dtype::from_onnx(element as i32).ok_or("an output of a type that the format lacks")?, shape))
    }
}

fn strings(value: &Value, count: usize) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut length = 0;
    let mut offsets = Vec::new();
    offsets.try_reserve_exact(count + 1).map_err(|error| error.to_string())?;
    offsets.resize(count, 0_usize);
    // SAFETY: the value is a tensor of `count` strings, and `bytes` has room for all of them.
    let bytes = unsafe {
        check((ort::api().GetStringTensorDataLength)(value.0, &mut length))?;
        let mut bytes = Buffer::zeroed(length, 0)?;
        check((ort::api().GetStringTensorContent)(
            value.0,
            bytes.bytes_mut().as_mut_ptr().cast(),
            length,
            offsets.as_mut_ptr(),
            count,
        ))?;
        bytes
    };
    offsets.push(length);
    Ok(offsets.windows(2).map(|pair| bytes.bytes()[pair[0]..pair[1]].to_vec()).collect())
}
