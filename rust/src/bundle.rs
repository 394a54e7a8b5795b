//! A bundle on disk: checks O1 to O8 (FORMAT.md section 5).

use crate::error::{Error, Result};
use crate::manifest::{self, Manifest};
use crate::schema::is_hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The name of the manifest in a bundle.
pub(crate) const MANIFEST: &str = "bundle.json";

/// How much of a bundle is checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything: also digests, and the model's signature when a predictor is opened.
    #[default]
    Full,
    /// Not the content of files, and not the model's signature.
    Quick,
}

/// A bundle whose files are what its manifest says.
#[derive(Debug, Clone)]
pub struct Bundle {
    root: PathBuf,
    manifest: Manifest,
    identity: String,
    mode: Mode,
}

impl Bundle {
    /// Opens the folder at `path`; `digest` is the identity that it must have.
    ///
    /// # Errors
    /// Codes of the stages `manifest` and `open`; what is wrong with `digest` itself is `option_invalid`.
    pub fn open(path: impl AsRef<Path>, digest: Option<&str>, mode: Mode) -> Result<Bundle> {
        if let Some(digest) = digest.filter(|digest| !is_hex(digest, 64)) {
            return Err(Error::new("option_invalid", "digest", "64 lower-case hex digits", digest));
        }
        let bundle = Bundle::begin(path.as_ref(), digest, mode)?;
        bundle.check()?;
        Ok(bundle)
    }

    /// The manifest of the folder at `path`, of whose files nothing is known.
    ///
    /// # Errors
    /// By the checks O1 to O3 and M1 to M14.
    pub(crate) fn manifest_at(path: &Path, digest: &str) -> Result<Manifest> {
        Bundle::begin(path, Some(digest), Mode::Quick).map(|bundle| bundle.manifest)
    }

    fn begin(path: &Path, digest: Option<&str>, mode: Mode) -> Result<Bundle> {
        let listed = fs::canonicalize(path).and_then(|root| fs::read_dir(&root).map(|_| root));
        let found = |error: io::Error| format!("{}: {error}", path.display());
        let root = listed.map_err(|error| Error::new("bundle_not_found", ".", "a folder", found(error)))?;
        let bytes = read_manifest(&root)?;
        manifest::check_size(&bytes)?;
        let identity = hex(&Sha256::digest(&bytes));
        if let Some(digest) = digest.filter(|digest| *digest != identity) {
            return Err(Error::new("bundle_digest_mismatch", MANIFEST, digest, identity));
        }
        Ok(Bundle { root, manifest: Manifest::parse(&bytes)?, identity, mode })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The SHA-256 of the manifest.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// How it was opened.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Where a listed file is on this system.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The bytes of a listed file.
    pub(crate) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        open_regular(&self.file(path))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Check O7 for one file.
    pub(crate) fn check_digest(&self, path: &str) -> Result<()> {
        let digest = sha256(&self.file(path)).map_err(|error| unreadable(path, &error))?;
        match self.manifest.file(path) {
            Some(file) if file.sha256 == digest => Ok(()),
            file => {
                let sealed = file.map_or("a listed file", |file| &file.sha256);
                Err(Error::new("file_digest_mismatch", path, sealed, digest))
            }
        }
    }

    fn check(&self) -> Result<()> {
        let files = &self.manifest.files;
        files.iter().try_for_each(|file| check_regular(&self.root, &file.path))?;
        self.check_nothing_else()?;
        for file in files {
            let size =
                fs::metadata(self.file(&file.path)).map_err(|error| unreadable(&file.path, &error))?.len();
            if size != file.size {
                return Err(Error::new(
                    "file_size_mismatch",
                    &file.path,
                    format!("{} bytes", file.size),
                    size.to_string(),
                ));
            }
        }
        if self.mode == Mode::Full {
            files.iter().try_for_each(|file| self.check_digest(&file.path))?;
            files
                .iter()
                .filter(|file| file.path.starts_with("models/"))
                .try_for_each(|file| self.check_portable(&file.path))?;
        }
        Ok(())
    }

    /// Check O5.
    fn check_nothing_else(&self) -> Result<()> {
        let mut known = BTreeSet::from([MANIFEST.as_bytes(), b"attest"]);
        let mut folders = BTreeSet::new();
        for path in self.manifest.files.iter().map(|file| file.path.as_str()) {
            known.insert(path.as_bytes());
            folders.extend(path.match_indices('/').map(|(end, _)| &path.as_bytes()[..end]));
        }
        let mut first: Option<Vec<u8>> = None;
        for folder in std::iter::once(&b""[..]).chain(folders.iter().copied()) {
            for path in entries(&self.root, folder)? {
                let expected = known.contains(path.as_slice()) || folders.contains(path.as_slice());
                if !expected && first.as_ref().is_none_or(|first| path < *first) {
                    first = Some(path);
                }
            }
        }
        match first {
            Some(path) => {
                Err(Error::new("file_unexpected", shown(&path), "only listed files", "another entry"))
            }
            None => Ok(()),
        }
    }

    /// Check O8.
    fn check_portable(&self, path: &str) -> Result<()> {
        let needle: &[u8] = match path.rsplit_once('.') {
            Some((_, "ort")) => b"com.microsoft.nchwc:",
            Some((_, "onnx")) => b"\x3a\x13com.microsoft.nchwc",
            _ => return Ok(()),
        };
        if holds(&self.file(path), needle).map_err(|error| unreadable(path, &error))? {
            return Err(Error::new(
                "host_specific_model",
                path,
                "a model for every CPU of its target",
                "NCHWc nodes",
            ));
        }
        Ok(())
    }
}

/// A name as text; each byte that is no part of a character is shown as U+FFFD.
fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// The error for what the operating system refused to read, or for what no memory was left to hold.
pub(crate) fn unreadable(subject: &str, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::OutOfMemory {
        return Error::new("internal_error", subject, "enough memory to read it", error.to_string());
    }
    Error::new("file_missing", subject, "a file that can be read", error.to_string())
}

fn read_manifest(root: &Path) -> Result<Vec<u8>> {
    check_regular(root, MANIFEST)?;
    let mut bytes = Vec::new();
    let limit = manifest::MAX_BYTES as u64 + 1;
    let read = open_regular(&root.join(MANIFEST)).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(MANIFEST, &error))?;
    Ok(bytes)
}

/// Opens a file that was found regular. Should a pipe or a link have taken its place since, it is neither
/// waited for nor followed.
fn open_regular(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

/// Walks to a file: each folder on its way is one and no link, and itself is a regular file.
fn check_regular(root: &Path, path: &str) -> Result<()> {
    let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
    for end in ends {
        let kind = match fs::symlink_metadata(root.join(&path[..end])) {
            Ok(found) => found.file_type(),
            Err(error) => return Err(unreadable(path, &error)),
        };
        if !(if end == path.len() { kind.is_file() } else { kind.is_dir() }) {
            return Err(Error::new(
                "file_not_regular",
                path,
                "a regular file",
                format!("`{}` of another kind", &path[..end]),
            ));
        }
    }
    Ok(())
}

fn entries(root: &Path, folder: &[u8]) -> Result<Vec<Vec<u8>>> {
    let name = std::str::from_utf8(folder).expect("listed paths are ASCII");
    let refuse = |error: io::Error| unreadable(name, &error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(root.join(name)).map_err(refuse)? {
        let mut path = folder.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(entry.map_err(refuse)?.file_name().as_encoded_bytes());
        paths.push(path);
    }
    Ok(paths)
}

fn chunks(file: &File, mut each: impl FnMut(&[u8]) -> io::Result<bool>) -> io::Result<()> {
    const SIZE: usize = 1 << 20;
    let mut chunk = Vec::new();
    chunk.try_reserve_exact(SIZE)?;
    chunk.resize(SIZE, 0);
    let mut at = 0;
    loop {
        let read = file.read_at(&mut chunk, at)?;
        if read == 0 || !each(&chunk[..read])? {
            return Ok(());
        }
        at += read as u64;
    }
}

/// The SHA-256 of a file in lower-case hex.
pub(crate) fn sha256(path: &Path) -> io::Result<String> {
    sha256_of(&open_regular(path)?)
}

/// The same of an open file.
pub(crate) fn sha256_of(file: &File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    chunks(file, |chunk| {
        hasher.update(chunk);
        Ok(true)
    })?;
    Ok(hex(&hasher.finalize()))
}

fn holds(path: &Path, needle: &[u8]) -> io::Result<bool> {
    let mut window = Vec::new();
    let mut found = false;
    chunks(&open_regular(path)?, |chunk| {
        window.try_reserve(chunk.len())?;
        window.extend_from_slice(chunk);
        found = contains(&window, needle);
        // What may be the beginning of a needle across the seam.
        window.drain(..window.len().saturating_sub(needle.len() - 1));
        Ok(!found)
    })?;
    Ok(found)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    // SAFETY: both are slices, and `memmem` reads no further than the lengths that it is told.
    let place =
        unsafe { libc::memmem(bytes.as_ptr().cast(), bytes.len(), needle.as_ptr().cast(), needle.len()) };
    !place.is_null()
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[digit as usize] as char).collect()
}
