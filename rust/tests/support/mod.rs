//! What several tests need.
#![allow(dead_code, reason = "each test uses a part")]

use bundle::{Options, Predictor, Value};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The folder of the contract, from the source tree.
pub fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spec")
}

/// The library: what ORT_DYLIB_PATH names, else that of the project's Python environment.
pub fn library() -> PathBuf {
    let named = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(installed).expect("set ORT_DYLIB_PATH, or run `make dev` first")
}

fn installed() -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/lib");
    let folders = fs::read_dir(environment).ok()?.flatten().map(|entry| entry.path());
    let mut files = folders.flat_map(|folder| fs::read_dir(folder.join("site-packages/onnxruntime/capi")));
    files.find_map(|files| files.flatten().map(|entry| entry.path()).find(|path| is_library(path)))
}

fn is_library(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libonnxruntime.so"))
}

/// What a program under test has to find in its environment.
pub fn environment() -> [(&'static str, OsString); 2] {
    [("ORT_DISABLE_TELEMETRY", "1".into()), ("ORT_DYLIB_PATH", library().into())]
}

/// Options that name the library.
pub fn options() -> Options {
    Options::from([("library".to_owned(), Value::text(library().to_string_lossy()))])
}

/// The bundle of a vector.
pub fn vector(name: &str) -> PathBuf {
    spec().join("cases").join(name).join("bundle")
}

/// The model of a vector.
pub fn open(name: &str) -> Predictor {
    Predictor::open(vector(name), &options()).expect("the vector opens")
}

/// An empty folder that goes when it is dropped.
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    pub fn new(name: &str) -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let unique =
            format!("bundle-{}-{}-{name}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        fs::create_dir(&path).expect("a new folder");
        Folder { path }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is no failure of the test.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file");
        }
    }
}

/// The text of a member.
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_text).unwrap_or_else(|| panic!("no `{key}` in {value}"))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
    (0..text.len()).step_by(2).map(pair).collect()
}
