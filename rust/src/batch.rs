//! `predict_batch`: cutting inputs in pieces along the batch axis and joining the outputs.

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::inputs::{self, Symbols};
use crate::manifest::{Batch, Dim, Manifest, Signature};
use crate::predictor::{Predictor, failure};
use crate::tensor::{Buffer, Data, Outputs, Tensor};
use crate::value::Refusal;
use crate::view::{Elements, Inputs, TensorRef};

/// Called after each piece with the rows done and the rows in all; `false` cancels.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

impl Predictor {
    /// Predicts in pieces of `batch_size` rows and joins their outputs; the same bits as `predict` on the
    /// same pieces. `batch_size` may be left out where rows do not depend on their batch-mates: then the whole
    /// goes at once, or in pieces of the model's fixed size.
    ///
    /// # Errors
    /// Those of `predict`, `batch_unsupported`, `batch_size_required`, `batch_size_invalid`, and
    /// `predict_cancelled` where `progress` said no.
    pub fn predict_batch(
        &self,
        inputs: &Inputs,
        batch_size: Option<i64>,
        mut progress: Option<Progress>,
    ) -> Result<Outputs> {
        let flight = self.gate.enter()?;
        let plan = Plan::new(self.manifest(), self.variant().batch_invariant, batch_size)?;
        let (tensors, symbols) = inputs::shapes(self.manifest(), inputs, plan.fixed())?;
        inputs::values(self.manifest(), &self.finite, &tensors)?;
        let report = |done, rows| progress.as_mut().is_none_or(|progress| progress(done, rows));
        plan.run(&tensors, &symbols, |piece| self.run(&flight, piece), report)
    }
}

/// How one batch is cut.
struct Plan<'m> {
    manifest: &'m Manifest,
    batch: &'m Batch,
    size: Option<u64>,
}

impl<'m> Plan<'m> {
    /// Checks B1 to B3.
    fn new(manifest: &'m Manifest, invariant: bool, size: Option<i64>) -> Result<Plan<'m>> {
        let unsupported =
            || Error::new("batch_unsupported", ".", "a model that can be fed in pieces", "another");
        let batch = manifest
            .batch
            .as_ref()
            .filter(|_| manifest.states.is_empty() && !manifest.inputs.is_empty())
            .ok_or_else(unsupported)?;
        let times = |signature: &Signature| match batch {
            Batch::Symbol(symbol) => signature
                .shape
                .iter()
                .filter(|dim| matches!(dim, Dim::Symbol(name) if name == symbol))
                .count(),
            Batch::Size(_) => 1,
        };
        if manifest.outputs.iter().any(|output| times(output) != 1)
            || manifest.inputs.iter().any(|input| times(input) > 1)
        {
            return Err(unsupported());
        }
        if size.is_none() && !invariant {
            return Err(Error::new(
                "batch_size_required",
                ".",
                "a size, since rows depend on their batch-mates",
                "none",
            ));
        }
        let fixed = if let Batch::Size(fixed) = batch { Some(*fixed) } else { None };
        let size = match size {
            None => fixed,
            Some(size) if size >= 1 && fixed.is_none_or(|fixed| fixed == size as u64) => Some(size as u64),
            Some(size) => {
                let expected = fixed.map_or("at least 1".to_owned(), |fixed| fixed.to_string());
                return Err(Error::new("batch_size_invalid", ".", expected, size.to_string()));
            }
        };
        Ok(Plan { manifest, batch, size })
    }

    /// The fixed size of a piece.
    fn fixed(&self) -> Option<u64> {
        if let Batch::Size(size) = self.batch { Some(*size) } else { None }
    }

    /// The axis along which a tensor is cut.
    fn axis(&self, signature: &Signature) -> Option<usize> {
        match self.batch {
            Batch::Size(_) => Some(0),
            Batch::Symbol(symbol) => {
                signature.shape.iter().position(|dim| matches!(dim, Dim::Symbol(name) if name == symbol))
            }
        }
    }

    /// Runs the pieces in order and joins what they give.
    fn run(
        &self,
        tensors: &[TensorRef],
        symbols: &Symbols,
        mut predict: impl FnMut(&[TensorRef]) -> Result<Outputs>,
        mut report: impl FnMut(u64, u64) -> bool,
    ) -> Result<Outputs> {
        let rows = match self.batch {
            Batch::Size(size) => tensors.first().map_or(*size, |tensor| tensor.shape[0]),
            Batch::Symbol(symbol) => symbols.get(symbol.as_str()).copied().unwrap_or(1),
        };
        let size = self.size.unwrap_or(rows);
        let mut pieces: Vec<(u64, Outputs)> = Vec::new();
        for start in (0..rows).step_by(usize::try_from(size).unwrap_or(usize::MAX)) {
            let length = size.min(rows - start);
            let known = self.manifest.inputs.iter().zip(tensors);
            let cut = known.map(|(known, whole)| {
                let axis = self.axis(known).filter(|axis| whole.shape[*axis] != length);
                axis.map(|axis| cut(whole, known.dtype, axis, start, length)).transpose()
            });
            let cut = cut.collect::<std::result::Result<Vec<_>, _>>().map_err(failure)?;
            let pairs = cut.iter().zip(tensors);
            let piece: Vec<TensorRef> =
                pairs.map(|(cut, whole)| cut.as_ref().map_or(*whole, TensorRef::from)).collect();
            let outputs = predict(&piece)?;
            self.check(&outputs, length, pieces.first().map(|(_, first)| first))?;
            pieces.push((length, outputs));
            if !report(start + length, rows) {
                let found = format!("cancelled at {} of {rows}", start + length);
                return Err(Error::new("predict_cancelled", ".", "a call that may finish", found));
            }
        }
        let whole = |known: &Signature| Ok((known.name.clone(), self.join(known, &pieces, rows)?));
        let joined = self.manifest.outputs.iter().map(whole).collect::<std::result::Result<_, _>>();
        joined.map_err(failure)
    }

    fn check(&self, outputs: &Outputs, length: u64, first: Option<&Outputs>) -> Result<()> {
        for known in &self.manifest.outputs {
            let (shape, axis) = (&outputs[&known.name].shape, self.axis(known).unwrap_or(0));
            let same = |first: &Outputs| {
                first[&known.name]
                    .shape
                    .iter()
                    .zip(shape)
                    .enumerate()
                    .all(|(at, (one, other))| at == axis || one == other)
            };
            if shape[axis] != length || !first.is_none_or(same) {
                let expected = format!("{length} rows on axis {axis}, and else the first piece's shape");
                return Err(Error::new("batch_unsupported", &known.name, expected, format!("{shape:?}")));
            }
        }
        Ok(())
    }

    fn join(
        &self,
        known: &Signature,
        pieces: &[(u64, Outputs)],
        rows: u64,
    ) -> std::result::Result<Tensor, Refusal> {
        let axis = self.axis(known).unwrap_or(0);
        let mut shape = pieces[0].1[&known.name].shape.clone();
        shape[axis] = rows;
        let (outer, inner) = around(&shape, axis);
        let parts = || {
            (0..outer).flat_map(|row| {
                pieces
                    .iter()
                    .map(move |(length, outputs)| (&outputs[&known.name], row, *length as usize * inner))
            })
        };
        if known.dtype == Dtype::String {
            let strings = parts().flat_map(|(part, row, step)| {
                if let Data::Strings(strings) = &part.data {
                    strings[row * step..][..step].to_vec()
                } else {
                    Vec::new()
                }
            });
            return Ok(Tensor { dtype: known.dtype, shape, data: Data::Strings(strings.collect()) });
        }
        let size = known.dtype.size();
        let bytes = parts().map(|(part, row, step)| &part.bytes()[row * step * size..][..step * size]);
        let data = Data::Bytes(Buffer::joined(outer * rows as usize * inner * size, bytes)?);
        Ok(Tensor { dtype: known.dtype, shape, data })
    }
}

/// The number of rows before an axis, and of elements after it.
fn around(shape: &[u64], axis: usize) -> (usize, usize) {
    let product = |sizes: &[u64]| sizes.iter().product::<u64>() as usize;
    (product(&shape[..axis]), product(&shape[axis + 1..]))
}

/// A piece of a tensor.
fn cut(
    whole: &TensorRef,
    dtype: Dtype,
    axis: usize,
    start: u64,
    length: u64,
) -> std::result::Result<Tensor, Refusal> {
    let mut shape = whole.shape.to_vec();
    let (outer, inner) = around(&shape, axis);
    let range = |row: usize, unit: usize| {
        let from = (row * whole.shape[axis] as usize + start as usize) * inner * unit;
        from..from + length as usize * inner * unit
    };
    shape[axis] = length;
    let data = match whole.elements {
        Elements::Strings(strings) => {
            Data::Strings((0..outer).flat_map(|row| strings[range(row, 1)].to_vec()).collect())
        }
        Elements::Bytes(bytes) => {
            let rows = (0..outer).map(|row| &bytes[range(row, dtype.size())]);
            Data::Bytes(Buffer::joined(outer * length as usize * inner * dtype.size(), rows)?)
        }
    };
    Ok(Tensor { dtype, shape, data })
}
