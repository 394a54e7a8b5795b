//! The self-test: every golden case against its recording.

use crate::bundle::unreadable;
use crate::error::{Error, Result};
use crate::golden;
use crate::manifest::{Case, Tolerance};
use crate::predictor::Predictor;
use crate::tolerance::{Comparison, compare};
use crate::view::TensorRef;

/// What one output of a golden case gave.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OutputReport {
    /// The output.
    pub name: String,
    /// The difference to what this variant gave when it was built; it decides.
    pub recorded: Comparison,
    /// The difference to what the source model gave, where the case holds that; reported, never judged.
    pub source: Option<Comparison>,
}

/// What one golden case gave.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CaseReport {
    /// The name of the case.
    pub name: String,
    /// The outputs in the manifest's order.
    pub outputs: Vec<OutputReport>,
}

impl CaseReport {
    /// Whether every output is within its tolerance.
    pub fn passed(&self) -> bool {
        self.outputs.iter().all(|output| output.recorded.passed)
    }
}

impl Predictor {
    /// Predicts every golden case, in the manifest's order, and compares it with what was recorded. The
    /// self-test passes when every case passes.
    ///
    /// # Errors
    /// `golden_missing`, `golden_malformed`, and those of `predict`.
    pub fn self_test(&self) -> Result<Vec<CaseReport>> {
        let cases = &self.manifest().golden;
        if cases.is_empty() {
            return Err(Error::new("golden_missing", ".", "at least one golden case", "none"));
        }
        cases.iter().map(|case| self.replay(case)).collect()
    }

    fn replay(&self, case: &Case) -> Result<CaseReport> {
        let bytes = self.bundle().read(&case.path).map_err(|error| unreadable(&case.path, &error))?;
        let golden = golden::read(&bytes, &case.path, self.manifest(), &self.variant().name)?;
        let inputs =
            golden.inputs.iter().map(|(name, tensor)| (name.as_str(), TensorRef::from(tensor))).collect();
        let found = self.predict(&inputs)?;
        let known = self.manifest().outputs.iter().zip(&self.variant().tolerances);
        let outputs = known.filter_map(|(known, tolerance)| {
            let (found, recorded) = (found.get(&known.name)?, golden.recorded.get(&known.name)?);
            let judge =
                |reference| compare(found, reference, tolerance.unwrap_or(Tolerance::Exact), known.decision);
            let source = golden.source.get(&known.name).map(judge);
            Some(OutputReport { name: known.name.clone(), recorded: judge(recorded), source })
        });
        Ok(CaseReport { name: case.name.clone(), outputs: outputs.collect() })
    }
}
