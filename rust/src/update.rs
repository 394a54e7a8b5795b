//! A device changes the bundle that it runs: staged, proven, and switched to by one rename (STORE.md section 4).
//!
//! A program on the device opens `FOLDER/current`. It may be killed at any moment, and the power may fail:
//! `current` is the old bundle or the new one, whole.

use crate::archive::Archive;
use crate::bundle::{Bundle, Mode};
use crate::device::{CURRENT, Device, PREVIOUS};
use crate::error::{Error, Result};
use crate::json::{MAX_INTEGER, Value};
use crate::manifest::Manifest;
use crate::options::{self, Options};
use crate::predictor::Predictor;
use crate::schema::{is_hex, parse_version};
use crate::staging;
use std::path::Path;

/// What a device runs after an update or a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Updated {
    /// The identity of its bundle.
    pub digest: String,
    /// The name of its model.
    pub name: String,
    /// The version of its model.
    pub version: String,
    /// The version that a rollback would bring back.
    pub previous: Option<String>,
    /// Whether anything changed.
    pub changed: bool,
}

/// Lets a device run the bundle of an archive: checks it, writes it beside the one that runs, proves that it
/// works here, and switches to it in one step. Waits for other changes of the same folder.
///
/// `options`: `digest`, the expected identity; `max_bytes`, the longest archive; `replace`, to take another
/// bundle of the same version; and those of a predictor, with which the bundle proves itself. A lower version is
/// refused: `rollback` is the way back.
///
/// # Errors
/// By the checks U1 to U9 of STORE.md. Then `current` is what it was or, where the disk failed after the switch,
/// as it was meant to be.
pub fn update(folder: impl AsRef<Path>, archive: impl AsRef<Path>, options: &Options) -> Result<Updated> {
    check_options(options)?;
    let number = options.get("max_bytes").and_then(Value::as_int).map(i64::unsigned_abs);
    let archive = Archive::open(archive.as_ref(), options::text(options, "digest"), number)?;
    let device = Device::take(folder.as_ref(), true)?;
    check_version(&device, &archive, options::is_set(options, "replace"))?;
    let identity = &archive.identity;
    let staged = !device.is_whole(identity);
    let changed = staged || device.says(CURRENT).as_ref() != Some(identity);
    if changed {
        let refuse = |error| device.unwritable(error);
        device.make_folders().map_err(refuse)?;
        if staged {
            staging::write(&archive, &device.staged(), refuse)?;
        }
        let path = if staged { device.staged() } else { device.bundle(identity) };
        prove(Bundle::open(path, Some(identity), Mode::Full)?, options)?;
        device.switch(identity, staged).map_err(refuse)?;
    }
    device.sweep();
    Ok(outcome(&device, identity, &archive.manifest, changed))
}

/// Makes the bundle that ran before current again; a second rollback takes the first one back. Waits for other
/// changes of the same folder.
///
/// # Errors
/// By the checks V1 to V4 of STORE.md; `current` is as after an error of `update`.
pub fn rollback(folder: impl AsRef<Path>) -> Result<Updated> {
    let device = Device::take(folder.as_ref(), false)?;
    let impossible = |found: String| {
        Error::new("rollback_impossible", PREVIOUS, "a link to the whole bundle that ran before", found)
    };
    let identity = device.previous().ok_or_else(|| impossible("none".to_owned()))?;
    let before = Bundle::open(device.bundle(&identity), Some(&identity), Mode::Full)
        .map_err(|error| impossible(error.to_string()))?;
    device.swap(&identity).map_err(|error| device.unwritable(error))?;
    Ok(outcome(&device, &identity, before.manifest(), true))
}

/// The name of an option, what it may be, and whether it is.
type Rule = (&'static str, &'static str, fn(&Value) -> bool);

/// Check U1.
fn check_options(options: &Options) -> Result<()> {
    let known: [Rule; 4] = [
        ("digest", "64 lower-case hex digits", |value| value.as_text().is_some_and(|text| is_hex(text, 64))),
        ("max_bytes", "a number of bytes", |value| {
            value.as_int().is_some_and(|number| (1..=MAX_INTEGER).contains(&number))
        }),
        ("mode", "no mode: all checks are made", |_| false),
        ("replace", "a boolean", |value| value.as_bool().is_some()),
    ];
    for (name, expected, suits) in known {
        if let Some(value) = options.get(name).filter(|value| !suits(value)) {
            return Err(Error::new("option_invalid", name, expected, value.short()));
        }
    }
    Ok(())
}

/// Check U5.
fn check_version(device: &Device, archive: &Archive, replace: bool) -> Result<()> {
    let Some((identity, runs)) = device.leads_to(CURRENT) else { return Ok(()) };
    let (new, subject) =
        (&archive.manifest, format!("{}@{}", archive.manifest.name, archive.manifest.version));
    if new.name != runs.name {
        return Err(Error::new(
            "name_mismatch",
            &new.name,
            format!("`{}`, which runs", runs.name),
            "another model",
        ));
    }
    if parse_version(&new.version) < parse_version(&runs.version) {
        return Err(Error::new("version_older", subject, format!("{} or newer", runs.version), &new.version));
    }
    if new.version == runs.version && archive.identity != identity && !replace {
        return Err(Error::new("version_conflict", subject, identity, &archive.identity));
    }
    Ok(())
}

/// Check U8.
fn prove(bundle: Bundle, options: &Options) -> Result<()> {
    let mut rest = options.clone();
    rest.retain(|name, _| !matches!(name.as_str(), "digest" | "max_bytes" | "replace"));
    let cases = Predictor::new(bundle, &rest, None)?.self_test()?;
    for case in &cases {
        if let Some(output) = case.outputs.iter().find(|output| !output.recorded.passed) {
            let subject = format!("{}/{}", case.name, output.name);
            let found = format!("a difference of {}", output.recorded.worst);
            return Err(Error::new(
                "self_test_failed",
                subject,
                "the recorded output, within its tolerance",
                found,
            ));
        }
    }
    Ok(())
}

fn outcome(device: &Device, identity: &str, manifest: &Manifest, changed: bool) -> Updated {
    let before = device.previous().and_then(|_| device.leads_to(PREVIOUS));
    Updated {
        digest: identity.to_owned(),
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        previous: before.map(|(_, manifest)| manifest.version),
        changed,
    }
}
