//! What firmware asks besides predictions: what the model is, and another one in its place.
#![allow(non_camel_case_types, reason = "the names are those of the header")]

use crate::capi::bundle_predictor;
use crate::capi_args::{alive, given, path};
use crate::capi_error::{guarded, usage};
use crate::lent::bundle_tensor;
use crate::manifest::{Dim, Manifest, Signature};
use crate::update::{self, Updated};
use std::ffi::{CString, c_char};
use std::ptr;

/// Stands in a shape for a size that the inputs of each call decide.
pub const BUNDLE_ANY: u64 = u64::MAX;

/// What an open model is. The texts and tensors belong to the predictor and live until bundle_close.
#[repr(C)]
pub struct bundle_model {
    /// The name of the model.
    pub name: *const c_char,
    /// Its version, three numbers.
    pub version: *const c_char,
    /// The identity of the bundle, 64 hex digits.
    pub digest: *const c_char,
    /// Its inputs: name, type and shape, with BUNDLE_ANY where a size is open; `data` is null.
    pub inputs: *const bundle_tensor,
    /// The number of inputs.
    pub input_count: usize,
    /// Its outputs, in the same way.
    pub outputs: *const bundle_tensor,
    /// The number of outputs.
    pub output_count: usize,
}

/// What a `bundle_model` points to.
pub(crate) struct Description {
    texts: [CString; 3],
    lists: [Ports; 2],
}

struct Ports {
    tensors: Vec<bundle_tensor>,
    _names: Vec<CString>,
    _shapes: Vec<Vec<u64>>,
}

// SAFETY: it points to memory of its own, which nobody changes.
unsafe impl Send for Description {}
// SAFETY: as above.
unsafe impl Sync for Description {}

impl Description {
    /// Describes the model of a bundle.
    pub fn new(manifest: &Manifest, identity: &str) -> Description {
        Description {
            texts: [text(&manifest.name), text(&manifest.version), text(identity)],
            lists: [ports(&manifest.inputs), ports(&manifest.outputs)],
        }
    }
}

/// A text of a manifest, none of which holds a zero.
fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

fn ports(list: &[Signature]) -> Ports {
    let size = |dim: &Dim| if let Dim::Fixed(size) = dim { *size } else { BUNDLE_ANY };
    let names: Vec<CString> = list.iter().map(|port| text(&port.name)).collect();
    let shapes: Vec<Vec<u64>> = list.iter().map(|port| port.shape.iter().map(size).collect()).collect();
    let tensors = list.iter().zip(&names).zip(&shapes).map(|((port, name), shape)| bundle_tensor {
        name: name.as_ptr(),
        dtype: port.dtype.onnx(),
        shape: shape.as_ptr(),
        rank: shape.len(),
        data: ptr::null_mut(),
        size: 0,
    });
    Ports { tensors: tensors.collect(), _names: names, _shapes: shapes }
}

/// Fills `model` with what the predictor asks for and gives. On failure it is untouched.
///
/// # Safety
/// `predictor` is open; `model` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_describe(
    predictor: *const bundle_predictor,
    model: *mut bundle_model,
) -> i32 {
    guarded(|| {
        // SAFETY: the caller answers for the pointers.
        let Description { texts, lists } = unsafe { alive(predictor) }?.description();
        let place = ptr::NonNull::new(model).ok_or_else(|| usage("model", "a place for the description"))?;
        let [name, version, digest] = [0, 1, 2].map(|index| texts[index].as_ptr());
        let [inputs, outputs] = [0, 1].map(|index| lists[index].tensors.as_slice());
        let found = bundle_model {
            name,
            version,
            digest,
            inputs: inputs.as_ptr(),
            input_count: inputs.len(),
            outputs: outputs.as_ptr(),
            output_count: outputs.len(),
        };
        // SAFETY: the caller answers for `model`.
        unsafe { place.write(found) };
        Ok(())
    })
}

/// What a device runs after a change. The texts end with a zero.
#[repr(C)]
pub struct bundle_updated {
    /// The identity of its bundle, 64 hex digits.
    pub digest: [c_char; 65],
    /// The name of its model.
    pub name: [c_char; 65],
    /// The version of its model.
    pub version: [c_char; 32],
    /// The version that bundle_rollback would bring back; empty where there is none.
    pub previous: [c_char; 32],
    /// 0 where it ran this bundle already, else 1.
    pub changed: i32,
}

/// Lets the device whose folder is `folder` run the bundle of an archive: checked, written, proven by its
/// self-test, and switched to in one step (spec/STORE.md, section 4). Programs open `folder`/current. An older
/// version is refused. `options` is null or a JSON object of that section's. `updated` may be null. On failure
/// the device runs what it ran, and `*updated` is untouched.
///
/// # Safety
/// Pointers are null or as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_update(
    folder: *const c_char,
    archive: *const c_char,
    options: *const c_char,
    updated: *mut bundle_updated,
) -> i32 {
    guarded(|| {
        // SAFETY: the caller answers for the pointers.
        let (folder, archive, options) =
            unsafe { (path(folder, "folder")?, path(archive, "archive")?, given(options)?) };
        let done = update::update(folder, archive, &options)?;
        // SAFETY: as above.
        unsafe { tell(updated, &done) };
        Ok(())
    })
}

/// Lets the device run the bundle that ran before; a second call takes the first one back. `updated` may be
/// null. On failure the device runs what it ran, and `*updated` is untouched.
///
/// # Safety
/// Pointers are null or as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bundle_rollback(folder: *const c_char, updated: *mut bundle_updated) -> i32 {
    guarded(|| {
        // SAFETY: the caller answers for the pointers.
        let done = update::rollback(unsafe { path(folder, "folder") }?)?;
        // SAFETY: as above.
        unsafe { tell(updated, &done) };
        Ok(())
    })
}

/// # Safety
/// `place` is null or valid for a write.
unsafe fn tell(place: *mut bundle_updated, done: &Updated) {
    if let Some(place) = ptr::NonNull::new(place) {
        let told = bundle_updated {
            digest: fixed(&done.digest),
            name: fixed(&done.name),
            version: fixed(&done.version),
            previous: fixed(done.previous.as_deref().unwrap_or_default()),
            changed: i32::from(done.changed),
        };
        // SAFETY: the caller answers for it.
        unsafe { place.write(told) };
    }
}

/// A text of the manifest, whose rules keep it short enough.
fn fixed<const N: usize>(text: &str) -> [c_char; N] {
    let mut bytes = text.bytes().take(N - 1);
    std::array::from_fn(|_| bytes.next().unwrap_or(0) as c_char)
}
