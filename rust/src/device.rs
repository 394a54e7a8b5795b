//! A device's folder: what is in it, and its changes, each in place with one rename (STORE.md section 4).

use crate::bundle::{Bundle, Mode};
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::schema::is_hex;
use crate::staging::{exchange, make_folder, make_path, sync_folder};
use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

/// The link to the bundle that runs.
pub(crate) const CURRENT: &str = "current";
/// The link to the bundle that ran before.
pub(crate) const PREVIOUS: &str = "previous";
const BLOBS: &str = "sha256";
const STAGING: &str = "staging";

/// A device's folder that this process alone may change; its work in progress goes when this does.
pub(crate) struct Device {
    /// Where it is, links followed: another link at its name later changes nothing.
    root: PathBuf,
    /// Its name as the caller gave it.
    name: PathBuf,
    _lock: File,
}

impl Drop for Device {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Device {
    /// Takes the folder (checks U3, V1), looks at what it holds (U4), and removes what a dead process left.
    pub fn take(folder: &Path, make: bool) -> Result<Device> {
        let made = if make { make_path(folder) } else { Ok(()) };
        let root = made.and_then(|()| fs::canonicalize(folder));
        let held = root.and_then(|root| Ok((locked(&root)?, root)));
        let (lock, root) = held.map_err(|error| unwritable(folder, error))?;
        check_entries(&root, folder)?;
        let device = Device { root, name: folder.to_owned(), _lock: lock };
        device.clear();
        Ok(device)
    }

    /// The error for what the operating system refused.
    pub fn unwritable(&self, error: io::Error) -> Error {
        unwritable(&self.name, error)
    }

    /// The identity that a link says.
    pub fn says(&self, link: &str) -> Option<String> {
        let text = fs::read_link(self.root.join(link)).ok()?;
        let identity = text.to_str()?.strip_prefix(BLOBS)?.strip_prefix('/')?;
        is_hex(identity, 64).then(|| identity.to_owned())
    }

    /// The bundle that a link leads to: its identity and its manifest.
    pub fn leads_to(&self, link: &str) -> Option<(String, Manifest)> {
        let identity = self.says(link)?;
        let manifest = Bundle::manifest_at(&self.bundle(&identity), &identity).ok()?;
        Some((identity, manifest))
    }

    /// The identity that `previous` says, where it is another one than that of `current`.
    pub fn previous(&self) -> Option<String> {
        self.says(PREVIOUS).filter(|identity| self.says(CURRENT).as_ref() != Some(identity))
    }

    /// Where the bundle of an identity is.
    pub fn bundle(&self, identity: &str) -> PathBuf {
        self.root.join(BLOBS).join(identity)
    }

    /// Whether the bundle of an identity is there and passes all its checks.
    pub fn is_whole(&self, identity: &str) -> bool {
        Bundle::open(self.bundle(identity), Some(identity), Mode::Full).is_ok()
    }

    /// Makes the folders that an update writes to.
    pub fn make_folders(&self) -> io::Result<()> {
        [BLOBS, STAGING].iter().try_for_each(|name| match make_folder(&self.root.join(name)) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made,
        })?;
        fs::create_dir(self.workspace())
    }

    /// Where a new bundle is written.
    pub fn staged(&self) -> PathBuf {
        self.workspace().join("bundle")
    }

    /// Steps (1) to (5) of the switch; `staged`: the bundle was written, and is not in its place yet.
    pub fn switch(&self, identity: &str, staged: bool) -> io::Result<()> {
        if staged {
            self.put_in_place(identity)?;
        }
        // Also where the bundle was there: whoever put it there may have been killed before this.
        sync_folder(&self.root.join(BLOBS))?;
        sync_folder(&self.root)?;
        let before = self.says(CURRENT);
        if before.as_deref() != Some(identity) {
            if let Some(before) = before.filter(|before| self.is_whole(before)) {
                self.link(PREVIOUS, &before)?;
            }
            self.link(CURRENT, identity)?;
        }
        sync_folder(&self.root)
    }

    /// Check V4: `current` and `previous`, which says `identity`, change places.
    pub fn swap(&self, identity: &str) -> io::Result<()> {
        let (current, previous) = (self.root.join(CURRENT), self.root.join(PREVIOUS));
        match self.says(CURRENT) {
            None => fs::rename(previous, current)?,
            Some(before) if !exchange(&current, &previous) => {
                self.make_folders()?;
                self.link(CURRENT, identity)?;
                self.link(PREVIOUS, &before)?;
            }
            Some(_) => {}
        }
        sync_folder(&self.root)
    }

    /// Removes the bundles that no link says, as far as that goes.
    pub fn sweep(&self) {
        let kept = [self.says(CURRENT), self.says(PREVIOUS)];
        let entries = fs::read_dir(self.root.join(BLOBS)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let forgotten: Vec<String> = names
            .filter(|name| is_hex(name, 64) && !kept.iter().flatten().any(|kept| kept == name))
            .collect();
        if forgotten.is_empty() {
            return;
        }
        // It may be there; where it cannot be made, the renames fail.
        let _ = fs::create_dir(self.workspace());
        for name in forgotten {
            let _ = fs::rename(self.bundle(&name), self.workspace().join(&name));
        }
        self.clear();
    }

    /// Step (1): the staged bundle gets its name; a damaged one of that name goes only where that succeeds.
    fn put_in_place(&self, identity: &str) -> io::Result<()> {
        let (staged, path) = (self.staged(), self.bundle(identity));
        if path.symlink_metadata().is_err() {
            return fs::rename(staged, path);
        }
        if exchange(&staged, &path) {
            return Ok(());
        }
        let damaged = self.workspace().join("damaged");
        fs::rename(&path, &damaged)?;
        fs::rename(staged, &path).inspect_err(|_| {
            // Else it would be deleted with the work in progress; the first error is the one to tell.
            let _ = fs::rename(damaged, &path);
        })
    }

    fn workspace(&self) -> PathBuf {
        self.root.join(STAGING).join("update")
    }

    /// Removes the work in progress; what stays is found again by whoever makes the folder anew.
    fn clear(&self) {
        let path = self.workspace();
        let _ = match path.symlink_metadata() {
            Ok(found) if !found.is_dir() => fs::remove_file(path),
            Ok(_) => fs::remove_dir_all(path),
            Err(error) => Err(error),
        };
    }

    /// Lets a link say an identity.
    fn link(&self, name: &str, identity: &str) -> io::Result<()> {
        let fresh = self.workspace().join(name);
        symlink(Path::new(BLOBS).join(identity), &fresh)?;
        fs::rename(fresh, self.root.join(name))
    }
}

fn unwritable(folder: &Path, error: io::Error) -> Error {
    let expected = "a folder that can be changed";
    Error::new("store_unwritable", folder.to_string_lossy(), expected, error.to_string())
}

/// Waits for the lock of a folder, which is held until the file is closed.
fn locked(folder: &Path) -> io::Result<File> {
    // Without that flag the opening of a pipe would wait for its other end.
    let file = File::options().read(true).custom_flags(libc::O_DIRECTORY).open(folder)?;
    loop {
        match file.lock() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done.map(|()| file),
        }
    }
}

/// A name, what may stand there, and whether that does.
type Rule = (&'static str, &'static str, fn(&FileType) -> bool);

/// Check U4 of the folder at `root`, which the caller calls `name`.
fn check_entries(root: &Path, name: &Path) -> Result<()> {
    let wanted: [Rule; 5] = [
        ("refs", "nothing", |_| false),
        (BLOBS, "a folder", FileType::is_dir),
        (STAGING, "a folder", FileType::is_dir),
        (CURRENT, "a symbolic link", FileType::is_symlink),
        (PREVIOUS, "a symbolic link", FileType::is_symlink),
    ];
    for (entry, expected, suits) in wanted {
        let found = root.join(entry).symlink_metadata();
        if found.is_ok_and(|found| !suits(&found.file_type())) {
            let (expected, found) = (format!("{expected} called `{entry}`"), "something else");
            return Err(Error::new("device_folder_unsuitable", name.to_string_lossy(), expected, found));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "device_parts.rs"]
mod parts;
