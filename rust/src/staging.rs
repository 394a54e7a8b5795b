//! Files and folders that are on the disk before they get their name.

use crate::archive::{Archive, Entry};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// Writes the manifest and the listed files of an archive to a new folder, each synced, then its folders.
///
/// # Errors
/// What `refuse` makes of the file system's errors, and those of `Archive::pieces`.
pub(crate) fn write(archive: &Archive, folder: &Path, refuse: impl Fn(io::Error) -> Error) -> Result<()> {
    let parents = |entry: &Entry| -> Vec<PathBuf> {
        entry.path.match_indices('/').map(|(end, _)| folder.join(&entry.path[..end])).collect()
    };
    let mut folders: BTreeSet<PathBuf> = archive.entries.iter().flat_map(parents).collect();
    folders.insert(folder.to_owned());
    // A folder stands before those inside it.
    folders.iter().try_for_each(|path| make_folder(path)).map_err(&refuse)?;
    for entry in &archive.entries {
        let path = folder.join(&entry.path);
        let file = File::options().write(true).create_new(true).mode(FILE_MODE).open(path);
        let mut file = file.map_err(&refuse)?;
        archive.pieces(entry, |piece| file.write_all(piece).map_err(&refuse))?;
        file.set_permissions(Permissions::from_mode(FILE_MODE)).map_err(&refuse)?;
        file.sync_all().map_err(&refuse)?;
    }
    folders.iter().try_for_each(|path| sync_folder(path)).map_err(&refuse)
}

/// Makes a folder where none is, with those on its way, each of them on the disk.
pub(crate) fn make_path(path: &Path) -> io::Result<()> {
    // Of a relative path the last one is the empty name of the folder that holds it.
    let missing: Vec<&Path> =
        path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    fs::create_dir_all(path)?;
    let holders = missing.iter().filter_map(|path| path.parent());
    holders
        .map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path })
        .try_for_each(sync_folder)
}

/// Makes a folder that everybody may read, whatever this process takes away from the modes of its files.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().create(path)?;
    fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))
}

/// Syncs the names in a folder to the disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether two entries of a file system have changed places, in one step. Else nothing happened, and the caller
/// renames them one after the other: systems and profiles of containers refuse this call with many errors, and
/// what is wrong with the entries themselves those renames say as well.
pub(crate) fn exchange(one: &Path, other: &Path) -> bool {
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (Ok(one), Ok(other)) = (text(one), text(other)) else { return false };
    // The call and not the function of the C library, which older ones lack.
    // SAFETY: both are C strings that live through the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            one.as_ptr(),
            libc::AT_FDCWD,
            other.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    };
    done == 0
}
