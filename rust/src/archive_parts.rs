//! Every byte of an archive, changed.

use super::{Archive, BLOCK, Entry, MANIFEST};
use crate::manifest::Manifest;
use crate::ustar;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

fn entry(archive: &mut Vec<u8>, path: &str, content: &[u8]) {
    let size = content.len() as u64;
    archive.extend(ustar::header(path, size).expect("a path that fits"));
    archive.extend(content);
    archive.extend(vec![0; ustar::padding(size) as usize]);
}

/// A small bundle with a statement, as an archive.
fn made() -> Vec<u8> {
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/cases/valid/self_test_passes/bundle");
    let read = |path: &str| fs::read(bundle.join(path)).expect("a file");
    let manifest = Manifest::parse(&read(MANIFEST)).expect("a manifest");
    let mut archive = Vec::new();
    entry(&mut archive, MANIFEST, &read(MANIFEST));
    manifest.files.iter().for_each(|file| entry(&mut archive, &file.path, &read(&file.path)));
    entry(&mut archive, "attest/report.json", b"{}");
    archive.extend([0; 2 * BLOCK]);
    archive
}

#[test]
fn only_contents_can_be_others_and_no_byte_stops_the_process() {
    let bytes = made();
    let path = std::env::temp_dir().join(format!("bundle-archive-{}", std::process::id()));
    fs::write(&path, &bytes).expect("a file");
    let archive = Archive::open(&path, None, None).expect("a sound archive");
    let place = |entry: &Entry| entry.offset..entry.offset + entry.size;
    let (manifest, listed) = (place(&archive.entries[0]), &archive.entries[1..]);
    let mut free: Vec<_> = listed.iter().map(place).collect();
    let statement = (bytes.len() - 3 * BLOCK) as u64;
    free.push(statement..statement + 2);
    let file = File::options().write(true).open(&path).expect("the file");
    for (at, byte) in (0..).zip(&bytes) {
        for mask in [1, 0x80, 0xff] {
            file.write_all_at(&[byte ^ mask], at).expect("a write");
            let taken = Archive::open(&path, None, None).is_ok();
            // A manifest with another byte may be one as well.
            let right = manifest.contains(&at) || taken == free.iter().any(|content| content.contains(&at));
            assert!(right, "byte {at}, mask {mask}");
        }
        file.write_all_at(&[*byte], at).expect("a write");
    }
    for length in (0..bytes.len() as u64).rev() {
        file.set_len(length).expect("a shorter file");
        assert!(Archive::open(&path, None, None).is_err(), "{length} bytes");
    }
    // A file that stays is no failure of the test.
    let _ = fs::remove_file(path);
}
