//! A file that is known again, also after another one has taken its path.

use crate::bundle::sha256_of;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A file as it was. It stays open: so nothing that takes its path is hashed in its place, and nothing at all is
/// hashed before somebody asks.
pub(crate) struct Seen {
    /// Where it was.
    pub path: PathBuf,
    file: Option<File>,
    stamp: Option<Stamp>,
    digest: OnceLock<Option<String>>,
}

/// Device, inode, size and time of the last change: a file has others than one before it, or after a change.
type Stamp = (u64, u64, u64, i64, i64);

impl Seen {
    /// A file that is open, and its SHA-256 where that is known.
    pub fn new(path: PathBuf, file: File, digest: Option<String>) -> Seen {
        let digest = digest.map_or_else(OnceLock::new, |digest| OnceLock::from(Some(digest)));
        Seen { path, stamp: stamp(&file), file: Some(file), digest }
    }

    /// The file at a path, which is not known by anything but that where it cannot be opened.
    pub fn at(path: &Path) -> Seen {
        match File::open(path) {
            Ok(file) => Seen::new(path.to_owned(), file, None),
            Err(_) => Seen { path: path.to_owned(), file: None, stamp: None, digest: OnceLock::new() },
        }
    }

    /// Whether an open file is this one, and nothing has written to it since.
    pub fn is_unchanged(&self, file: &File) -> bool {
        self.stamp.is_some() && self.stamp == stamp(file)
    }

    /// Whether both are one file, or have the same content.
    pub fn is(&self, other: &Seen) -> bool {
        other.file.as_ref().is_some_and(|file| self.is_unchanged(file))
            || self.digest().is_some_and(|digest| other.digest() == Some(digest))
    }

    /// The SHA-256 of the file as it was; nothing where that cannot be known any more.
    fn digest(&self) -> Option<&str> {
        let digest = self.digest.get_or_init(|| {
            let file = self.file.as_ref()?;
            let digest = sha256_of(file).ok()?;
            self.is_unchanged(file).then_some(digest)
        });
        digest.as_deref()
    }
}

fn stamp(file: &File) -> Option<Stamp> {
    let found = file.metadata().ok()?;
    Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}
