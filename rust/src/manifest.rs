//! The manifest: from bytes to typed fields (FORMAT.md section 3, checks M1 to M5; `consistency` holds the rest).

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::json::{self, Value, flag, list, number, optional, text};
use crate::{consistency, schema};

/// The longest manifest, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// One axis of a shape.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dim {
    /// A fixed size.
    Fixed(u64),
    /// A named size, bound by the inputs of each call.
    Symbol(String),
}

/// What an output decides (tolerances.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The index of the largest value along the last axis.
    Argmax,
    /// The value itself.
    Equal,
    /// Nothing.
    None,
    /// Whether the value is above 0.5.
    Threshold,
}

/// The signature of an input or an output.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Signature {
    /// Its name in the model.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// One entry per axis.
    pub shape: Vec<Dim>,
    /// Inputs: NaN and infinities are refused.
    pub finite: bool,
    /// Outputs: what it decides.
    pub decision: Decision,
}

/// How a batch is cut in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// Along the axis where this symbol stands.
    Symbol(String),
    /// Along axis 0, which has this fixed size.
    Size(u64),
}

/// A listed file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct File {
    /// Its path inside the bundle.
    pub path: String,
    /// Its SHA-256 in lower-case hex.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A golden case.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The path of its file.
    pub path: String,
}

/// How far an output may be from its recording (tolerances.json).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// Every bit is equal.
    Exact,
    /// Within the rounding error of a sum.
    Close,
    /// Within this many quanta of this step, and `Close`.
    Quantized(f64, f64),
    /// Within this bound, and `Close`.
    Absolute(f64),
}

/// One variant of the model.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// The CPU class that its `.ort` file relies on.
    pub cpu_class: String,
    /// The path of its `.onnx` file.
    pub onnx: Option<String>,
    /// The path of its `.ort` file.
    pub ort: Option<String>,
    /// The sum of its files' sizes.
    pub bytes: u64,
    /// Whether rows do not depend on their batch-mates.
    pub batch_invariant: bool,
    /// The oldest ONNX Runtime that may run it.
    pub minimum_runtime: String,
    /// The ONNX Runtime that wrote the `.ort` file.
    pub writer: String,
    /// How many threads it should use.
    pub threads: Option<i64>,
    /// One per output; `None` where its parameters do not fit its word.
    pub tolerances: Vec<Option<Tolerance>>,
}

/// A manifest that keeps every rule of the format.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Manifest {
    /// The whole tree, for fields that have no place below.
    pub tree: Value,
    /// The name of the model.
    pub name: String,
    /// The version of the model, three numbers.
    pub version: String,
    /// How a batch is cut in pieces.
    pub batch: Option<Batch>,
    /// The variant that is opened when none is named.
    pub default_variant: String,
    /// Every file but the manifest and the attestations.
    pub files: Vec<File>,
    /// The golden cases.
    pub golden: Vec<Case>,
    /// The inputs, in the session's order.
    pub inputs: Vec<Signature>,
    /// The outputs, in the session's order.
    pub outputs: Vec<Signature>,
    /// The bundle's own library.
    pub library: Option<String>,
    /// The oldest ONNX Runtime that may open the bundle.
    pub minimum: String,
    /// Pairs of the output of one call and the input of the next: (input, output).
    pub states: Vec<(String, String)>,
    /// The architecture it was built for.
    pub arch: String,
    /// The variants.
    pub variants: Vec<Variant>,
}

impl Manifest {
    /// Parses and judges the bytes of a `bundle.json` (checks M1 to M14).
    pub fn parse(bytes: &[u8]) -> Result<Manifest> {
        check_size(bytes)?;
        let tree = read(bytes)?;
        check_version(&tree)?;
        schema::check(&tree)?;
        consistency::features(&tree)?;
        let manifest = build(tree);
        consistency::judge(&manifest)?;
        Ok(manifest)
    }

    /// The variant of this name.
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == name)
    }

    /// The listed file at this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        let index = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&self.files[index])
    }
}

/// Check M1.
pub(crate) fn check_size(bytes: &[u8]) -> Result<()> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::new("manifest_too_large", "", format!("at most {MAX_BYTES} bytes"), "more"));
    }
    Ok(())
}

fn read(bytes: &[u8]) -> Result<Value> {
    let malformed = || Error::new("manifest_malformed", "", "one JSON text in UTF-8", "other bytes");
    let tree = json::parse(bytes, 16).ok_or_else(malformed)?;
    if !tree.is_canonical(bytes, true) {
        return Err(Error::new("manifest_not_canonical", "", "the one canonical spelling", "another one"));
    }
    Ok(tree)
}

fn check_version(tree: &Value) -> Result<()> {
    let at = "/format_version";
    let map = tree.as_object().ok_or_else(|| Error::new("manifest_field_type", "", "object", tree.kind()))?;
    let version = map
        .get("format_version")
        .ok_or_else(|| Error::new("manifest_field_missing", at, "this key", "none"))?;
    match version.as_int() {
        None => Err(Error::new("manifest_field_type", at, "integer", version.kind())),
        Some(1) => Ok(()),
        Some(other) => Err(Error::new("format_version_unsupported", at, "1", other.to_string())),
    }
}

fn build(tree: Value) -> Manifest {
    let within = |outer: &str, key: &str| tree.get(outer).and_then(|inner| optional(inner, key));
    Manifest {
        name: within("model", "name").unwrap_or_default(),
        version: within("model", "version").unwrap_or_default(),
        batch: tree.get("batch").map(|batch| {
            optional(batch, "symbol").map_or_else(|| Batch::Size(number(batch, "size")), Batch::Symbol)
        }),
        default_variant: text(&tree, "default_variant"),
        files: list(&tree, "files").iter().map(file).collect(),
        golden: list(&tree, "golden")
            .iter()
            .map(|case| Case { name: text(case, "name"), path: text(case, "path") })
            .collect(),
        inputs: list(&tree, "inputs").iter().map(signature).collect(),
        outputs: list(&tree, "outputs").iter().map(signature).collect(),
        library: within("runtime", "library"),
        minimum: within("runtime", "minimum").unwrap_or_default(),
        states: list(&tree, "states")
            .iter()
            .map(|state| (text(state, "input"), text(state, "output")))
            .collect(),
        arch: within("target", "arch").unwrap_or_default(),
        variants: list(&tree, "variants").iter().map(variant).collect(),
        tree,
    }
}

fn file(value: &Value) -> File {
    File { path: text(value, "path"), sha256: text(value, "sha256"), size: number(value, "size") }
}

fn signature(value: &Value) -> Signature {
    let dim = |dim: &Value| {
        dim.as_int().map_or_else(
            || Dim::Symbol(dim.as_text().unwrap_or_default().to_owned()),
            |size| Dim::Fixed(size as u64),
        )
    };
    Signature {
        name: text(value, "name"),
        dtype: Dtype::from_word(&text(value, "dtype")).expect("the schema lists the dtypes"),
        shape: list(value, "shape").iter().map(dim).collect(),
        finite: flag(value, "finite"),
        decision: match text(value, "decision").as_str() {
            "argmax" => Decision::Argmax,
            "equal" => Decision::Equal,
            "threshold" => Decision::Threshold,
            _ => Decision::None,
        },
    }
}

fn variant(value: &Value) -> Variant {
    let path = |key: &str| value.get("files").and_then(|files| optional(files, key));
    Variant {
        name: text(value, "name"),
        cpu_class: text(value, "cpu_class"),
        onnx: path("onnx"),
        ort: path("ort"),
        bytes: number(value, "bytes"),
        batch_invariant: flag(value, "batch_invariant"),
        minimum_runtime: text(value, "minimum_runtime"),
        writer: text(value, "writer"),
        threads: value.get("threads").and_then(Value::as_int),
        tolerances: list(value, "tolerances").iter().map(tolerance).collect(),
    }
}

fn tolerance(value: &Value) -> Option<Tolerance> {
    let bits = |key: &str| {
        Some(f64::from(f32::from_bits(u32::from_str_radix(value.get(key)?.as_text()?, 16).ok()?)))
    };
    let quanta = value.get("quanta").and_then(Value::as_int).map(|quanta| quanta as f64);
    match (text(value, "word").as_str(), bits("bound"), quanta, bits("step")) {
        ("exact", None, None, None) => Some(Tolerance::Exact),
        ("close", None, None, None) => Some(Tolerance::Close),
        ("absolute", Some(bound), None, None) => Some(Tolerance::Absolute(bound)),
        ("quantized", None, Some(quanta), Some(step)) => Some(Tolerance::Quantized(quanta, step)),
        _ => None,
    }
}
