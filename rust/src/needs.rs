//! What a reader and a bundle ask of the library: checks L9 and L10 (LIBRARY.md).

use crate::error::{Error, Result};
use crate::host::numbers;
use crate::json::{Value, number, text};
use crate::manifest::{Manifest, Variant};
use crate::tables;
use ort::sys::OrtApiBase;

/// The oldest version and the C API that will do.
pub(crate) struct Needs {
    version: String,
    api: u32,
}

impl Needs {
    /// What this reader needs, and a variant of a bundle.
    pub fn new(bundle: Option<(&Manifest, &Variant)>) -> Needs {
        let own = text(tables::session(), "minimum_runtime");
        let asked =
            bundle.into_iter().flat_map(|(manifest, variant)| [&manifest.minimum, &variant.minimum_runtime]);
        let version = asked.chain([&own]).max_by_key(|version| numbers(version)).unwrap_or(&own).clone();
        let readers = tables::library().get("readers").map_or(0, |readers| number(readers, "rust"));
        let runtime = bundle.and_then(|(manifest, _)| manifest.tree.get("runtime"));
        let api = readers.max(runtime.map_or(0, |runtime| number(runtime, "api_minimum")));
        Needs { version, api: u32::try_from(api).unwrap_or(u32::MAX) }
    }

    /// Judges a library by its version: 1.M offers the API 1 to M.
    pub fn check(&self, version: &str) -> Result<()> {
        let found = numbers(version);
        if found < numbers(&self.version) {
            let expected = format!("{} or newer", self.version);
            return Err(Error::new("library_too_old", ".", expected, version));
        }
        if found[0] == 1 && found[1] < self.api {
            return Err(self.refused(version));
        }
        Ok(())
    }

    /// Asks a loaded library itself.
    pub fn check_api(&self, base: &OrtApiBase, version: &str) -> Result<()> {
        // SAFETY: GetApi takes any number, and gives null for a version that it lacks.
        if unsafe { (base.GetApi)(self.api) }.is_null() { Err(self.refused(version)) } else { Ok(()) }
    }

    fn refused(&self, version: &str) -> Error {
        let expected = format!("a library that offers the C API {}", self.api);
        Error::new("library_api", ".", expected, format!("version {version}"))
    }
}

/// The version of the library that defines these nodes, where one of them states it.
pub(crate) fn stated_version(nodes: &[String]) -> Option<String> {
    let prefix = text(tables::library(), "version_node");
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let version = |node: &String| {
        let version = node.strip_prefix(&prefix)?;
        (version.split('.').count() == 3 && version.split('.').all(is_number)).then(|| version.to_owned())
    };
    nodes.iter().find_map(version)
}

/// Check L11: why a library of this version cannot read the bundle's `.ort` files.
pub(crate) fn later_format(manifest: &Manifest, version: &str) -> Option<String> {
    let table = tables::library().get("ort_format")?;
    let (until, newest) = (text(table, "until"), number(table, "newest"));
    let found = manifest.tree.get("runtime")?.get("ort_format").and_then(Value::as_int)?.unsigned_abs();
    // The two numbers that ONNX Runtime counts its releases by.
    let release = |version: &str| [numbers(version)[0], numbers(version)[1]];
    let later = release(version) <= release(&until) && found > newest;
    later.then(|| format!("ORT format {found}, where library {version} reads up to {newest}"))
}
