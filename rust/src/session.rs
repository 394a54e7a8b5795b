//! Sessions: with `value`, the one place that runs a model through ONNX Runtime's C API.
//!
//! `ort::Session::run` takes `&mut self`, though the library allows concurrent runs of one session; so the
//! run itself goes through the function table that `ort` loaded.

use crate::dtype::Dtype;
use crate::library::Library;
use crate::manifest::{Manifest, Signature};
use crate::settings::Settings;
use crate::tables;
use crate::tensor::Tensor;
use crate::value::{Refusal, Value, addresses, check, copy, lend};
use crate::view::TensorRef;
use ort::AsPointer;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::sys;
use ort::value::{Outlet, ValueType};
use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr;

/// What the model itself says of an input or output: a size below 0 is not fixed; `None` is no tensor of ours.
pub(crate) struct Found {
    pub name: String,
    pub kind: Option<(Dtype, Vec<i64>)>,
}

/// A model in a session.
pub(crate) struct Session {
    session: ort::session::Session,
    inputs: Vec<CString>,
    outputs: Vec<CString>,
}

/// A builder with every option that session.json names.
pub(crate) fn builder(
    library: &Library,
    settings: &Settings,
    format: &str,
) -> Result<SessionBuilder, Refusal> {
    let fresh = ort::session::Session::builder(&library.environment);
    let mut builder =
        fresh.and_then(|builder| configure(builder, settings, format)).map_err(|error| error.to_string())?;
    let arena =
        if settings.flag("cpu_arena") { ort::api().EnableCpuMemArena } else { ort::api().DisableCpuMemArena };
    // SAFETY: the options live as long as the builder.
    check(unsafe { arena(builder.ptr_mut()) })?;
    Ok(builder)
}

fn configure(builder: SessionBuilder, settings: &Settings, format: &str) -> ort::Result<SessionBuilder> {
    let level = match settings.word("graph_optimization_level") {
        "disabled" => GraphOptimizationLevel::Disable,
        "basic" => GraphOptimizationLevel::Level1,
        "extended" => GraphOptimizationLevel::Level2,
        _ => GraphOptimizationLevel::All,
    };
    let mut builder = builder
        // What a host program set for its own sessions is no part of ours.
        .with_no_environment_execution_providers()?
        .with_independent_thread_pool()?
        .with_optimization_level(level)?
        .with_inter_threads(settings.threads("inter_op_threads"))?
        .with_intra_threads(settings.threads("intra_op_threads"))?
        .with_memory_pattern(settings.flag("memory_pattern"))?
        .with_parallel_execution(false)?
        .with_log_level(ort::logging::LogLevel::Fatal)?
        .with_config_entry("session.load_model_format", format.to_ascii_uppercase())?;
    for (key, value) in tables::fixed_config() {
        builder = builder.with_config_entry(key, value)?;
    }
    for option in ["allow_spinning", "mapped"] {
        for key in tables::config_keys(option) {
            builder = builder.with_config_entry(key, if settings.flag(option) { "1" } else { "0" })?;
        }
    }
    for (key, value) in &settings.config {
        builder = builder.with_config_entry(key, value)?;
    }
    Ok(builder)
}

impl Session {
    /// Loads a model, which is asked by the manifest's names.
    pub fn load(mut builder: SessionBuilder, path: &Path, manifest: &Manifest) -> Result<Session, Refusal> {
        let session = builder.commit_from_file(path).map_err(|error| error.to_string())?;
        let name = |known: &Signature| CString::new(known.name.as_str()).map_err(|error| error.to_string());
        let inputs = manifest.inputs.iter().map(name).collect::<Result<_, _>>()?;
        let outputs = manifest.outputs.iter().map(name).collect::<Result<_, _>>()?;
        Ok(Session { session, inputs, outputs })
    }

    /// The model's inputs and outputs.
    pub fn signature(&self) -> [Vec<Found>; 2] {
        [self.session.inputs(), self.session.outputs()].map(|outlets| outlets.iter().map(found).collect())
    }

    /// The names of the inputs, for `run_raw`; they live as long as the session.
    pub fn input_names(&self) -> Vec<*const c_char> {
        addresses(&self.inputs)
    }

    /// The names of some outputs, for `run_raw`; they live as long as the session.
    pub fn output_names(&self, wanted: &[usize]) -> Vec<*const c_char> {
        wanted.iter().filter_map(|index| Some(self.outputs.get(*index)?.as_ptr())).collect()
    }

    /// Runs the model on all its inputs, in its order, for the wanted outputs.
    pub fn run(&self, inputs: &[TensorRef], wanted: &[usize]) -> Result<Vec<Tensor>, Refusal> {
        let lent = inputs.iter().map(lend).collect::<Result<Vec<_>, _>>()?;
        let values: Vec<_> = lent.iter().map(|(value, _)| value.0.cast_const()).collect();
        let mut results: Vec<Value> = wanted.iter().map(|_| Value(ptr::null_mut())).collect();
        let names = self.output_names(wanted);
        // SAFETY: the names are this session's; the lent values live until the end of this function.
        unsafe { self.run_raw(&self.input_names(), &values, &names, &mut results) }?;
        results.iter().map(copy).collect()
    }

    /// Runs the model. Outputs that are null get a value of the library's own.
    ///
    /// # Safety
    /// Names are those of this session, one per value; values are alive, and so is the memory that they lie
    /// over; nothing else uses the memory of an output until this returns.
    pub unsafe fn run_raw(
        &self,
        input_names: &[*const c_char],
        inputs: &[*const sys::OrtValue],
        output_names: &[*const c_char],
        outputs: &mut [Value],
    ) -> Result<(), Refusal> {
        if input_names.len() != inputs.len() || output_names.len() != outputs.len() {
            return Err("the model has another number of inputs or outputs".to_owned());
        }
        // `Value` is a pointer and nothing else, so a list of them is the list that the library writes to.
        let raw = outputs.as_mut_ptr().cast::<*mut sys::OrtValue>();
        // SAFETY: the session is alive and allows concurrent runs; every list has the length that is told.
        check(unsafe {
            (ort::api().Run)(
                self.session.ptr().cast_mut(),
                ptr::null(),
                input_names.as_ptr(),
                inputs.as_ptr(),
                inputs.len(),
                output_names.as_ptr(),
                outputs.len(),
                raw,
            )
        })
    }
}

fn found(outlet: &Outlet) -> Found {
    let kind = match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => {
            let number: sys::ONNXTensorElementDataType = (*ty).into();
            Dtype::from_onnx(number as i32).map(|dtype| (dtype, shape.to_vec()))
        }
        _ => None,
    };
    Found { name: outlet.name().to_owned(), kind }
}
