//! Execution providers: check P5.

use crate::bundle::Bundle;
use crate::error::{Error, Result};
use crate::fit::Choice;
use crate::library::Library;
use crate::manifest::Manifest;
use crate::options::Provider;
use crate::session::{self, Session};
use crate::settings::Settings;
use crate::tables;
use crate::value::{Refusal, addresses, check};
use ort::AsPointer;
use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProvider};
use ort::session::builder::SessionBuilder;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::path::Path;
use std::ptr;

const CPU: &str = "CPUExecutionProvider";

/// A session that started.
pub(crate) struct Started {
    pub session: Session,
    /// The execution providers in effect, preferred first.
    pub providers: Vec<String>,
    /// Why each wanted one that is not in effect was left out.
    pub reasons: BTreeMap<String, String>,
}

/// Loads the file that was chosen.
pub(crate) fn start(
    library: &Library,
    settings: &Settings,
    choice: &Choice,
    bundle: &Bundle,
) -> Result<Started> {
    let (path, manifest) = (bundle.file(&choice.path), bundle.manifest());
    let (mut wanted, mut reasons) = judge(settings)?;
    let load = |providers: &[&Provider]| load(library, settings, (choice.format, &path), manifest, providers);
    let session = match load(&wanted) {
        Ok(session) => session,
        Err(first) => {
            // The model's fault, or a provider's: the CPU alone tells.
            let rejected = |found| {
                Error::new("model_rejected", &choice.path, "a model that ONNX Runtime accepts", found)
            };
            let mut session = if wanted.is_empty() { Err(first) } else { load(&[]) }.map_err(rejected)?;
            let mut kept: Vec<&Provider> = Vec::new();
            for provider in wanted {
                kept.push(provider);
                match load(&kept) {
                    Ok(better) => session = better,
                    Err(why) => {
                        refuse_if_strict(settings, &provider.0, &why)?;
                        reasons.insert(provider.0.clone(), format!("did not start: {why}"));
                        kept.pop();
                    }
                }
            }
            wanted = kept;
            session
        }
    };
    let runs = |name: &str| name == CPU || wanted.iter().any(|provider| provider.0 == name);
    let mut providers: Vec<String> =
        settings.providers.iter().map(|provider| provider.0.clone()).filter(|name| runs(name)).collect();
    if providers.iter().all(|name| name != CPU) {
        providers.push(CPU.to_owned());
    }
    Ok(Started { session, providers, reasons })
}

/// The wanted providers, other than the CPU's, that the library has; and why others are left out.
fn judge(settings: &Settings) -> Result<(Vec<&Provider>, BTreeMap<String, String>)> {
    let available = available()
        .map_err(|found| Error::new("library_malformed", ".", "a library that names its providers", found))?;
    let (mut wanted, mut reasons) = (Vec::new(), BTreeMap::new());
    for provider in &settings.providers {
        let name = &provider.0;
        if !tables::lists(tables::session(), "providers", name) {
            return Err(Error::new("provider_unknown", name, "a provider of session.json", "another name"));
        }
        if !available.contains(name) {
            refuse_if_strict(settings, name, "it is not in this ONNX Runtime")?;
            reasons.insert(name.clone(), "it is not in this ONNX Runtime".to_owned());
        } else if name != CPU {
            wanted.push(provider);
        }
    }
    Ok((wanted, reasons))
}

fn refuse_if_strict(settings: &Settings, name: &str, why: &str) -> Result<()> {
    if settings.strict {
        return Err(Error::new("provider_unavailable", name, "an execution provider that starts", why));
    }
    Ok(())
}

fn load(
    library: &Library,
    settings: &Settings,
    (format, path): (&str, &Path),
    manifest: &Manifest,
    providers: &[&Provider],
) -> std::result::Result<Session, Refusal> {
    let mut builder = session::builder(library, settings, format)?;
    for (name, own) in providers {
        add(&mut builder, name, own)?;
    }
    Session::load(builder, path, manifest)
}

fn add(
    builder: &mut SessionBuilder,
    name: &str,
    own: &[(String, String)],
) -> std::result::Result<(), Refusal> {
    if own.iter().any(|(key, value)| key.contains('\0') || value.contains('\0')) {
        return Err("an option that holds U+0000".to_owned());
    }
    // These have functions of their own in the library, which the crate knows; the others share one.
    match name {
        "CANNExecutionProvider" => configured(ep::CANN::default(), own).register(builder),
        "CUDAExecutionProvider" => configured(ep::CUDA::default(), own).register(builder),
        "DnnlExecutionProvider" => configured(ep::OneDNN::default(), own).register(builder),
        "ROCMExecutionProvider" => configured(ep::ROCm::default(), own).register(builder),
        "TensorrtExecutionProvider" => configured(ep::TensorRT::default(), own).register(builder),
        _ => return append(builder, name, own),
    }
    .map_err(|error| error.to_string())
}

fn configured<P: ArbitrarilyConfigurableExecutionProvider>(provider: P, own: &[(String, String)]) -> P {
    own.iter().fold(provider, |provider, (key, value)| provider.with_arbitrary_config(key, value))
}

fn append(
    builder: &mut SessionBuilder,
    name: &str,
    own: &[(String, String)],
) -> std::result::Result<(), Refusal> {
    let text = |text: &str| CString::new(text).map_err(|error| error.to_string());
    let name = text(name)?;
    let keys = own.iter().map(|(key, _)| text(key)).collect::<std::result::Result<Vec<_>, _>>()?;
    let values = own.iter().map(|(_, value)| text(value)).collect::<std::result::Result<Vec<_>, _>>()?;
    let (keys_at, values_at) = (addresses(&keys), addresses(&values));
    let append = ort::api().SessionOptionsAppendExecutionProvider;
    // SAFETY: all strings outlive the call, and both lists have `keys.len()` entries.
    check(unsafe {
        append(builder.ptr_mut(), name.as_ptr(), keys_at.as_ptr(), values_at.as_ptr(), keys.len())
    })
}

/// The execution providers that the library was built with.
fn available() -> std::result::Result<Vec<String>, Refusal> {
    let (mut names, mut count) = (ptr::null_mut(), 0);
    // SAFETY: both out-pointers are valid.
    check(unsafe { (ort::api().GetAvailableProviders)(&raw mut names, &raw mut count) })?;
    let length = usize::try_from(count).unwrap_or(0);
    // SAFETY: `names` holds `count` C strings until they are released.
    let name = |index| unsafe { CStr::from_ptr(*names.add(index)) }.to_string_lossy().into_owned();
    let found = (0..length).map(name).collect();
    // SAFETY: the list is the library's own and is released once.
    check(unsafe { (ort::api().ReleaseAvailableProviders)(names, count) })?;
    Ok(found)
}
