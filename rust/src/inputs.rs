//! What a call must be given: checks C2 to C10 (FORMAT.md section 8).

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::manifest::{Dim, Manifest, Signature};
use crate::tensor::count;
use crate::view::{Elements, Inputs, TensorRef};
use std::collections::HashMap;

/// The size of each symbol in one call.
pub(crate) type Symbols<'a> = HashMap<&'a str, u64>;

/// Checks C2 to C8. With `multiple`, axis 0 is a multiple of it and equal in all inputs, as in a batch of fixed pieces.
pub(crate) fn shapes<'a, 'm>(
    manifest: &'m Manifest,
    inputs: &Inputs<'a>,
    multiple: Option<u64>,
) -> Result<(Vec<TensorRef<'a>>, Symbols<'m>)> {
    if let Some(name) = inputs.keys().find(|name| manifest.inputs.iter().all(|known| known.name != **name)) {
        return Err(Error::new("input_unknown", *name, "an input of the model", "another name"));
    }
    let missing = |known: &Signature| Error::new("input_missing", &known.name, "this input", "none");
    let find = |known: &Signature| inputs.get(known.name.as_str()).copied().ok_or_else(|| missing(known));
    let tensors = manifest.inputs.iter().map(find).collect::<Result<Vec<_>>>()?;
    let mut symbols = Symbols::new();
    let rows = tensors.first().and_then(|tensor| tensor.shape.first().copied());
    for (known, tensor) in manifest.inputs.iter().zip(&tensors) {
        shape(known, tensor, multiple.zip(rows), &mut symbols)?;
    }
    Ok((tensors, symbols))
}

fn shape<'m>(
    known: &'m Signature,
    tensor: &TensorRef,
    batch: Option<(u64, u64)>,
    symbols: &mut Symbols<'m>,
) -> Result<()> {
    let refuse = |code, expected: String, found: String| Err(Error::new(code, &known.name, expected, found));
    if tensor.dtype != Some(known.dtype) {
        let found = tensor.dtype.map_or("another type or byte order", Dtype::word);
        return refuse("input_dtype_mismatch", known.dtype.word().to_owned(), found.to_owned());
    }
    if tensor.shape.len() != known.shape.len() {
        return refuse(
            "input_rank_mismatch",
            format!("{} axes", known.shape.len()),
            tensor.shape.len().to_string(),
        );
    }
    let axes = || known.shape.iter().zip(tensor.shape).enumerate();
    for (axis, (dim, size)) in axes() {
        let fits = match (dim, batch) {
            (Dim::Fixed(_), Some((multiple, rows))) if axis == 0 => {
                *size == rows && *size > 0 && size.is_multiple_of(multiple)
            }
            (Dim::Fixed(fixed), _) => size == fixed,
            (Dim::Symbol(_), _) => true,
        };
        if !fits {
            return refuse("input_shape_mismatch", format!("{dim:?} on axis {axis}"), size.to_string());
        }
    }
    let length = tensor.elements.length();
    if count(tensor.shape).and_then(|count| count.checked_mul(known.dtype.size().max(1))) != Some(length) {
        let expected = format!("bytes or strings that fill {:?}", tensor.shape);
        return refuse("input_shape_mismatch", expected, length.to_string());
    }
    let named = || {
        axes().filter_map(|(axis, (dim, size))| {
            if let Dim::Symbol(symbol) = dim { Some((axis, symbol.as_str(), *size)) } else { None }
        })
    };
    if let Some((axis, symbol, _)) = named().find(|(_, _, size)| *size == 0) {
        return refuse("input_empty", format!("at least 1 on axis {axis} (`{symbol}`)"), "0".to_owned());
    }
    for (axis, symbol, size) in named() {
        let first = *symbols.entry(symbol).or_insert(size);
        if first != size {
            return refuse(
                "input_symbol_conflict",
                format!("{first} on axis {axis} (`{symbol}`)"),
                size.to_string(),
            );
        }
    }
    Ok(())
}

/// Checks C9 and C10.
pub(crate) fn values(manifest: &Manifest, finite: &[bool], tensors: &[TensorRef]) -> Result<()> {
    for (known, tensor) in manifest.inputs.iter().zip(tensors) {
        if !can_be_carried(known.dtype, &tensor.elements) {
            let expected = "bool bytes of 0 and 1, strings in UTF-8 without U+0000";
            return Err(Error::new("input_value", &known.name, expected, "others"));
        }
    }
    for ((known, tensor), finite) in manifest.inputs.iter().zip(tensors).zip(finite) {
        if let (true, Elements::Bytes(bytes)) = (*finite, tensor.elements)
            && !is_finite(known.dtype, bytes)
        {
            return Err(Error::new("input_not_finite", &known.name, "finite numbers", "NaN or infinity"));
        }
    }
    Ok(())
}

fn can_be_carried(dtype: Dtype, elements: &Elements) -> bool {
    match elements {
        Elements::Bytes(bytes) => dtype != Dtype::Bool || all(bytes, |[byte]| byte <= 1),
        Elements::Strings(strings) => {
            strings.iter().all(|text| std::str::from_utf8(text).is_ok() && !text.contains(&0))
        }
    }
}

/// A number is finite where its exponent is not all ones.
fn is_finite(dtype: Dtype, bytes: &[u8]) -> bool {
    match dtype {
        Dtype::Float16 => all(bytes, |part| u16::from_le_bytes(part) & 0x7c00 != 0x7c00),
        Dtype::Float32 => all(bytes, |part| f32::from_le_bytes(part).is_finite()),
        Dtype::Float64 => all(bytes, |part| f64::from_le_bytes(part).is_finite()),
        _ => true,
    }
}

/// Whether all elements hold; block by block without a branch, so that the compiler vectorizes.
fn all<const N: usize>(bytes: &[u8], holds: impl Fn([u8; N]) -> bool) -> bool {
    let (parts, _) = bytes.as_chunks::<N>();
    parts.chunks(1024).all(|block| block.iter().fold(true, |sound, part| sound & holds(*part)))
}
