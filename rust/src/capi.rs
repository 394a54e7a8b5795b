//! The C interface, for firmware and for programs in other languages: rust/include/bundle.h.
//!
//! No panic leaves it, and what a failure leaves behind is as it was before the call.
#![allow(non_camel_case_types, reason = "the names are those of the header")]

use crate::bound::BoundCall;
use crate::bundle::{Bundle, Mode};
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::json;
use crate::library::Runtime;
use crate::options::{self, Options};
use crate::predictor::Predictor;
use crate::tensor::Outputs;
use crate::{driver, lent};
use std::cell::RefCell;
use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use std::sync::Arc;

/// What a function returns when it went well. Anything else is a failure: see bundle_last_error.
pub const BUNDLE_OK: i32 = 0;

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

/// An open model. Any number of threads may use it at once.
pub struct bundle_predictor(Arc<Predictor>);

/// A call over buffers that are borrowed. One thread at a time.
pub struct bundle_call {
    // Dropped in this order: the call borrows the other two.
    call: BoundCall<'static>,
    _lent: Box<lent::Pair>,
    _predictor: Arc<Predictor>,
}

/// The outputs of a call. Read-only, by any thread.
pub struct bundle_outputs {
    outputs: Outputs,
    texts: Vec<Vec<bundle_text>>,
}

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

/// A failure. `code` and `subject` are the contract (spec/errors.json), `message` is for people.
#[repr(C)]
pub struct bundle_error {
    /// Stable for ever, such as `input_missing`.
    pub code: *const c_char,
    /// What is at fault: an input, an option, a path inside the bundle.
    pub subject: *const c_char,
    /// A sentence.
    pub message: *const c_char,
}

struct LastError {
    error: bundle_error,
    _texts: [CString; 3],
}

thread_local! {
    static LAST: RefCell<Option<LastError>> = const { RefCell::new(None) };
}

fn remember(error: &Error) {
    // A text with a zero in it ends there.
    let text = |text: &str| CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default();
    let texts = [text(error.code()), text(error.subject()), text(&error.to_string())];
    let [code, subject, message] = [0, 1, 2].map(|index| texts[index].as_ptr());
    let last = LastError { error: bundle_error { code, subject, message }, _texts: texts };
    // The thread may be ending; then nobody asks any more.
    let _ = LAST.try_with(|place| *place.borrow_mut() = Some(last));
}

fn guarded(work: impl FnOnce() -> Result<()>) -> i32 {
    let done = catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::new("internal_error", ".", "no fault of this library", "a panic")));
    match done {
        Ok(()) => BUNDLE_OK,
        Err(error) => {
            remember(&error);
            -1
        }
    }
}

fn usage(subject: &str, expected: &str) -> Error {
    Error::new("usage_invalid", subject, expected, "a null pointer, or something else")
}

/// # Safety
/// `text` is null or a C string.
unsafe fn text<'a>(text: *const c_char, subject: &str) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(usage(subject, "a text"));
    }
    // SAFETY: the caller answers for it.
    Ok(unsafe { CStr::from_ptr(text) })
}

/// # Safety
/// `handle` is null or what one of these functions gave and none has freed.
unsafe fn alive<'a, T>(handle: *const T) -> Result<&'a T> {
    // SAFETY: the caller answers for it.
    unsafe { handle.as_ref() }.ok_or_else(|| usage(".", "a handle"))
}

/// # Safety
/// `place` is null or valid for a write.
unsafe fn give<T>(place: *mut *mut T, value: T) -> Result<()> {
    if place.is_null() {
        return Err(usage(".", "a place for the handle"));
    }
    // SAFETY: the caller answers for it.
    unsafe { *place = Box::into_raw(Box::new(value)) };
    Ok(())
}

/// Opens the bundle in the folder `path`.
///
/// `options` is null or a JSON object of the options of spec/FORMAT.md, section 5. `ort_api` is null, or the
/// `const OrtApi *` of the ONNX Runtime that this program holds, which then stays loaded. On success
/// `*predictor` is the caller's, to free with bundle_close; on failure it is untouched. The texts are only
/// read during the call.
///
/// # Safety
/// Pointers are null or as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_open(
    path: *const c_char,
    options: *const c_char,
    ort_api: *const c_void,
    predictor: *mut *mut bundle_predictor,
) -> i32 {
    guarded(|| {
        // SAFETY: the caller answers for the pointers.
        let (path, given) = unsafe {
            (text(path, "path")?, if options.is_null() { c"{}" } else { text(options, "options")? })
        };
        let tree = json::parse(given.to_bytes(), driver::DEPTH).and_then(|tree| tree.as_object().cloned());
        let options: Options = tree.ok_or_else(|| usage("options", "a JSON object"))?;
        // SAFETY: the caller answers for `ort_api`.
        let runtime = (!ort_api.is_null()).then(|| unsafe { Runtime::from_api(ort_api) });
        let path = Path::new(OsStr::from_bytes(path.to_bytes()));
        options::check_opening(&options)?;
        let mode = if options::text(&options, "mode") == Some("quick") { Mode::Quick } else { Mode::Full };
        let bundle = Bundle::open(path, options::text(&options, "digest"), mode)?;
        let opened = Predictor::new(bundle, &options, runtime.as_ref())?;
        // SAFETY: the caller answers for `predictor`.
        unsafe { give(predictor, bundle_predictor(Arc::new(opened))) }
    })
}

/// Waits for the calls in flight and frees the predictor; null is allowed. Calls that are bound stay valid to
/// be freed, and fail with `predictor_closed`.
///
/// # Safety
/// `predictor` is null or of bundle_open, and no other function uses it from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_close(predictor: *mut bundle_predictor) {
    guarded(|| {
        if !predictor.is_null() {
            // SAFETY: the caller answers for it.
            unsafe { Box::from_raw(predictor) }.0.close();
        }
        Ok(())
    });
}

/// Predicts once. `inputs` are exactly the model's, in any order, and only read during the call. On success
/// `*outputs` is the caller's, to free with bundle_outputs_free; on failure it is untouched.
///
/// # Safety
/// `predictor` is open; `inputs` are `count` sound tensors; `outputs` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_predict(
    predictor: *const bundle_predictor,
    inputs: *const bundle_tensor,
    count: usize,
    outputs: *mut *mut bundle_outputs,
) -> i32 {
    guarded(|| {
        // SAFETY: the caller answers for the pointers.
        let (predictor, inputs) = unsafe { (alive(predictor)?, lent::read(inputs, count)?) };
        let found = predictor.0.predict(&lent::views(&inputs))?;
        let text = |bytes: &Vec<u8>| bundle_text { bytes: bytes.as_ptr().cast(), length: bytes.len() };
        let texts = found.values().map(|tensor| tensor.strings().iter().map(text).collect()).collect();
        // SAFETY: the caller answers for `outputs`.
        unsafe { give(outputs, bundle_outputs { outputs: found, texts }) }
    })
}

/// Fills `tensor` for the output `name`. What it points to belongs to `outputs`, is not to be written to, and
/// lives until bundle_outputs_free. Elements start at a multiple of 16 bytes.
///
/// # Safety
/// `outputs` is of bundle_predict; `name` is a C string; `tensor` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_outputs_get(
    outputs: *const bundle_outputs,
    name: *const c_char,
    tensor: *mut bundle_tensor,
) -> i32 {
    guarded(|| {
        // SAFETY: the caller answers for the pointers.
        let (outputs, wanted) = unsafe { (alive(outputs)?, text(name, "name")?) };
        let place = ptr::NonNull::new(tensor).ok_or_else(|| usage("tensor", "a place for the tensor"))?;
        let mut rows = outputs.outputs.iter().zip(&outputs.texts);
        let row = rows.find(|((known, _), _)| known.as_bytes() == wanted.to_bytes());
        let ((_, found), texts) = row.ok_or_else(|| {
            Error::new("output_unknown", wanted.to_string_lossy(), "an output of the model", "another name")
        })?;
        let (data, size) = match found.dtype() {
            Dtype::String => (texts.as_ptr().cast(), texts.len()),
            _ => (found.bytes().as_ptr(), found.bytes().len()),
        };
        let (shape, rank) = (found.shape().as_ptr(), found.shape().len());
        let data = data.cast::<c_void>().cast_mut();
        // SAFETY: the caller answers for `tensor`.
        unsafe { place.write(bundle_tensor { name, dtype: found.dtype().onnx(), shape, rank, data, size }) };
        Ok(())
    })
}

/// Frees outputs; null is allowed.
///
/// # Safety
/// `outputs` is null or of bundle_predict, and is not used from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_outputs_free(outputs: *mut bundle_outputs) {
    if !outputs.is_null() {
        // SAFETY: the caller answers for it.
        drop(unsafe { Box::from_raw(outputs) });
    }
}

/// Predicts once into the caller's buffers, for some or all outputs. `outputs` tell where; no two may overlap,
/// and none may be of strings. On failure the buffers are untouched.
///
/// # Safety
/// `predictor` is open; both lists are sound tensors, those of `outputs` writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_predict_into(
    predictor: *const bundle_predictor,
    inputs: *const bundle_tensor,
    input_count: usize,
    outputs: *const bundle_tensor,
    output_count: usize,
) -> i32 {
    guarded(|| {
        // SAFETY: the caller answers for the pointers.
        let (predictor, inputs, mut outputs) = unsafe {
            (alive(predictor)?, lent::read(inputs, input_count)?, lent::read(outputs, output_count)?)
        };
        predictor.0.predict_into(&lent::views(&inputs), &mut lent::buffers(&mut outputs))
    })
}

/// Binds inputs and outputs for a loop that does not allocate: change the inputs in place, bundle_run, read
/// the outputs. Names, shapes and strings are copied; the elements are borrowed until bundle_unbind, start at
/// a multiple of 16 bytes, and outputs overlap nothing. On success `*call` is the caller's, to free with
/// bundle_unbind; on failure it is untouched.
///
/// # Safety
/// `predictor` is open; both lists are sound, writable tensors whose elements live until bundle_unbind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_bind(
    predictor: *const bundle_predictor,
    inputs: *const bundle_tensor,
    input_count: usize,
    outputs: *const bundle_tensor,
    output_count: usize,
    call: *mut *mut bundle_call,
) -> i32 {
    guarded(|| {
        // SAFETY: the caller answers for the pointers.
        let (predictor, inputs, outputs) = unsafe {
            (alive(predictor)?, lent::read(inputs, input_count)?, lent::read(outputs, output_count)?)
        };
        let mut lent = Box::new(lent::Pair { inputs, outputs });
        let predictor = Arc::clone(&predictor.0);
        // SAFETY: the predictor and the box stay where they are, and `bundle_call` drops them after the call.
        let (lent_at, predictor_at): (&'static mut lent::Pair, &'static Predictor) =
            unsafe { (&mut *ptr::from_mut(&mut *lent), &*Arc::as_ptr(&predictor)) };
        let buffers = lent::buffers(&mut lent_at.inputs);
        let bound = predictor_at.bind(buffers, lent::buffers(&mut lent_at.outputs))?;
        // SAFETY: the caller answers for `call`.
        unsafe { give(call, bundle_call { call: bound, _lent: lent, _predictor: predictor }) }
    })
}

/// Runs a bound call once. On failure the output buffers hold nothing of use.
///
/// # Safety
/// `call` is of bundle_bind, and no other thread uses it or its buffers during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_run(call: *mut bundle_call) -> i32 {
    guarded(|| {
        // SAFETY: the caller answers for it.
        unsafe { call.as_mut() }.ok_or_else(|| usage(".", "a handle"))?.call.run()
    })
}

/// Frees a bound call; null is allowed. Its buffers are the caller's alone again.
///
/// # Safety
/// `call` is null or of bundle_bind, and is not used from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_unbind(call: *mut bundle_call) {
    if !call.is_null() {
        // SAFETY: the caller answers for it.
        drop(unsafe { Box::from_raw(call) });
    }
}

/// Predicts every golden case of the bundle and compares it with what was recorded; `*passed` is 1 when all
/// hold, else 0. On failure it is untouched.
///
/// # Safety
/// `predictor` is open; `passed` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_self_test(predictor: *const bundle_predictor, passed: *mut i32) -> i32 {
    guarded(|| {
        // SAFETY: the caller answers for the pointers.
        let predictor = unsafe { alive(predictor) }?;
        let place = ptr::NonNull::new(passed).ok_or_else(|| usage("passed", "a place for the result"))?;
        let good = predictor.0.self_test()?.iter().all(|case| case.passed());
        // SAFETY: the caller answers for `passed`.
        unsafe { place.write(i32::from(good)) };
        Ok(())
    })
}

/// The last failure of this thread, or null. It lives until the next failure of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn bundle_last_error() -> *const bundle_error {
    let last =
        LAST.try_with(|last| last.borrow().as_ref().map_or(ptr::null(), |last| ptr::from_ref(&last.error)));
    last.unwrap_or(ptr::null())
}
