//! Checks M6 to M14 of a manifest whose structure is sound.

use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::json::{Value, list};
use crate::manifest::{Batch, Dim, Manifest, Signature, Variant};
use crate::tables;
use std::collections::{BTreeMap, BTreeSet};

/// Check M6.
pub(crate) fn features(tree: &Value) -> Result<()> {
    let refuse = |at: &str| {
        Err(Error::new("feature_unsupported", at, "nothing that version 1 lacks", "a feature or component"))
    };
    if !list(tree, "features").is_empty() {
        return refuse("/features/0");
    }
    if !list(tree, "components").is_empty() {
        return refuse("/components");
    }
    Ok(())
}

/// Checks M7 to M14.
pub(crate) fn judge(manifest: &Manifest) -> Result<()> {
    paths(manifest)?;
    names(manifest)?;
    tensors(manifest)?;
    target(manifest)?;
    references(manifest)?;
    agreement(manifest)
}

fn require(holds: bool, code: &'static str, at: String, expected: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::new(code, at, expected, "another value")) }
}

/// Whether a text can be a component of a path, by the rule of M7.
pub(crate) fn is_component(part: &str) -> bool {
    (1..=255).contains(&part.len())
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
        && !part.starts_with(['.', '-'])
        && !part.ends_with('.')
}

fn is_safe(path: &str) -> bool {
    path.len() <= 1024
        && path
            .split_once('/')
            .is_some_and(|(first, _)| matches!(first, "models" | "golden" | "config" | "lib"))
        && path.split('/').all(is_component)
}

fn paths(manifest: &Manifest) -> Result<()> {
    let at = |index: usize| format!("/files/{index}/path");
    let files = &manifest.files;
    for (index, file) in files.iter().enumerate() {
        require(is_safe(&file.path), "path_unsafe", at(index), "a path that every system reads alike")?;
    }
    for (index, pair) in files.windows(2).enumerate() {
        require(
            pair[0].path < pair[1].path,
            "manifest_field_value",
            at(index + 1),
            "a path above the one before",
        )?;
    }
    // What stands at a lower-cased path: its spelling, and whether it is a file.
    let mut seen: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let ends = file.path.match_indices('/').map(|(end, _)| (end, false)).chain([(file.path.len(), true)]);
        for (end, is_file) in ends {
            let part = &file.path[..end];
            let earlier = seen.insert(part.to_ascii_lowercase(), (part, is_file));
            let agrees = earlier.is_none_or(|earlier| earlier == (part, false) && !is_file);
            require(agrees, "path_conflict", at(index), "a path that no other one clashes with")?;
        }
    }
    Ok(())
}

fn names(manifest: &Manifest) -> Result<()> {
    unique("golden", "name", manifest.golden.iter().map(|case| &case.name))?;
    unique("golden", "path", manifest.golden.iter().map(|case| &case.path))?;
    unique_in_golden("inputs", &manifest.inputs)?;
    unique_in_golden("outputs", &manifest.outputs)?;
    unique("states", "input", manifest.states.iter().map(|state| &state.0))?;
    unique("states", "output", manifest.states.iter().map(|state| &state.1))?;
    unique("variants", "name", manifest.variants.iter().map(|variant| &variant.name))
}

/// In a golden file a string tensor `x` is the tensors `x.offsets` and `x.utf8`, so these are names as well.
fn unique_in_golden(list: &str, tensors: &[Signature]) -> Result<()> {
    let parts = |tensor: &Signature| -> Vec<String> {
        let suffixes: &[&str] =
            if tensor.dtype == Dtype::String { &["", ".offsets", ".utf8"] } else { &[""] };
        suffixes.iter().map(|suffix| format!("{}{suffix}", tensor.name)).collect()
    };
    let mut seen = BTreeSet::new();
    for (index, tensor) in tensors.iter().enumerate() {
        let new = parts(tensor).into_iter().all(|part| seen.insert(part));
        require(
            new,
            "name_duplicate",
            format!("/{list}/{index}/name"),
            "a name that stands once, also as a part of a string",
        )?;
    }
    Ok(())
}

fn unique<'a>(list: &str, key: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        require(
            seen.insert(name),
            "name_duplicate",
            format!("/{list}/{index}/{key}"),
            "a name that stands once",
        )?;
    }
    Ok(())
}

fn tensors(manifest: &Manifest) -> Result<()> {
    for (list, tensors) in [("inputs", &manifest.inputs), ("outputs", &manifest.outputs)] {
        for (index, tensor) in tensors.iter().enumerate() {
            let carried = !tensor.shape.is_empty() || !matches!(tensor.dtype, Dtype::String | Dtype::Float16);
            require(
                carried,
                "tensor_unsupported",
                format!("/{list}/{index}"),
                "a tensor that is not of rank 0, or neither string nor float16",
            )?;
        }
    }
    Ok(())
}

fn target(manifest: &Manifest) -> Result<()> {
    let refuse = |at: &str| Error::new("target_unknown", at, "an entry of targets.json", "another value");
    let field =
        |key: &str| manifest.tree.get("target").and_then(|target| target.get(key)).and_then(Value::as_text);
    let target = tables::target(&manifest.arch).ok_or_else(|| refuse("/target/arch"))?;
    let has_class =
        |class: &str| target.get("cpu_classes").is_some_and(|classes| classes.get(class).is_some());
    if !field("cpu_class").is_some_and(has_class) {
        return Err(refuse("/target/cpu_class"));
    }
    if target.get("os").and_then(Value::as_text) != field("os") {
        return Err(refuse("/target/os"));
    }
    match manifest.variants.iter().position(|variant| !has_class(&variant.cpu_class)) {
        Some(index) => Err(refuse(&format!("/variants/{index}/cpu_class"))),
        None => Ok(()),
    }
}

fn references(manifest: &Manifest) -> Result<()> {
    let known = |holds: bool, at: String| require(holds, "reference_unknown", at, "something that is there");
    let listed = |path: &str| manifest.file(path).is_some();
    if let Some(Batch::Symbol(symbol)) = &manifest.batch {
        let symbol = Dim::Symbol(symbol.clone());
        known(manifest.inputs.iter().any(|input| input.shape.contains(&symbol)), "/batch/symbol".into())?;
    }
    known(manifest.variant(&manifest.default_variant).is_some(), "/default_variant".into())?;
    for (index, case) in manifest.golden.iter().enumerate() {
        known(listed(&case.path), format!("/golden/{index}/path"))?;
    }
    known(manifest.library.as_deref().is_none_or(listed), "/runtime/library".into())?;
    let is_output = |name: &str| manifest.outputs.iter().any(|output| output.name == name);
    let is_input = |name: &str| manifest.inputs.iter().any(|input| input.name == name);
    for (index, (input, _)) in manifest.states.iter().enumerate() {
        known(is_input(input), format!("/states/{index}/input"))?;
    }
    for (index, (_, output)) in manifest.states.iter().enumerate() {
        known(is_output(output), format!("/states/{index}/output"))?;
    }
    for (index, task) in list(&manifest.tree, "tasks").iter().enumerate() {
        known(
            task.get("output").and_then(Value::as_text).is_some_and(is_output),
            format!("/tasks/{index}/output"),
        )?;
    }
    for (index, variant) in manifest.variants.iter().enumerate() {
        known(variant.onnx.as_deref().is_none_or(listed), format!("/variants/{index}/files/onnx"))?;
        known(variant.ort.as_deref().is_none_or(listed), format!("/variants/{index}/files/ort"))?;
    }
    Ok(())
}

fn agree(holds: bool, at: String, expected: &str) -> Result<()> {
    require(holds, "manifest_inconsistent", at, expected)
}

fn agreement(manifest: &Manifest) -> Result<()> {
    if let Some(Batch::Size(size)) = manifest.batch {
        let fixed = |shape: &Vec<Dim>| shape.first() == Some(&Dim::Fixed(size));
        let all = manifest.inputs.iter().chain(&manifest.outputs).all(|tensor| fixed(&tensor.shape));
        agree(all, "/batch/size".into(), "the fixed axis 0 of every input and output")?;
    }
    for (index, case) in manifest.golden.iter().enumerate() {
        let fits = case.path.starts_with("golden/") && case.path.ends_with(".safetensors");
        agree(fits, format!("/golden/{index}/path"), "golden/….safetensors")?;
    }
    let fits = manifest.library.as_deref().is_none_or(|path| path.starts_with("lib/"));
    agree(fits, "/runtime/library".into(), "a file in lib/")?;
    manifest
        .variants
        .iter()
        .enumerate()
        .try_for_each(|(index, variant)| variant_agrees(manifest, variant, &format!("/variants/{index}")))
}

fn variant_agrees(manifest: &Manifest, variant: &Variant, at: &str) -> Result<()> {
    let size = |path: &Option<String>| {
        path.as_deref().and_then(|path| manifest.file(path)).map_or(0, |file| file.size)
    };
    agree(
        variant.bytes == size(&variant.onnx) + size(&variant.ort),
        format!("{at}/bytes"),
        "the sum of the files' sizes",
    )?;
    for (path, key) in [(&variant.onnx, "onnx"), (&variant.ort, "ort")] {
        let fits = path
            .as_deref()
            .is_none_or(|path| path.starts_with("models/") && path.ends_with(&format!(".{key}")));
        agree(fits, format!("{at}/files/{key}"), "models/… with its ending")?;
        let known =
            tables::target(&manifest.arch).is_some_and(|target| tables::lists(target, "formats", key));
        agree(path.is_none() || known, format!("{at}/files/{key}"), "a format that the target has")?;
    }
    let tolerances = &variant.tolerances;
    agree(
        tolerances.len() == manifest.outputs.len(),
        format!("{at}/tolerances"),
        "one tolerance per output",
    )?;
    match tolerances.iter().position(Option::is_none) {
        Some(index) => agree(false, format!("{at}/tolerances/{index}"), "exactly the parameters of its word"),
        None => Ok(()),
    }
}
