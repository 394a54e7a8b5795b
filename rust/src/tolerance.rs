//! Comparing an output with its recording (tolerances.json).

use crate::dtype::Dtype;
use crate::half;
use crate::json::Value;
use crate::manifest::{Decision, Tolerance};
use crate::tables;
use crate::tensor::{Data, Tensor};

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// Whether the tolerance holds.
    pub passed: bool,
    /// Decisions that differ though the reference's margin is above the tolerance.
    pub flips: usize,
    /// Decisions that differ where the margin is within the tolerance.
    pub near_ties: usize,
    /// The largest absolute difference; infinite where a NaN, an infinity, a string or the shapes disagree.
    pub worst: f64,
}

/// Compares an output with a reference.
pub(crate) fn compare(
    found: &Tensor,
    reference: &Tensor,
    tolerance: Tolerance,
    decision: Decision,
) -> Comparison {
    if found.dtype != reference.dtype || found.shape != reference.shape {
        return Comparison { passed: false, flips: 0, near_ties: 0, worst: f64::INFINITY };
    }
    if let (Data::Strings(found), Data::Strings(reference)) = (&found.data, &reference.data) {
        let flips = if decision == Decision::Equal { differing(found, reference) } else { 0 };
        let passed = found == reference;
        return Comparison { passed, flips, near_ties: 0, worst: if passed { 0.0 } else { f64::INFINITY } };
    }
    let (a, b) = (numbers(found), numbers(reference));
    let bound = bound(tolerance, reference.dtype, &b);
    let passed = match bound {
        Some(bound) => a.iter().zip(&b).all(|(a, b)| difference(*a, *b) <= bound),
        None => is_exact(found, reference, &a, &b),
    };
    let (flips, near_ties) = decisions(&a, &b, bound.unwrap_or(0.0), decision, reference);
    let mut worst = a.iter().zip(&b).map(|(a, b)| difference(*a, *b)).fold(0.0, f64::max);
    if reference.dtype == Dtype::Bool && worst > 0.0 {
        worst = f64::INFINITY;
    }
    Comparison { passed, flips, near_ties, worst }
}

fn differing<T: PartialEq>(found: &[T], recorded: &[T]) -> usize {
    found.iter().zip(recorded).filter(|(a, b)| a != b).count()
}

fn is_exact(found: &Tensor, recorded: &Tensor, a: &[f64], b: &[f64]) -> bool {
    let size = found.dtype.size();
    let bits = found.bytes().chunks_exact(size).zip(recorded.bytes().chunks_exact(size));
    bits.zip(a.iter().zip(b)).all(|((a_bits, b_bits), (a, b))| a_bits == b_bits || (a.is_nan() && b.is_nan()))
}

/// The largest difference; `None` where every bit must be equal.
fn bound(tolerance: Tolerance, dtype: Dtype, b: &[f64]) -> Option<f64> {
    let row = || tables::tolerances().get("words")?.get("close")?.get("bounds")?.get(dtype.word()).cloned();
    let part = |key: &str| match row().as_ref().and_then(|row| row.get(key)) {
        Some(Value::Number(spelt)) => spelt.parse().unwrap_or(0.0),
        _ => 0.0,
    };
    let largest = b.iter().filter(|b| b.is_finite()).fold(0.0, |largest: f64, b| largest.max(b.abs()));
    let close = part("atol") + part("rtol") * largest;
    match tolerance {
        Tolerance::Exact => None,
        Tolerance::Close => dtype.is_float().then_some(close),
        Tolerance::Quantized(..) | Tolerance::Absolute(_) if dtype == Dtype::Bool => None,
        Tolerance::Quantized(quanta, step) => Some(quanta * step + close),
        Tolerance::Absolute(bound) => Some(bound + close),
    }
}

/// The absolute difference: 0 for equals and for two NaNs, infinite where only one is no number.
fn difference(a: f64, b: f64) -> f64 {
    if a == b || (a.is_nan() && b.is_nan()) {
        return 0.0;
    }
    let difference = (a - b).abs();
    if difference.is_nan() { f64::INFINITY } else { difference }
}

/// Counts flips and near ties.
fn decisions(a: &[f64], b: &[f64], bound: f64, decision: Decision, reference: &Tensor) -> (usize, usize) {
    let row = match (decision, reference.shape.last()) {
        (Decision::None, _) | (Decision::Argmax, None | Some(0)) => return (0, 0),
        (Decision::Argmax, Some(size)) => *size as usize,
        (Decision::Equal | Decision::Threshold, _) => 1,
    };
    let (mut flips, mut near_ties) = (0, 0);
    for (a, b) in a.chunks_exact(row).zip(b.chunks_exact(row)) {
        let (same, margin) = match decision {
            Decision::Equal => (difference(a[0], b[0]) == 0.0, f64::INFINITY),
            Decision::Threshold => ((a[0] > 0.5) == (b[0] > 0.5), (b[0] - 0.5).abs()),
            _ => (argmax(a) == argmax(b), margin(b)),
        };
        let near = margin <= bound;
        flips += usize::from(!same && !near);
        near_ties += usize::from(!same && near);
    }
    (flips, near_ties)
}

/// The index of the first largest value; a NaN is above all numbers.
fn argmax(row: &[f64]) -> usize {
    let above = |a: f64, b: f64| a > b || (a.is_nan() && !b.is_nan());
    (0..row.len()).fold(0, |best, index| if above(row[index], row[best]) { index } else { best })
}

/// By how much the largest value is above the second largest.
fn margin(row: &[f64]) -> f64 {
    let first = argmax(row);
    let others = row.iter().enumerate().filter(|(index, _)| *index != first).map(|(_, value)| *value);
    let second = others.fold(f64::NEG_INFINITY, f64::max);
    if row.len() > 1 && row[first] == second { 0.0 } else { row[first] - second }
}

/// The elements as numbers; none for strings.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks().0.iter().map(|part| read(*part)).collect()
    }
    let bytes = tensor.bytes();
    match tensor.dtype {
        Dtype::Bool | Dtype::Uint8 => each(bytes, |part| f64::from(u8::from_le_bytes(part))),
        Dtype::Int8 => each(bytes, |part| f64::from(i8::from_le_bytes(part))),
        Dtype::Uint16 => each(bytes, |part| f64::from(u16::from_le_bytes(part))),
        Dtype::Int16 => each(bytes, |part| f64::from(i16::from_le_bytes(part))),
        Dtype::Uint32 => each(bytes, |part| f64::from(u32::from_le_bytes(part))),
        Dtype::Int32 => each(bytes, |part| f64::from(i32::from_le_bytes(part))),
        Dtype::Uint64 => each(bytes, |part| u64::from_le_bytes(part) as f64),
        Dtype::Int64 => each(bytes, |part| i64::from_le_bytes(part) as f64),
        Dtype::Float16 => each(bytes, |part| half::to_f64(u16::from_le_bytes(part))),
        Dtype::Float32 => each(bytes, |part| f64::from(f32::from_le_bytes(part))),
        Dtype::Float64 => each(bytes, f64::from_le_bytes),
        Dtype::String => Vec::new(),
    }
}
