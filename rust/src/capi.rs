//! The C interface, for firmware and for programs in other languages: rust/include/bundle.h.
//!
//! No panic leaves it, and what a failure leaves behind is as it was before the call.
#![allow(non_camel_case_types, reason = "the names are those of the header")]

use crate::bound::BoundCall;
use crate::bundle::{Bundle, Mode};
use crate::capi_args::{alive, give, given, path, text};
use crate::capi_device::Description;
pub use crate::capi_device::{
    BUNDLE_ANY, bundle_describe, bundle_model, bundle_rollback, bundle_update, bundle_updated,
};
pub use crate::capi_error::{BUNDLE_OK, bundle_error, bundle_last_error};
use crate::capi_error::{guarded, usage};
use crate::dtype::Dtype;
use crate::error::Error;
use crate::lent;
pub use crate::lent::{
    BUNDLE_BOOL, BUNDLE_FLOAT16, BUNDLE_FLOAT32, BUNDLE_FLOAT64, BUNDLE_INT8, BUNDLE_INT16, BUNDLE_INT32,
    BUNDLE_INT64, BUNDLE_STRING, BUNDLE_UINT8, BUNDLE_UINT16, BUNDLE_UINT32, BUNDLE_UINT64, bundle_tensor,
    bundle_text,
};
use crate::library::Runtime;
use crate::options;
use crate::predictor::Predictor;
use crate::tensor::Outputs;
use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;

/// An open model. Any number of threads may use it at once.
pub struct bundle_predictor {
    predictor: Arc<Predictor>,
    description: Description,
}

impl bundle_predictor {
    pub(crate) fn description(&self) -> &Description {
        &self.description
    }
}

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
        let (path, options) = unsafe { (self::path(path, "path")?, given(options)?) };
        // SAFETY: the caller answers for `ort_api`.
        let runtime = (!ort_api.is_null()).then(|| unsafe { Runtime::from_api(ort_api) });
        options::check_opening(&options)?;
        let mode = if options::text(&options, "mode") == Some("quick") { Mode::Quick } else { Mode::Full };
        let bundle = Bundle::open(path, options::text(&options, "digest"), mode)?;
        let opened = Predictor::new(bundle, &options, runtime.as_ref())?;
        let description = Description::new(opened.manifest(), opened.bundle().identity());
        // SAFETY: the caller answers for `predictor`.
        unsafe { give(predictor, bundle_predictor { predictor: Arc::new(opened), description }) }
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
            unsafe { Box::from_raw(predictor) }.predictor.close();
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
        let found = predictor.predictor.predict(&lent::views(&inputs))?;
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
        predictor.predictor.predict_into(&lent::views(&inputs), &mut lent::buffers(&mut outputs))
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
        let predictor = Arc::clone(&predictor.predictor);
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
        let good = predictor.predictor.self_test()?.iter().all(|case| case.passed());
        // SAFETY: the caller answers for `passed`.
        unsafe { place.write(i32::from(good)) };
        Ok(())
    })
}
