//! Golden files: strict safetensors (FORMAT.md section 7).

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::json::{self, Value};
use crate::manifest::{Manifest, Signature};
use crate::tensor::{Data, Tensor, count};
use std::collections::BTreeMap;

/// A golden case: the inputs, and the outputs that one variant gave when it was built.
pub(crate) struct Golden {
    /// The inputs by name.
    pub inputs: BTreeMap<String, Tensor>,
    /// The source model's outputs by name, of those that the file holds.
    pub source: BTreeMap<String, Tensor>,
    /// The recorded outputs by name.
    pub recorded: BTreeMap<String, Tensor>,
}

/// Reads the bytes of a golden file at `path` for one variant.
pub(crate) fn read(bytes: &[u8], path: &str, manifest: &Manifest, variant: &str) -> Result<Golden> {
    let refuse = |why: String| Error::new("golden_malformed", path, "a golden file as FORMAT.md has it", why);
    let raw = tensors(bytes).map_err(refuse)?;
    let golden = Golden { inputs: BTreeMap::new(), source: BTreeMap::new(), recorded: BTreeMap::new() };
    let mut reader = Reader { manifest, variant, raw, golden };
    reader.sort().map_err(refuse)?;
    Ok(reader.golden)
}

type Fault<T> = std::result::Result<T, String>;

/// The file as it stands: text by key, and tensors by key.
struct Raw {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Tensor>,
}

fn tensors(bytes: &[u8]) -> Fault<Raw> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or("the file is shorter than 8 bytes")?;
    let length = u64::from_le_bytes(*length);
    if !length.is_multiple_of(8) || length > 1 << 20 || length > rest.len() as u64 {
        return Err("the header's length is wrong".into());
    }
    let (header, data) = rest.split_at(length as usize);
    let end = header.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    let tree = json::parse(&header[..end], 16).filter(|tree| tree.is_canonical(&header[..end], false));
    let Some(Value::Object(mut rows)) = tree.filter(|_| header.len() - end < 8) else {
        return Err("the header is no canonical JSON object, padded with at most 7 spaces".into());
    };
    let metadata = rows.remove("__metadata__").map(metadata).transpose()?.unwrap_or_default();
    let mut at = 0;
    let mut tensors = BTreeMap::new();
    for (key, row) in rows {
        let (dtype, shape, length) =
            describe(&row, at).ok_or_else(|| format!("`{key}` is described wrongly"))?;
        let part = data.get(at..at + length).ok_or_else(|| format!("`{key}` runs past the end"))?;
        if dtype == Dtype::Bool && part.iter().any(|byte| *byte > 1) {
            return Err(format!("`{key}` has a bool byte above 1"));
        }
        tensors.insert(key, Tensor::copy(dtype, shape, part)?);
        at += length;
    }
    if at == data.len() {
        Ok(Raw { metadata, tensors })
    } else {
        Err("there is data after the last tensor".into())
    }
}

fn metadata(value: Value) -> Fault<BTreeMap<String, String>> {
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_text()?.to_owned()));
    value
        .as_object()
        .and_then(|map| map.iter().map(pair).collect())
        .ok_or("`__metadata__` does not map text to text".into())
}

/// The dtype, shape and length in bytes of a tensor that begins at `at`.
fn describe(row: &Value, at: usize) -> Option<(Dtype, Vec<u64>, usize)> {
    let size = |value: &Value| value.as_int().and_then(|size| u64::try_from(size).ok());
    let offsets: Vec<u64> = row.get("data_offsets")?.as_array()?.iter().map(size).collect::<Option<_>>()?;
    let dtype = Dtype::from_safetensors(row.get("dtype")?.as_text()?)?;
    let shape: Vec<u64> = row.get("shape")?.as_array()?.iter().map(size).collect::<Option<_>>()?;
    let length = count(&shape)?.checked_mul(dtype.size())?;
    let end = at.checked_add(length)?;
    let sound = row.as_object()?.len() == 3 && shape.len() <= 8 && offsets == [at as u64, end as u64];
    sound.then_some((dtype, shape, length))
}

struct Reader<'a> {
    manifest: &'a Manifest,
    variant: &'a str,
    raw: Raw,
    golden: Golden,
}

impl Reader<'_> {
    /// Gives each tensor its place; refuses what has none.
    fn sort(&mut self) -> Fault<()> {
        for known in &self.manifest.inputs {
            let tensor = self
                .take(&format!("inputs/{}", known.name), known)?
                .ok_or_else(|| format!("input `{}` is not there", known.name))?;
            self.golden.inputs.insert(known.name.clone(), tensor);
        }
        for known in &self.manifest.outputs {
            if let Some(tensor) = self.take(&format!("source/{}", known.name), known)? {
                self.golden.source.insert(known.name.clone(), tensor);
            }
            for other in &self.manifest.variants {
                let found = self.take(&format!("recorded/{}/{}", other.name, known.name), known)?;
                if other.name == self.variant {
                    let tensor =
                        found.ok_or_else(|| format!("the recorded output `{}` is not there", known.name))?;
                    self.golden.recorded.insert(known.name.clone(), tensor);
                }
            }
        }
        match self.raw.tensors.keys().next().or(self.raw.metadata.keys().next()) {
            Some(key) => Err(format!("`{key}` has no meaning here")),
            None => Ok(()),
        }
    }

    fn take(&mut self, key: &str, known: &Signature) -> Fault<Option<Tensor>> {
        let tensor =
            if known.dtype == Dtype::String { self.take_strings(key)? } else { self.raw.tensors.remove(key) };
        match &tensor {
            Some(tensor) if tensor.dtype != known.dtype || tensor.shape.len() != known.shape.len() => {
                Err(format!("`{key}` has another dtype or rank than the manifest"))
            }
            _ => Ok(tensor),
        }
    }

    fn take_strings(&mut self, key: &str) -> Fault<Option<Tensor>> {
        let offsets = self.raw.tensors.remove(&format!("{key}.offsets"));
        let bytes = self.raw.tensors.remove(&format!("{key}.utf8"));
        match (offsets, bytes, self.raw.metadata.remove(key)) {
            (None, None, None) => Ok(None),
            (Some(offsets), Some(bytes), Some(shape)) => strings(&offsets, &bytes, &shape)
                .map(Some)
                .ok_or_else(|| format!("the strings of `{key}` are wrong")),
            _ => Err(format!("the strings of `{key}` are not complete")),
        }
    }
}

fn strings(offsets: &Tensor, bytes: &Tensor, shape: &str) -> Option<Tensor> {
    let size = |word: &str| word.parse::<u64>().ok().filter(|size| size.to_string() == word);
    let shape: Vec<u64> = shape.strip_prefix("string:")?.split(',').map(size).collect::<Option<_>>()?;
    let ends: Vec<usize> = offsets
        .bytes()
        .as_chunks()
        .0
        .iter()
        .map(|end| usize::try_from(i64::from_le_bytes(*end)).ok())
        .collect::<Option<_>>()?;
    let typed = offsets.dtype == Dtype::Int64
        && bytes.dtype == Dtype::Uint8
        && offsets.shape.len() == 1
        && bytes.shape.len() == 1;
    let tiled = ends.first() == Some(&0) && ends.last() == Some(&bytes.bytes().len()) && ends.is_sorted();
    if !typed || !tiled || shape.len() > 8 || ends.len() != count(&shape)? + 1 {
        return None;
    }
    let strings: Vec<Vec<u8>> =
        ends.windows(2).map(|pair| bytes.bytes()[pair[0]..pair[1]].to_vec()).collect();
    let valid = strings.iter().all(|text| std::str::from_utf8(text).is_ok() && !text.contains(&0));
    valid.then_some(Tensor { dtype: Dtype::String, shape, data: Data::Strings(strings) })
}
