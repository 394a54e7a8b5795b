//! The limits of what is read of a library, and a pipe in place of one.

use super::{DT_NEEDED, DT_RUNPATH, Section, Stated, limit, open};
use std::process::Command;

/// The bytes of little-endian numbers, each of so many bytes.
fn row(numbers: &[(u64, usize)]) -> Vec<u8> {
    numbers.iter().flat_map(|(number, size)| number.to_le_bytes()[..*size].to_vec()).collect()
}

/// A name of so many bytes.
fn strings(length: u64) -> Vec<u8> {
    let mut strings = vec![b'n'; usize::try_from(length).expect("a length")];
    strings.push(0);
    strings
}

fn needs(tag: u64, count: u64, length: u64) -> Option<()> {
    let content = row(&[(tag, 8), (0, 8)]).repeat(usize::try_from(count).expect("a count"));
    Section { content, strings: strings(length), count: 0 }.needs(&mut Stated::default())
}

/// As many entries, which share nodes, each of which the next one follows.
fn requests(entries: u64, nodes: u64, length: u64) -> Option<()> {
    let mut content = Vec::new();
    for index in 0..entries {
        let first = 16 * (entries - index);
        content.extend(row(&[(1, 2), (nodes, 2), (0, 4), (first, 4), (16, 4)]));
    }
    content.extend(row(&[(0, 4), (0, 4), (0, 4), (16, 4)]).repeat(usize::try_from(nodes).expect("a count")));
    Section { content, strings: strings(length), count: entries }.requests(&mut Vec::new())
}

#[test]
fn lists_and_names_have_limits() {
    let (needed, name) = (limit("needed"), limit("name_bytes"));
    assert!(needs(DT_NEEDED, needed, 1).is_some() && needs(DT_NEEDED, needed + 1, 1).is_none());
    for tag in [DT_NEEDED, DT_RUNPATH] {
        assert!(needs(tag, 1, name).is_some() && needs(tag, 1, name + 1).is_none());
    }
    assert!(requests(1, 1, name).is_some() && requests(1, 1, name + 1).is_none());
    let versions = limit("versions");
    assert!(requests(versions, 1, 1).is_some() && requests(versions + 1, 0, 1).is_none());
    assert!(requests(2, versions / 2, 1).is_some() && requests(2, versions / 2 + 1, 1).is_none());
}

#[test]
fn a_pipe_is_not_waited_for() {
    let path = std::env::temp_dir().join(format!("bundle-pipe-{}", std::process::id()));
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo starts").success());
    assert_eq!(open(&path).expect_err("no regular file").code(), "library_malformed");
    // A pipe that stays is no failure of the test.
    let _ = std::fs::remove_file(path);
}
