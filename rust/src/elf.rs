//! Is a file a whole library of ONNX Runtime for this machine, and what does it ask of a system? Asked before
//! its code runs (LIBRARY.md, checks L1 to L5): the loader crashes on a truncated file, and constructors of a
//! wrong one would run.

use crate::error::{Error, Result};
use crate::host;
use crate::json::{self, Value, text};
use crate::tables;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const ET_DYN: u64 = 3;
const PT_LOAD: u64 = 1;
const SHT_DYNAMIC: u64 = 6;
const SHT_DYNSYM: u64 = 11;
const SHT_VERDEF: u64 = 0x6fff_fffd;
const SHT_VERNEED: u64 = 0x6fff_fffe;
const DT_NEEDED: u64 = 1;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
const BASE: u64 = 1;
const WEAK: u64 = 2;
/// Sizes of the entries of ELF64.
const SEGMENT: u64 = 56;
const SECTION: u64 = 64;
const SYMBOL: usize = 24;
const DYNAMIC: usize = 16;

/// What a library states.
#[derive(Default)]
pub(crate) struct Stated {
    /// The names of the libraries that it needs, in its order.
    pub needed: Vec<String>,
    /// The folders where these may be: `DT_RUNPATH`, else `DT_RPATH`.
    pub folders: String,
    /// Each library of which it asks for versions, with their nodes, weak ones left out.
    pub asked: Vec<(String, Vec<String>)>,
    /// The version nodes that it defines.
    pub defined: Vec<String>,
}

/// What every library of ONNX Runtime exports.
pub(crate) fn entry() -> String {
    text(tables::library(), "entry")
}

/// Opens a file that was found (L1). A pipe is not waited for.
pub(crate) fn open(path: &Path) -> Result<File> {
    let unreadable = |error: io::Error| {
        let found = format!("{}: {error}", path.display());
        Error::new("library_not_found", ".", "a file that can be read", found)
    };
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(unreadable)?;
    let regular = file.metadata().map_err(unreadable)?.is_file();
    if regular { Ok(file) } else { Err(malformed(path, "no regular file")) }
}

fn malformed(path: &Path, found: &str) -> Error {
    let expected = "a whole ELF64 library of ONNX Runtime";
    Error::new("library_malformed", ".", expected, format!("{}: {found}", path.display()))
}

/// Checks the file that was opened at a path (L2 to L5).
pub(crate) fn check(path: &Path, file: &File) -> Result<Stated> {
    let malformed = |found: &str| malformed(path, found);
    let image = Image::of(file).ok_or_else(|| malformed("a file without a size"))?;
    let header = image.header().ok_or_else(|| malformed("no little-endian ELF64 file"))?;
    let machine = number(&header, 18, 2);
    if Some(machine) != own_machine() {
        let found = format!("{}: ELF machine {machine}", path.display());
        let expected = format!("a library for {}", host::arch());
        return Err(Error::new("library_architecture", ".", expected, found));
    }
    if number(&header, 16, 2) != ET_DYN {
        return Err(malformed("no shared library"));
    }
    if !image.has_whole_segments(&header) {
        return Err(malformed("no segment, or one that ends outside of the file"));
    }
    let sections = image.sections(&header).filter(|sections| !sections.is_empty());
    let sections = sections.ok_or_else(|| malformed("no section, or a section table outside of the file"))?;
    if !image.exports(&sections, &entry()) {
        return Err(malformed("a library that does not export OrtGetApiBase"));
    }
    image.stated(&sections).ok_or_else(|| malformed("what it needs stands outside of its sections"))
}

/// The version nodes that the library in a file defines, where it is one.
pub(crate) fn defined(path: &Path) -> Option<Vec<String>> {
    let file = open(path).ok()?;
    let image = Image::of(&file)?;
    let sections = image.sections(&image.header()?)?;
    Some(image.stated(&sections)?.defined)
}

fn own_machine() -> Option<u64> {
    let number = tables::target(host::arch())?.get("elf_machine").and_then(Value::as_int)?;
    u64::try_from(number).ok()
}

/// A number inside of an entry that was read whole.
fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    bytes[at..at + size].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// One of the limits of library.json: no linker writes a larger table, a longer list or a longer name.
fn limit(name: &str) -> u64 {
    tables::library().get("limits").map_or(0, |limits| json::number(limits, name))
}

/// How many more of something a section may state.
struct Room(u64);

impl Room {
    /// As many as the limit of this name.
    fn of(name: &str) -> Room {
        Room(limit(name))
    }

    /// Takes room for one; `None` where none is left.
    fn take(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }
}

/// A part of a section; `None` where it is not all there.
fn part(bytes: &[u8], at: u64, size: usize) -> Option<&[u8]> {
    bytes.get(usize::try_from(at).ok()?..)?.get(..size)
}

/// A name in a string table; `None` also where it is longer than a name may be.
fn name(strings: &[u8], at: u64) -> Option<String> {
    let rest = strings.get(usize::try_from(at).ok()?..)?;
    let most = usize::try_from(limit("name_bytes")).ok()?;
    let end = rest.iter().take(most + 1).position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}

struct Image<'a> {
    file: &'a File,
    size: u64,
}

impl Image<'_> {
    fn of(file: &File) -> Option<Image<'_>> {
        Some(Image { file, size: file.metadata().ok()?.len() })
    }

    /// Bytes of the file; `None` where they are not all there, more than a table may have, or no memory is
    /// left for them.
    fn read(&self, at: u64, length: u64) -> Option<Vec<u8>> {
        at.checked_add(length).filter(|end| *end <= self.size && length <= limit("table_bytes"))?;
        let length = usize::try_from(length).ok()?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).ok()?;
        bytes.resize(length, 0);
        self.file.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }

    fn header(&self) -> Option<Vec<u8>> {
        self.read(0, 64).filter(|header| header[..6] == *b"\x7fELF\x02\x01")
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

    fn sections(&self, header: &[u8]) -> Option<Vec<Vec<u8>>> {
        self.table(header, 40, 58, SECTION)
    }

    fn has_whole_segments(&self, header: &[u8]) -> bool {
        let whole = |row: &Vec<u8>| {
            let end = number(row, 8, 8).checked_add(number(row, 32, 8));
            number(row, 0, 4) != PT_LOAD || end.is_some_and(|end| end <= self.size)
        };
        self.table(header, 32, 54, SEGMENT).is_some_and(|rows| !rows.is_empty() && rows.iter().all(whole))
    }

    /// Whether the dynamic symbols hold a defined one of this name.
    fn exports(&self, sections: &[Vec<u8>], name: &str) -> bool {
        let Some(Some(found)) = self.section(sections, SHT_DYNSYM) else { return false };
        let wanted = [name.as_bytes(), b"\0"].concat();
        found.content.chunks_exact(SYMBOL).any(|row| {
            let named =
                found.strings.get(number(row, 0, 4) as usize..).is_some_and(|rest| rest.starts_with(&wanted));
            named && number(row, 6, 2) != 0
        })
    }

    /// The first section of a type; `None` where there is none, `Some(None)` where it is not all there.
    fn section(&self, sections: &[Vec<u8>], kind: u64) -> Option<Option<Section>> {
        let row = sections.iter().find(|row| number(row, 4, 4) == kind)?;
        let content = |row: &[u8]| self.read(number(row, 24, 8), number(row, 32, 8));
        let strings = || content(sections.get(usize::try_from(number(row, 40, 4)).ok()?)?);
        let whole =
            || Some(Section { content: content(row)?, strings: strings()?, count: number(row, 44, 4) });
        Some(whole())
    }

    /// What the library states; `None` where a part of that is outside of its section.
    fn stated(&self, sections: &[Vec<u8>]) -> Option<Stated> {
        let mut stated = Stated::default();
        if let Some(section) = self.section(sections, SHT_DYNAMIC) {
            section?.needs(&mut stated)?;
        }
        if let Some(section) = self.section(sections, SHT_VERNEED) {
            section?.requests(&mut stated.asked)?;
        }
        if let Some(section) = self.section(sections, SHT_VERDEF) {
            section?.definitions(&mut stated.defined)?;
        }
        Some(stated)
    }
}

/// A section with the names that it refers to.
struct Section {
    content: Vec<u8>,
    strings: Vec<u8>,
    count: u64,
}

impl Section {
    fn needs(&self, stated: &mut Stated) -> Option<()> {
        let mut old = None;
        let mut new = None;
        let mut room = Room::of("needed");
        for row in self.content.chunks_exact(DYNAMIC) {
            let (tag, value) = (number(row, 0, 8), number(row, 8, 8));
            match tag {
                0 => break,
                DT_NEEDED => {
                    room.take()?;
                    stated.needed.push(name(&self.strings, value)?);
                }
                DT_RPATH => old = Some(name(&self.strings, value)?),
                DT_RUNPATH => new = Some(name(&self.strings, value)?),
                _ => {}
            }
        }
        stated.folders = new.or(old).unwrap_or_default();
        Some(())
    }

    fn requests(&self, asked: &mut Vec<(String, Vec<String>)>) -> Option<()> {
        // The nodes of all entries together: entries may share them, and the work would be the product.
        let (mut room, mut room_for_nodes) = (Room::of("versions"), Room::of("versions"));
        self.walk(0, self.count, 16, &mut room, |at, row| {
            let library = name(&self.strings, number(row, 4, 4))?;
            let mut versions = Vec::new();
            let (first, count) = (at + number(row, 8, 4), number(row, 2, 2));
            self.walk(first, count, 16, &mut room_for_nodes, |_, node| {
                let version = name(&self.strings, number(node, 8, 4))?;
                if number(node, 4, 2) & WEAK == 0 {
                    versions.push(version);
                }
                Some(())
            })?;
            asked.push((library, versions));
            Some(())
        })
    }

    fn definitions(&self, defined: &mut Vec<String>) -> Option<()> {
        self.walk(0, self.count, 20, &mut Room::of("versions"), |at, row| {
            let node = part(&self.content, at + number(row, 12, 4), 8)?;
            let name = name(&self.strings, number(node, 0, 4))?;
            if number(row, 2, 2) & BASE == 0 {
                defined.push(name);
            }
            Some(())
        })
    }

    /// Visits the entries of a list, each with its place: the last word of one says how far behind it the next
    /// one stands, and 0 that there is none.
    fn walk(
        &self,
        mut at: u64,
        count: u64,
        size: usize,
        room: &mut Room,
        mut visit: impl FnMut(u64, &[u8]) -> Option<()>,
    ) -> Option<()> {
        for _ in 0..count {
            room.take()?;
            let row = part(&self.content, at, size)?;
            visit(at, row)?;
            match number(row, size - 4, 4) {
                0 => break,
                step => at += step,
            }
        }
        Some(())
    }
}

#[cfg(test)]
#[path = "elf_parts.rs"]
mod parts;
