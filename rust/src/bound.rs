//! Repeated calls over the same buffers.

use crate::error::Result;
use crate::flight::Flight;
use crate::inputs;
use crate::outputs::{self, Plan, Use, unsuitable};
use crate::predictor::{Predictor, failure};
use crate::tensor::Tensor;
use crate::value::{Value, copy, over};
use crate::view::{Buffers, Elements, PlaceOrStrings, TensorRef};
use ort::sys;
use std::ffi::c_char;
use std::ptr;

/// A call whose buffers are borrowed until it is dropped: change the inputs in place, `run`, read the outputs.
/// Names, types and shapes are checked once, values at every run. One thread at a time; it may move.
pub struct BoundCall<'a> {
    predictor: &'a Predictor,
    names: Vec<&'a str>,
    inputs: Buffers<'a>,
    outputs: Buffers<'a>,
    plans: Vec<Plan<'a>>,
    /// `None` where an input is of strings, which have to be handed over anew at every run.
    fast: Option<Fast>,
}

/// What a run in place needs, made once.
struct Fast {
    input_names: Vec<*const c_char>,
    inputs: Vec<*const sys::OrtValue>,
    _values: Vec<Value>,
    output_names: Vec<*const c_char>,
    outputs: Vec<Value>,
}

// SAFETY: the names are the session's and only read; values belong to no thread.
unsafe impl Send for Fast {}

impl Predictor {
    /// Binds inputs and buffers for some or all outputs, for a loop that must not allocate. Every buffer
    /// starts at a multiple of 16 bytes, and an output buffer overlaps no other one.
    ///
    /// # Errors
    /// Those of `predict_into`.
    pub fn bind<'a>(&'a self, inputs: Buffers<'a>, outputs: Buffers<'a>) -> Result<BoundCall<'a>> {
        let flight = self.gate.enter()?;
        let manifest = self.manifest();
        let views = inputs.iter().map(|(name, buffer)| (*name, buffer.view())).collect();
        let (tensors, symbols) = inputs::shapes(manifest, &views, None)?;
        inputs::values(manifest, &self.finite, &tensors)?;
        let names: Vec<&str> = manifest.inputs.iter().map(|known| known.name.as_str()).collect();
        let places: Vec<_> =
            names.iter().map(|name| inputs.get(name).and_then(|buffer| buffer.memory())).collect();
        let plans = outputs::plans(manifest, &symbols, &outputs, &Use::Bound(&places))?;
        let fast = fast(&flight, &tensors, &plans, manifest.outputs.len())?;
        drop((flight, views, tensors, symbols));
        Ok(BoundCall { predictor: self, names, inputs, outputs, plans, fast })
    }
}

/// The values of a run in place: over the buffers, and null for what is to be copied after the run.
fn fast(flight: &Flight, tensors: &[TensorRef], plans: &[Plan], count: usize) -> Result<Option<Fast>> {
    let mut values = Vec::new();
    for tensor in tensors {
        let (Elements::Bytes(bytes), Some(dtype)) = (tensor.elements, tensor.dtype) else { return Ok(None) };
        values.push(over(dtype, tensor.shape, bytes.as_ptr().cast_mut(), bytes.len()).map_err(failure)?);
    }
    let session = flight.session();
    let wanted: Vec<usize> = plans.iter().map(|plan| plan.index).collect();
    // The library refuses to run for no output.
    let wanted = if wanted.is_empty() { (0..count).collect() } else { wanted };
    let outputs = wanted.iter().map(|_| Value(ptr::null_mut())).collect();
    Ok(Some(Fast {
        input_names: session.input_names(),
        inputs: values.iter().map(|value| value.0.cast_const()).collect(),
        _values: values,
        output_names: session.output_names(&wanted),
        outputs,
    }))
}

impl BoundCall<'_> {
    /// Runs the model once over the buffers.
    ///
    /// # Errors
    /// `predictor_closed`, `process_forked`, `input_value`, `input_not_finite`, `runtime_failure`,
    /// `output_mismatch` or `buffer_unsuitable`; the output buffers then hold nothing of use.
    pub fn run(&mut self) -> Result<()> {
        let flight = self.predictor.gate.enter()?;
        let manifest = self.predictor.manifest();
        let tensors: Vec<TensorRef> =
            self.names.iter().filter_map(|name| Some(self.inputs.get(name)?.view())).collect();
        inputs::values(manifest, &self.predictor.finite, &tensors)?;
        let Some(fast) = &mut self.fast else {
            return self.predictor.run_into(&flight, &tensors, &self.plans);
        };
        for (plan, value) in self.plans.iter().zip(&mut fast.outputs) {
            let known = &manifest.outputs[plan.index];
            if !plan.sized {
                *value = Value(ptr::null_mut());
            } else if value.0.is_null() {
                *value =
                    over(known.dtype, plan.shape, plan.place.start, plan.place.length).map_err(failure)?;
            }
        }
        // SAFETY: names are the session's, which is open; the values lie over buffers that this call borrows
        // exclusively, and `&mut self` keeps other runs of it away.
        let done = unsafe {
            flight.session().run_raw(&fast.input_names, &fast.inputs, &fast.output_names, &mut fast.outputs)
        };
        if done.is_err() {
            // The library tells a buffer of another shape than the model's in words only; a run into its own
            // memory gives the reason.
            return self.predictor.run_into(&flight, &tensors, &self.plans);
        }
        if self.plans.is_empty() {
            let fresh = fast.outputs.iter().map(copy).collect::<std::result::Result<Vec<Tensor>, _>>();
            fast.outputs.iter_mut().for_each(|value| *value = Value(ptr::null_mut()));
            return manifest
                .outputs
                .iter()
                .zip(&fresh.map_err(failure)?)
                .try_for_each(|(known, one)| outputs::check(known, one));
        }
        for (plan, value) in self.plans.iter().zip(&fast.outputs).filter(|(plan, _)| !plan.sized) {
            let (known, tensor) = (&manifest.outputs[plan.index], copy(value).map_err(failure)?);
            outputs::check(known, &tensor)?;
            if plan.shape != tensor.shape {
                return Err(unsuitable(
                    known,
                    &format!("{:?}, the model gave {:?}", plan.shape, tensor.shape),
                ));
            }
            plan.place.fill(tensor.bytes());
        }
        Ok(())
    }

    /// The bytes of an input, to change between two runs; `None` for another name, and for strings.
    pub fn input(&mut self, name: &str) -> Option<&mut [u8]> {
        let place = self.inputs.get(name)?.memory()?;
        // SAFETY: the buffer is borrowed exclusively for the life of this call, and `&mut self` keeps other
        // uses of it away.
        Some(unsafe { std::slice::from_raw_parts_mut(place.start, place.length) })
    }

    /// The strings of an input, to change between two runs; `None` for another name, and for numbers.
    pub fn input_strings(&mut self, name: &str) -> Option<&mut [Vec<u8>]> {
        match &mut self.inputs.get_mut(name)?.place {
            PlaceOrStrings::Strings(strings) => Some(strings),
            PlaceOrStrings::Place(_) => None,
        }
    }

    /// The bytes of a bound output as the last run left them; `None` for another name.
    pub fn output(&self, name: &str) -> Option<&[u8]> {
        match &self.outputs.get(name)?.place {
            PlaceOrStrings::Place(place) => Some(place.bytes()),
            PlaceOrStrings::Strings(_) => None,
        }
    }
}
