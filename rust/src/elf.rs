//! Is a file a whole library of ONNX Runtime for this machine? Asked before its code runs (FORMAT.md
//! section 6): the loader crashes on a truncated file, and constructors of a wrong one would run.

use crate::error::{Error, Result};
use crate::host;
use crate::json::Value;
use crate::tables;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const PT_LOAD: u64 = 1;
const SHT_DYNSYM: u64 = 11;
/// Sizes of the entries of ELF64.
const SEGMENT: u64 = 56;
const SECTION: u64 = 64;
const SYMBOL: u64 = 24;
/// What every library of ONNX Runtime exports.
pub(crate) const ENTRY: &str = "OrtGetApiBase";

/// Checks a file that was found.
pub(crate) fn check(path: &Path) -> Result<()> {
    let unreadable = |error: io::Error| {
        let found = format!("{}: {error}", path.display());
        Error::new("library_not_found", ".", "a file that can be read", found)
    };
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?;
    let malformed = |found: &str| {
        let expected = "a whole ELF64 library of ONNX Runtime";
        Error::new("library_malformed", ".", expected, format!("{}: {found}", path.display()))
    };
    if !size.is_file() {
        return Err(malformed("no regular file"));
    }
    let image = Image { file, size: size.len() };
    let header = image.read(0, 64).filter(|header| header[..6] == *b"\x7fELF\x02\x01");
    let header = header.ok_or_else(|| malformed("no little-endian ELF64 file"))?;
    let machine = number(&header, 18, 2);
    if Some(machine) != own_machine() {
        let found = format!("{}: ELF machine {machine}", path.display());
        return Err(Error::new(
            "library_architecture",
            ".",
            format!("a library for {}", host::arch()),
            found,
        ));
    }
    if !image.has_whole_segments(&header) {
        return Err(malformed("a segment that ends outside of the file"));
    }
    let sections = image
        .table(&header, 40, 58, SECTION)
        .ok_or_else(|| malformed("a section table outside of the file"))?;
    if !image.exports(&sections, ENTRY) {
        return Err(malformed("a library that does not export OrtGetApiBase"));
    }
    Ok(())
}

fn own_machine() -> Option<u64> {
    let number = tables::target(host::arch())?.get("elf_machine").and_then(Value::as_int)?;
    u64::try_from(number).ok()
}

fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    bytes[at..at + size].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

struct Image {
    file: File,
    size: u64,
}

impl Image {
    /// Bytes of the file; `None` where they are not all there.
    fn read(&self, at: u64, length: u64) -> Option<Vec<u8>> {
        at.checked_add(length).filter(|end| *end <= self.size)?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }

    /// A table whose place, entry size and count stand in the header.
    fn table(&self, header: &[u8], place: usize, entry: usize, least: u64) -> Option<Vec<Vec<u8>>> {
        let (size, count) = (number(header, entry, 2), number(header, entry + 2, 2));
        if count > 0 && size < least {
            return None;
        }
        let bytes = self.read(number(header, place, 8), size * count)?;
        Some(bytes.chunks_exact(usize::try_from(size.max(1)).ok()?).map(<[u8]>::to_vec).collect())
    }

    fn has_whole_segments(&self, header: &[u8]) -> bool {
        let whole = |row: &Vec<u8>| {
            let end = number(row, 8, 8).checked_add(number(row, 32, 8));
            number(row, 0, 4) != PT_LOAD || end.is_some_and(|end| end <= self.size)
        };
        self.table(header, 32, 54, SEGMENT).is_some_and(|rows| !rows.is_empty() && rows.iter().all(whole))
    }

    /// Whether the dynamic symbols hold a defined one of this name. Without sections only loading can tell.
    fn exports(&self, sections: &[Vec<u8>], name: &str) -> bool {
        let Some(symbols) = sections.iter().find(|row| number(row, 4, 4) == SHT_DYNSYM) else {
            return sections.is_empty();
        };
        let content = |row: &[u8]| self.read(number(row, 24, 8), number(row, 32, 8));
        let strings =
            usize::try_from(number(symbols, 40, 4)).ok().and_then(|index| content(sections.get(index)?));
        let (Some(rows), Some(strings)) = (content(symbols), strings) else { return false };
        let wanted = [name.as_bytes(), b"\0"].concat();
        rows.chunks_exact(SYMBOL as usize).any(|row| {
            let named =
                strings.get(number(row, 0, 4) as usize..).is_some_and(|rest| rest.starts_with(&wanted));
            named && number(row, 6, 2) != 0
        })
    }
}
