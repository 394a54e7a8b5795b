//! What no update can be brought to: a rename that fails half-way, and folders that are none.

use super::{CURRENT, Device};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An empty folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("bundle-{name}-{}", std::process::id()));
        fs::create_dir(&path).expect("a new folder");
        Folder(fs::canonicalize(path).expect("the folder"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is no failure of the test.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_damaged_bundle_stays_where_nothing_can_take_its_place() {
    let (folder, identity) = (Folder::new("switch"), "a".repeat(64));
    let device = Device::take(&folder.0, true).expect("a folder");
    device.make_folders().expect("folders");
    fs::create_dir(device.bundle(&identity)).expect("a damaged bundle");
    // Nothing is staged: neither the exchange nor the second rename finds it.
    assert!(device.switch(&identity, true).is_err());
    assert!(device.bundle(&identity).is_dir() && device.says(CURRENT).is_none());
    fs::create_dir(device.staged()).expect("a new bundle");
    fs::write(device.staged().join("new"), "").expect("a file");
    device.switch(&identity, true).expect("it is switched to");
    assert!(device.bundle(&identity).join("new").is_file());
    assert_eq!(device.says(CURRENT), Some(identity));
}

#[test]
fn a_folder_is_made_resolved_once_and_called_as_the_caller_does() {
    let folder = Folder::new("take");
    let (link, inner) = (folder.0.join("link"), folder.0.join("outer/inner"));
    drop(Device::take(&inner, true).expect("a folder and the one on its way"));
    symlink(&inner, &link).expect("a link");
    let device = Device::take(&link, true).expect("a folder");
    fs::remove_file(&link).expect("the link");
    symlink("nowhere", &link).expect("another link");
    assert!(device.bundle("a").starts_with(&inner));
    let pipe = folder.0.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo starts").success());
    for wrong in [&link, &pipe, Path::new("")] {
        for make in [true, false] {
            let error = Device::take(wrong, make).err().expect("no folder");
            assert_eq!((error.code(), error.subject()), ("store_unwritable", &*wrong.to_string_lossy()));
        }
    }
    fs::write(inner.join("refs"), "").expect("a file");
    drop(device);
    fs::remove_file(&link).expect("the link");
    symlink(&inner, &link).expect("a link");
    let error = Device::take(&link, true).err().expect("a store");
    assert_eq!((error.code(), error.subject()), ("device_folder_unsuitable", &*link.to_string_lossy()));
}
