//! The ONNX Runtime library: where it is, and its one environment (FORMAT.md section 6).

use crate::bundle::{Bundle, sha256};
use crate::error::{Error, Result};
use crate::needs::{self, Needs};
use crate::options::{self, Options};
use crate::seen::Seen;
use crate::{elf, probe, system};
use ort::environment::Environment;
use ort::sys::OrtApiBase;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What the system's loader is asked for.
const SONAMES: [&str; 2] = ["libonnxruntime.so.1", "libonnxruntime.so"];
const SWITCH: &str = "ORT_DISABLE_TELEMETRY";

/// The library of this process. It is loaded once and never unloaded.
pub(crate) struct Library {
    file: Arc<Seen>,
    /// Whether ONNX Runtime was in the process before, with telemetry not switched off.
    telemetry: bool,
    /// Its version.
    pub version: String,
    base: &'static OrtApiBase,
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

/// A file that is asked for, and the version where it states one.
struct Place {
    file: Arc<Seen>,
    version: Option<String>,
}

static LOADED: Mutex<Option<&'static Library>> = Mutex::new(None);

/// Finds the library, checks and loads it (check P3, all but its age).
pub(crate) fn load(
    options: &Options,
    bundle: Option<&Bundle>,
    needs: &Needs,
    held: Option<&Runtime>,
) -> Result<&'static Library> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let place = match held {
        Some(held) => Some(Place { file: Arc::new(Seen::at(&adopted(held)?)), version: None }),
        None => find(options, bundle, *loaded)?,
    };
    let library = match *loaded {
        Some(library) => library,
        None => {
            let fresh: &'static Library = Box::leak(Box::new(start(place.as_ref(), held, needs, options)?));
            *loaded = Some(fresh);
            fresh
        }
    };
    refuse_telemetry(library.telemetry, options)?;
    if let Some(Place { file, .. }) = place {
        // What the host holds is loaded: its path is enough, whatever lies there by now.
        let same = held.is_some() && file.path == library.file.path || library.file.is(&file);
        if !same {
            return Err(conflict(&library.file.path, &file.path));
        }
    }
    needs.check(&library.version)?;
    needs.check_api(library.base, &library.version)?;
    Ok(library)
}

fn conflict(used: &Path, wanted: &Path) -> Error {
    let expected = format!("the library of this process, {}", used.display());
    Error::new("library_conflict", ".", expected, wanted.display().to_string())
}

/// The file that is named: final, be it sound or not. `None`: the system's loader is asked.
fn find(options: &Options, bundle: Option<&Bundle>, loaded: Option<&Library>) -> Result<Option<Place>> {
    let variable = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    if let Some(path) = options::text(options, "library").map(PathBuf::from).or(variable) {
        return checked(&path, None, loaded).map(Some);
    }
    let trusted = bundle.filter(|_| options::is_set(options, "trust_bundle_library"));
    let Some((bundle, path)) =
        trusted.and_then(|bundle| Some((bundle, bundle.manifest().library.as_deref()?)))
    else {
        return Ok(None);
    };
    bundle.check_digest(path)?;
    let digest = bundle.manifest().file(path).map(|file| file.sha256.clone());
    checked(&bundle.file(path), digest, loaded).map(Some)
}

/// Checks L1 to L8; the file that is loaded passed them before.
fn checked(path: &Path, digest: Option<String>, loaded: Option<&Library>) -> Result<Place> {
    let path = std::fs::canonicalize(path).map_err(|error| {
        let found = format!("{}: {error}", path.display());
        Error::new("library_not_found", ".", "an ONNX Runtime library at the place that was given", found)
    })?;
    let file = elf::open(&path)?;
    let mut version = None;
    // Its path says nothing: an update reads each new bundle at the place of the one before.
    if !loaded.is_some_and(|loaded| loaded.file.is_unchanged(&file)) {
        let stated = elf::check(&path, &file)?;
        system::check(&path, &stated)?;
        version = needs::stated_version(&stated.defined);
    }
    Ok(Place { file: Arc::new(Seen::new(path, file, digest)), version })
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

fn start(place: Option<&Place>, held: Option<&Runtime>, needs: &Needs, options: &Options) -> Result<Library> {
    let telemetry = loaded_with_telemetry(held.is_some());
    refuse_telemetry(telemetry, options)?;
    let mapped = mapped_libraries();
    let refuse_other = |path: &Path| {
        let same = |other: &PathBuf| other == path || sha256(other).ok() == sha256(path).ok();
        mapped.iter().find(|other| !same(other)).map_or(Ok(()), |other| Err(conflict(other, path)))
    };
    let found = match place {
        Some(place) => {
            refuse_other(&place.file.path)?;
            place.version.as_ref().map_or(Ok(()), |version| needs.check(version))?;
            probe::Found::at(&place.file.path, held.is_some())?
        }
        None => by_name()?,
    };
    if place.is_none() {
        refuse_other(&found.path)?;
    }
    // The crate stops the process for an API that the library lacks.
    needs.check(&found.version)?;
    needs.check_api(found.base, &found.version)?;
    let environment = environment(&found.path, held)?;
    environment.set_log_level(ort::logging::LogLevel::Fatal);
    let probe::Found { path, version, base, .. } = found.keep();
    let asked_for = place.map(|place| &place.file).filter(|file| file.path == path);
    let file = asked_for.map_or_else(|| Arc::new(Seen::at(&path)), Arc::clone);
    Ok(Library { file, telemetry, version, base, environment })
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
