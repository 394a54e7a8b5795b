//! The ONNX Runtime library: where it is, and its one environment (FORMAT.md section 6).

use crate::bundle::{Bundle, sha256};
use crate::error::{Error, Result};
use crate::json::Value;
use crate::options::{self, Options};
use crate::{elf, host, probe, tables};
use ort::environment::Environment;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What the system's loader is asked for.
const SONAMES: [&str; 2] = ["libonnxruntime.so.1", "libonnxruntime.so"];
const SWITCH: &str = "ORT_DISABLE_TELEMETRY";

/// The library of this process. It is loaded once and never unloaded.
pub(crate) struct Library {
    path: PathBuf,
    digest: OnceLock<String>,
    /// Whether ONNX Runtime was in the process before, with telemetry not switched off.
    telemetry: bool,
    /// Its version.
    pub version: String,
    /// Its one environment.
    pub environment: Environment,
}

/// An ONNX Runtime that the host program holds already, and that a predictor shall use.
///
/// It is used if it is new enough (`library_too_old`) and no other one is in use (`library_conflict`). The
/// host has to have set `ORT_DISABLE_TELEMETRY=1` before it loaded the library, else `telemetry_active`.
#[derive(Clone)]
pub struct Runtime(Held);

#[derive(Clone)]
enum Held {
    Environment(Environment),
    Api(*const ort::sys::OrtApi),
}

// SAFETY: `OrtApi` is a table of functions that never changes; `Environment` is thread-safe itself.
unsafe impl Send for Runtime {}
// SAFETY: as above.
unsafe impl Sync for Runtime {}

impl Runtime {
    /// The environment that this program made with the crate `ort`.
    pub fn from_environment(environment: &Environment) -> Runtime {
        Runtime(Held::Environment(environment.clone()))
    }

    /// The `OrtApi` of a library that this program loaded by other means, as `OrtApiBase::GetApi` gave it.
    ///
    /// # Safety
    /// `api` points to an `OrtApi` of API version 17 or later, and its library stays loaded.
    pub unsafe fn from_api(api: *const std::ffi::c_void) -> Runtime {
        Runtime(Held::Api(api.cast()))
    }
}

/// A file that is asked for, and its SHA-256 where that is known.
struct Place {
    path: PathBuf,
    digest: Option<String>,
}

static LOADED: Mutex<Option<&'static Library>> = Mutex::new(None);

/// Finds the library, checks and loads it (check P3, all but its age).
pub(crate) fn load(
    options: &Options,
    bundle: Option<&Bundle>,
    held: Option<&Runtime>,
) -> Result<&'static Library> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let place = match held {
        Some(held) => Some(Place { path: adopted(held)?, digest: None }),
        None => find(options, bundle)?,
    };
    let path = place.as_ref().map(|place| place.path.as_path());
    let library = match *loaded {
        Some(library) => library,
        None => {
            let fresh: &'static Library = Box::leak(Box::new(start(path, held, options)?));
            *loaded = Some(fresh);
            fresh
        }
    };
    refuse_telemetry(library.telemetry, options)?;
    if let Some(Place { path, digest }) = place {
        if !library.is(&path) {
            return Err(conflict(&library.path, &path));
        }
        // Asked for later: by then an update has given the bundle another name.
        if let Some(digest) = digest {
            library.digest.get_or_init(|| digest);
        }
    }
    Ok(library)
}

impl Library {
    /// Whether a file is this library: the same path, or the same content.
    fn is(&self, path: &Path) -> bool {
        let digest = || self.digest.get_or_init(|| sha256(&self.path).unwrap_or_default());
        self.path == path || sha256(path).is_ok_and(|other| other == *digest())
    }

    /// Refuses it where it is older than any of `oldest`.
    pub fn check_version(&self, oldest: &[&str]) -> Result<()> {
        check_version(&self.version, oldest)
    }
}

fn conflict(used: &Path, wanted: &Path) -> Error {
    let expected = format!("the library of this process, {}", used.display());
    Error::new("library_conflict", ".", expected, wanted.display().to_string())
}

fn check_version(version: &str, oldest: &[&str]) -> Result<()> {
    let own = tables::session().get("minimum_runtime").and_then(Value::as_text).unwrap_or_default();
    let needed =
        oldest.iter().copied().chain([own]).max_by_key(|version| host::numbers(version)).unwrap_or(own);
    if host::numbers(version) < host::numbers(needed) {
        return Err(Error::new("library_too_old", ".", format!("{needed} or newer"), version));
    }
    Ok(())
}

/// The file that is named: final, be it sound or not. `None`: the system's loader is asked.
fn find(options: &Options, bundle: Option<&Bundle>) -> Result<Option<Place>> {
    let variable = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    if let Some(path) = options::text(options, "library").map(PathBuf::from).or(variable) {
        return Ok(Some(Place { path: checked(&path)?, digest: None }));
    }
    let trusted = bundle.filter(|_| options::is_set(options, "trust_bundle_library"));
    let Some((bundle, path)) =
        trusted.and_then(|bundle| Some((bundle, bundle.manifest().library.as_deref()?)))
    else {
        return Ok(None);
    };
    bundle.check_digest(path)?;
    let digest = bundle.manifest().file(path).map(|file| file.sha256.clone());
    Ok(Some(Place { path: checked(&bundle.file(path))?, digest }))
}

fn checked(path: &Path) -> Result<PathBuf> {
    let path = std::fs::canonicalize(path).map_err(|error| {
        let found = format!("{}: {error}", path.display());
        Error::new("library_not_found", ".", "an ONNX Runtime library at the place that was given", found)
    })?;
    elf::check(&path)?;
    Ok(path)
}

/// The file of the library that the host program holds.
fn adopted(held: &Runtime) -> Result<PathBuf> {
    let api = match held.0 {
        Held::Environment(_) => ort::api(),
        // SAFETY: the caller of `Runtime::from_api` answers for it.
        Held::Api(api) => match unsafe { api.as_ref() } {
            Some(api) => api,
            None => {
                return Err(Error::new("library_malformed", ".", "a table of functions", "a null pointer"));
            }
        },
    };
    let file = probe::file_of(api.CreateEnv as *const std::ffi::c_void);
    file.ok_or_else(|| Error::new("library_malformed", ".", "functions of a loaded library", "others"))
}

fn start(path: Option<&Path>, held: Option<&Runtime>, options: &Options) -> Result<Library> {
    let telemetry = loaded_with_telemetry(held.is_some());
    refuse_telemetry(telemetry, options)?;
    let mapped = mapped_libraries();
    let found = match path {
        Some(path) => probe::Found::at(path, held.is_some())?,
        None => by_name()?,
    };
    let same = |other: &PathBuf| *other == found.path || sha256(other).ok() == sha256(&found.path).ok();
    if let Some(other) = mapped.iter().find(|other| !same(other)) {
        return Err(conflict(other, &found.path));
    }
    // An older library may lack what is called below.
    check_version(&found.version, &[])?;
    let environment = environment(&found.path, held)?;
    environment.set_log_level(ort::logging::LogLevel::Fatal);
    let probe::Found { path, version, .. } = found.keep();
    Ok(Library { path, digest: OnceLock::new(), telemetry, version, environment })
}

/// Whether ONNX Runtime was in the process before this predictor's first look, with telemetry not switched
/// off by then. Switches it off for whatever is loaded from here on.
fn loaded_with_telemetry(held: bool) -> bool {
    static BEFORE: OnceLock<bool> = OnceLock::new();
    *BEFORE.get_or_init(|| {
        if std::env::var_os(SWITCH).is_some_and(|value| value == "1") {
            return false;
        }
        // SAFETY: once per process, under the lock of `LOADED`. A host program with threads that read the
        // environment sets the variable itself, before it starts them.
        unsafe { std::env::set_var(SWITCH, "1") };
        held || !mapped_libraries().is_empty()
    })
}

fn refuse_telemetry(telemetry: bool, options: &Options) -> Result<()> {
    if telemetry && !options::is_set(options, "allow_telemetry") {
        let found = format!("one that was loaded without {SWITCH}=1");
        return Err(Error::new("telemetry_active", ".", "an ONNX Runtime with telemetry off", found));
    }
    Ok(())
}

fn environment(path: &Path, held: Option<&Runtime>) -> Result<Environment> {
    let builder = match held.map(|held| &held.0) {
        Some(Held::Environment(environment)) => return Ok(environment.clone()),
        Some(Held::Api(api)) => {
            // SAFETY: the caller of `Runtime::from_api` answers for it; `adopted` refused a null pointer.
            let api = unsafe { std::ptr::read(*api) };
            let own = api.CreateEnv as *const ();
            if !ort::set_api(api) && ort::api().CreateEnv as *const () != own {
                return Err(conflict(Path::new("of the crate ort"), path));
            }
            ort::init()
        }
        None => ort::init_from(path).map_err(|error| {
            Error::new("library_malformed", ".", "an ONNX Runtime library", error.to_string())
        })?,
    };
    builder.with_telemetry(false).build().map_err(|error| {
        // The crate allows one environment per process: this program made it before, and did not hand it in.
        Error::new("library_conflict", ".", "a `Runtime` of this program's environment", error.to_string())
    })
}

/// The library that the system's loader finds.
fn by_name() -> Result<probe::Found> {
    let mut tried = String::from("option `library` and ORT_DYLIB_PATH (not set)");
    for name in SONAMES {
        match probe::Found::at(Path::new(name), false) {
            Ok(found) => return Ok(found),
            Err(error) => tried += &format!(", {}", error.found()),
        }
    }
    Err(Error::new("library_not_found", ".", "an ONNX Runtime library at a documented place", tried))
}

/// The files of ONNX Runtime that are in this process already.
fn mapped_libraries() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut paths: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| Some(PathBuf::from(&line[line.find('/')?..])))
        .filter(|path| is_runtime(path))
        .collect();
    paths.dedup();
    paths
}

fn is_runtime(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("libonnxruntime.so"))
}
