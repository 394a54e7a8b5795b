//! What a call gives: check C12, and the caller's buffers.

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::inputs::Symbols;
use crate::manifest::{Dim, Manifest, Signature};
use crate::tensor::{Tensor, count, is_aligned};
use crate::view::{Buffers, Place, TensorMut};

/// Check C12 of one output.
pub(crate) fn check(known: &Signature, tensor: &Tensor) -> Result<()> {
    let fits = |(dim, size): (&Dim, &u64)| match dim {
        Dim::Fixed(fixed) => size == fixed,
        Dim::Symbol(_) => true,
    };
    let same_rank = tensor.shape.len() == known.shape.len();
    if tensor.dtype != known.dtype || !same_rank || !known.shape.iter().zip(&tensor.shape).all(fits) {
        let expected = format!("{} {:?}", known.dtype.word(), known.shape);
        let found = format!("{} {:?}", tensor.dtype.word(), tensor.shape);
        return Err(Error::new("output_mismatch", &known.name, expected, found));
    }
    Ok(())
}

/// A buffer that was found suitable.
pub(crate) struct Plan<'a> {
    /// The index of its output.
    pub index: usize,
    pub shape: &'a [u64],
    pub place: Place<'a>,
    /// Whether every size is known before the run, so that the library can write in place.
    pub sized: bool,
}

/// Whether buffers are used in place for many runs, and so must be aligned and apart from the inputs.
pub(crate) enum Use<'p> {
    Once,
    Bound(&'p [Option<Place<'p>>]),
}

/// Judges the caller's buffers: `output_unknown`, then `buffer_unsuitable`, in manifest order.
pub(crate) fn plans<'a>(
    manifest: &Manifest,
    symbols: &Symbols,
    outputs: &Buffers<'a>,
    purpose: &Use,
) -> Result<Vec<Plan<'a>>> {
    if let Some(name) = outputs.keys().find(|name| manifest.outputs.iter().all(|known| known.name != **name))
    {
        return Err(Error::new("output_unknown", *name, "an output of the model", "another name"));
    }
    if let Use::Bound(inputs) = purpose {
        check_alignment(manifest, inputs)?;
    }
    let mut plans: Vec<Plan> = Vec::new();
    for (index, known) in manifest.outputs.iter().enumerate() {
        let Some(buffer) = outputs.get(known.name.as_str()) else { continue };
        let place = suited(known, buffer, symbols).map_err(|found| unsuitable(known, found))?;
        if matches!(purpose, Use::Bound(_)) && !is_aligned(place.bytes()) {
            return Err(unsuitable(known, "an address that is no multiple of 16"));
        }
        let inputs: &[Option<Place>] = if let Use::Bound(inputs) = purpose { inputs } else { &[] };
        let mut others = inputs.iter().flatten().chain(plans.iter().map(|plan| &plan.place));
        if others.any(|other| other.overlaps(&place)) {
            return Err(unsuitable(known, "memory that another buffer uses"));
        }
        let sized = known.shape.iter().all(|dim| match dim {
            Dim::Fixed(_) => true,
            Dim::Symbol(symbol) => symbols.contains_key(symbol.as_str()),
        });
        plans.push(Plan { index, shape: buffer.shape, place, sized });
    }
    Ok(plans)
}

fn check_alignment(manifest: &Manifest, inputs: &[Option<Place>]) -> Result<()> {
    for (known, place) in manifest.inputs.iter().zip(inputs) {
        if place.is_some_and(|place| !is_aligned(place.bytes())) {
            return Err(unsuitable(known, "an address that is no multiple of 16"));
        }
    }
    Ok(())
}

/// `buffer_unsuitable` about a tensor.
pub(crate) fn unsuitable(known: &Signature, found: &str) -> Error {
    let expected = "an aligned buffer of its own, of the tensor's dtype and shape";
    Error::new("buffer_unsuitable", &known.name, expected, found)
}

/// The memory of a buffer that has the output's dtype and shape, else what it has.
fn suited<'a>(
    known: &Signature,
    buffer: &TensorMut<'a>,
    symbols: &Symbols,
) -> std::result::Result<Place<'a>, &'static str> {
    let fits = |(dim, size): (&Dim, &u64)| match dim {
        Dim::Fixed(fixed) => fixed == size,
        Dim::Symbol(symbol) => symbols.get(symbol.as_str()).is_none_or(|bound| bound == size),
    };
    let place = buffer.memory().filter(|_| known.dtype != Dtype::String).ok_or("strings")?;
    if buffer.dtype != Some(known.dtype) {
        return Err("another dtype, or memory that cannot be filled in place");
    }
    let same_rank = buffer.shape.len() == known.shape.len();
    if !same_rank || !known.shape.iter().zip(buffer.shape).all(fits) {
        return Err("another shape");
    }
    let length = count(buffer.shape).and_then(|count| count.checked_mul(known.dtype.size()));
    if length != Some(place.length) { Err("another number of bytes than its shape has") } else { Ok(place) }
}
