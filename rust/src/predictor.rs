//! A predictor: a bundle's model in a session (FORMAT.md sections 5 and 8).

use crate::bundle::{Bundle, Mode};
use crate::error::{Error, Result};
use crate::fit::{self, Choice};
use crate::flight::{Flight, Gate};
use crate::inputs;
use crate::json::Value;
use crate::library::{self, Runtime};
use crate::manifest::{Dim, Manifest, Signature, Variant};
use crate::needs::Needs;
use crate::options::{self, Options};
use crate::outputs::{self, Plan, Use, unsuitable};
use crate::provider;
use crate::session::{Found, Session};
use crate::settings::Settings;
use crate::tensor::Outputs;
use crate::value::Refusal;
use crate::view::{Buffers, Inputs, TensorRef};
use std::collections::BTreeMap;
use std::path::Path;

/// An open model. Every method takes `&self` and may be called from many threads at once.
pub struct Predictor {
    bundle: Bundle,
    variant: Variant,
    choice: Choice,
    providers: Vec<String>,
    provider_reasons: BTreeMap<String, String>,
    session: BTreeMap<String, Value>,
    pub(crate) finite: Vec<bool>,
    pub(crate) gate: Gate,
}

impl Predictor {
    /// Opens the bundle in the folder `path` and loads one of its variants.
    ///
    /// `options` are those of FORMAT.md section 5, by name; none is needed. The first call of a process loads
    /// ONNX Runtime; set `ORT_DISABLE_TELEMETRY=1` yourself where other threads read the environment by then.
    ///
    /// # Errors
    /// Codes of the stages `manifest`, `open` and `library`; nothing stays open.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Predictor> {
        options::check_opening(options)?;
        let mode = if options::text(options, "mode") == Some("quick") { Mode::Quick } else { Mode::Full };
        Predictor::new(Bundle::open(path, options::text(options, "digest"), mode)?, options, None)
    }

    /// A predictor over an open bundle (checks P1 to P6), in the ONNX Runtime that the host program holds
    /// where one is given.
    ///
    /// # Errors
    /// As `open`.
    pub fn new(bundle: Bundle, options: &Options, runtime: Option<&Runtime>) -> Result<Predictor> {
        let manifest = bundle.manifest();
        options::check(options, manifest)?;
        let name = options::text(options, "variant").unwrap_or(&manifest.default_variant);
        let unknown = || Error::new("variant_unknown", name, "a variant of the bundle", "another name");
        let variant = manifest.variant(name).ok_or_else(unknown)?.clone();
        let needs = Needs::new(Some((manifest, &variant)));
        let library = library::load(options, Some(&bundle), &needs, runtime)?;
        let choice = fit::file(options, manifest, &variant, &library.version)?;
        let settings = Settings::resolve(options, manifest, &variant, choice.format);
        let started = provider::start(library, &settings, &choice, &bundle)?;
        if bundle.mode() == Mode::Full {
            check_signature(manifest, &started.session)?;
        }
        Ok(Predictor {
            finite: tightened(options, manifest),
            variant,
            choice,
            providers: started.providers,
            provider_reasons: started.reasons,
            session: settings.session,
            gate: Gate::new(started.session),
            bundle,
        })
    }

    /// The open bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The manifest of the bundle: what the inputs and outputs are.
    pub fn manifest(&self) -> &Manifest {
        self.bundle.manifest()
    }

    /// The variant that is open.
    pub fn variant(&self) -> &Variant {
        &self.variant
    }

    /// The format of the file that was loaded: `onnx` or `ort`.
    pub fn format(&self) -> &str {
        self.choice.format
    }

    /// Why this file.
    pub fn reason(&self) -> &str {
        &self.choice.reason
    }

    /// The execution providers in effect, preferred first.
    pub fn providers(&self) -> &[String] {
        &self.providers
    }

    /// Why each wanted execution provider that is not in effect was left out.
    pub fn provider_reasons(&self) -> &BTreeMap<String, String> {
        &self.provider_reasons
    }

    /// Every option of `spec/session.json` as it is in effect.
    pub fn session(&self) -> &BTreeMap<String, Value> {
        &self.session
    }

    /// Predicts once. `inputs` holds exactly the manifest's inputs; a named axis may have any size of at least
    /// 1, the same everywhere in the call. The outputs are the caller's.
    ///
    /// # Errors
    /// Codes of the stage `predict` (checks C1 to C12); the predictor is unchanged and can be used again.
    pub fn predict(&self, inputs: &Inputs) -> Result<Outputs> {
        let flight = self.gate.enter()?;
        let (tensors, _) = inputs::shapes(self.manifest(), inputs, None)?;
        inputs::values(self.manifest(), &self.finite, &tensors)?;
        self.run(&flight, &tensors)
    }

    /// Predicts once, into the caller's buffers for some or all outputs, at any address.
    ///
    /// # Errors
    /// Those of `predict`, `output_unknown` and `buffer_unsuitable`; the buffers are untouched then.
    pub fn predict_into(&self, inputs: &Inputs, outputs: &mut Buffers) -> Result<()> {
        let flight = self.gate.enter()?;
        let (tensors, symbols) = inputs::shapes(self.manifest(), inputs, None)?;
        inputs::values(self.manifest(), &self.finite, &tensors)?;
        let plans = outputs::plans(self.manifest(), &symbols, outputs, &Use::Once)?;
        self.run_into(&flight, &tensors, &plans)
    }

    /// Waits for the calls in flight and frees the model; calls that come later are refused with
    /// `predictor_closed`. May be called twice, but not from a progress function. Dropping does the same.
    pub fn close(&self) {
        self.gate.close();
    }

    /// Checks C11 and C12, for all outputs.
    pub(crate) fn run(&self, flight: &Flight, tensors: &[TensorRef]) -> Result<Outputs> {
        let known = &self.manifest().outputs;
        let wanted: Vec<usize> = (0..known.len()).collect();
        let results = flight.session().run(tensors, &wanted).map_err(failure)?;
        known.iter().zip(&results).try_for_each(|(known, tensor)| outputs::check(known, tensor))?;
        Ok(known.iter().map(|known| known.name.clone()).zip(results).collect())
    }

    /// Runs into memory of the library's own and copies, so that buffers stay as they are on an error.
    pub(crate) fn run_into(&self, flight: &Flight, tensors: &[TensorRef], plans: &[Plan]) -> Result<()> {
        if plans.is_empty() {
            // The library refuses to run for no output.
            return self.run(flight, tensors).map(drop);
        }
        let wanted: Vec<usize> = plans.iter().map(|plan| plan.index).collect();
        let results = flight.session().run(tensors, &wanted).map_err(failure)?;
        let known = |plan: &Plan| &self.manifest().outputs[plan.index];
        for (plan, tensor) in plans.iter().zip(&results) {
            outputs::check(known(plan), tensor)?;
        }
        for (plan, tensor) in plans.iter().zip(&results) {
            if plan.shape != tensor.shape {
                return Err(unsuitable(
                    known(plan),
                    &format!("{:?}, the model gave {:?}", plan.shape, tensor.shape),
                ));
            }
        }
        plans.iter().zip(&results).for_each(|(plan, tensor)| plan.place.fill(tensor.bytes()));
        Ok(())
    }
}

/// Check C11.
pub(crate) fn failure(why: Refusal) -> Error {
    Error::new("runtime_failure", ".", "a run without an error", why)
}

fn tightened(options: &Options, manifest: &Manifest) -> Vec<bool> {
    let named = options.get("finite").and_then(Value::as_array).unwrap_or_default();
    let is_named = |input: &Signature| named.iter().any(|name| name.as_text() == Some(&input.name));
    manifest.inputs.iter().map(|input| input.finite || is_named(input)).collect()
}

/// Check P6.
fn check_signature(manifest: &Manifest, session: &Session) -> Result<()> {
    let [inputs, outputs] = session.signature();
    for (known, found, is_output) in [(&manifest.inputs, inputs, false), (&manifest.outputs, outputs, true)] {
        for index in 0..known.len().max(found.len()) {
            let name = match (known.get(index), found.get(index)) {
                (Some(known), Some(found)) if agrees(known, found, is_output) => continue,
                (Some(known), _) => &known.name,
                (None, Some(found)) => &found.name,
                (None, None) => continue,
            };
            return Err(Error::new(
                "model_mismatch",
                name,
                "the manifest's inputs and outputs",
                "the model's own",
            ));
        }
    }
    Ok(())
}

fn agrees(known: &Signature, found: &Found, is_output: bool) -> bool {
    let same = |(dim, size): (&Dim, &i64)| match dim {
        Dim::Fixed(fixed) => u64::try_from(*size).is_ok_and(|size| size == *fixed) || *size < 0,
        Dim::Symbol(_) => true,
    };
    let shape = |shape: &[i64]| {
        // The library reports an output of unknown rank with rank 0, so that one is not compared.
        (is_output && shape.is_empty())
            || (shape.len() == known.shape.len() && known.shape.iter().zip(shape).all(same))
    };
    known.name == found.name
        && found.kind.as_ref().is_some_and(|kind| kind.0 == known.dtype && shape(&kind.1))
}
