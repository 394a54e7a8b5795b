//! Which file of a variant is loaded: check P4.

use crate::error::{Error, Result};
use crate::host;
use crate::json::Value;
use crate::manifest::{Manifest, Variant};
use crate::needs;
use crate::options::{self, Options};
use crate::tables;

/// The file to load.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// Its format: `onnx` or `ort`.
    pub format: &'static str,
    /// Its path inside the bundle.
    pub path: String,
    /// Why this one.
    pub reason: String,
}

/// Check P4, and L11 of LIBRARY.md.
pub(crate) fn file(
    options: &Options,
    manifest: &Manifest,
    variant: &Variant,
    version: &str,
) -> Result<Choice> {
    let wanted = options::text(options, "format").or(options::is_set(options, "mapped").then_some("ort"));
    let onnx = |reason: &str| {
        let choice = |path| Choice { format: "onnx", path, reason: reason.to_owned() };
        variant.onnx.clone().map(choice).ok_or_else(|| unavailable("onnx"))
    };
    if wanted == Some("onnx") {
        return onnx("asked for");
    }
    let Some(path) = variant.ort.clone() else {
        return if wanted.is_none() { onnx("the variant has no .ort file") } else { Err(unavailable("ort")) };
    };
    let foreign = options::is_set(options, "allow_foreign_target");
    match misfit(manifest, variant, version).filter(|_| !foreign) {
        None => match needs::later_format(manifest, version) {
            None => {
                let reason = if wanted.is_some() { "asked for" } else { "the .ort file fits this host" };
                Ok(Choice { format: "ort", path, reason: reason.to_owned() })
            }
            Some(reason) if wanted.is_none() && variant.onnx.is_some() => onnx(&reason),
            Some(reason) => {
                Err(Error::new("library_ort_format", path, "a file that this library reads", reason))
            }
        },
        Some(reason) if wanted.is_none() && variant.onnx.is_some() => onnx(&reason),
        Some(reason) => Err(Error::new("target_mismatch", path, "a file that fits this host", reason)),
    }
}

fn unavailable(format: &str) -> Error {
    Error::new("format_unavailable", format, "a file of the variant in this format", "none")
}

/// Why the `.ort` file does not fit this host.
fn misfit(manifest: &Manifest, variant: &Variant, version: &str) -> Option<String> {
    if manifest.arch != host::arch() {
        return Some(format!("the .ort file is for {}, this host is {}", manifest.arch, host::arch()));
    }
    let class = tables::target(&manifest.arch)?.get("cpu_classes")?.get(&variant.cpu_class)?;
    let needed =
        class.get("features").and_then(Value::as_array).unwrap_or_default().iter().filter_map(Value::as_text);
    if let Some(feature) = needed.into_iter().find(|feature| !host::has_feature(feature)) {
        return Some(format!("the .ort file needs the CPU feature {feature}"));
    }
    let older = host::numbers(version) < host::numbers(&variant.writer);
    older.then(|| format!("the .ort file was written by {}, this library is {version}", variant.writer))
}
