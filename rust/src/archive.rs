//! Reads an archive by the checks A1 to A7 of STORE.md, before a byte of it is written anywhere.
//!
//! Nothing is allocated by a size that the archive announces: the manifest is read once its size was found
//! to be within the limit and inside the file, and contents go through a buffer of a fixed size.

use crate::bundle::{MANIFEST, hex};
use crate::consistency::is_component;
use crate::error::{Error, Result};
use crate::json::number;
use crate::manifest::{MAX_BYTES, Manifest};
use crate::tables;
use crate::ustar::{self, BLOCK, Block};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The folder of the statements, which decide nothing.
const ATTEST: &str = "attest";
/// What is read at once.
const CHUNK: usize = 1 << 16;

/// A file in an archive.
pub(crate) struct Entry {
    /// Its path in the bundle.
    pub path: String,
    offset: u64,
    size: u64,
}

impl Entry {
    /// Where the header after it begins.
    fn end(&self) -> u64 {
        self.offset + self.size + ustar::padding(self.size)
    }
}

/// An open archive whose manifest and headers are checked; contents are not.
pub(crate) struct Archive {
    source: Source,
    /// Its checked manifest.
    pub manifest: Manifest,
    /// The SHA-256 of the manifest.
    pub identity: String,
    /// `bundle.json` and the listed files, in manifest order.
    pub entries: Vec<Entry>,
}

impl Archive {
    /// Opens the file at `path`. `digest` is the identity that it must have; a file longer than `max_bytes`,
    /// or than store.json says, is refused.
    ///
    /// # Errors
    /// By the checks A1 to A7; for any bytes there is no other failure.
    pub fn open(path: &Path, digest: Option<&str>, max_bytes: Option<u64>) -> Result<Archive> {
        let source = Source::open(path)?;
        let limit = max_bytes.unwrap_or_else(|| limit("max_bytes"));
        if source.length > limit {
            let found = format!("{} bytes", source.length);
            return Err(Error::new("archive_too_large", ".", format!("at most {limit} bytes"), found));
        }
        let first = source.manifest_entry()?;
        let mut bytes = empty(first.size as usize)?;
        source.pieces(&first, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        let identity = hex(&Sha256::digest(&bytes));
        if let Some(digest) = digest.filter(|digest| *digest != identity) {
            return Err(Error::new("bundle_digest_mismatch", MANIFEST, digest, identity));
        }
        let manifest = Manifest::parse(&bytes)?;
        let mut entries = vec![first];
        source.listed(&manifest, &mut entries)?;
        let end = source.statements(entries.last().map_or(0, Entry::end))?;
        source.check_end(end)?;
        Ok(Archive { source, manifest, identity, entries })
    }

    /// Hands out the content of an entry, piece by piece; it is not compared with any digest.
    ///
    /// # Errors
    /// `archive_truncated` or `archive_not_found` where the archive changed since it was opened, and those of
    /// `each`.
    pub fn pieces(&self, entry: &Entry, each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.source.pieces(entry, each)
    }
}

/// Room for so many bytes, where there is that much memory.
fn empty(count: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match bytes.try_reserve_exact(count) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Error::new("internal_error", ".", "memory to read an archive", error.to_string())),
    }
}

fn limit(name: &str) -> u64 {
    tables::store().get("archive").map_or(0, |limits| number(limits, name))
}

fn malformed(subject: &str, expected: &str, found: impl Into<String>) -> Error {
    Error::new("archive_malformed", subject, expected, found)
}

fn unexpected(subject: &str, expected: &str, path: &str) -> Error {
    Error::new("archive_entry_unexpected", subject, expected, format!("`{path}`"))
}

fn unreadable(found: impl ToString) -> Error {
    Error::new("archive_not_found", ".", "an archive that can be read", found.to_string())
}

/// The bytes of an archive.
struct Source {
    file: File,
    length: u64,
}

impl Source {
    /// Check A1. A pipe is not waited for.
    fn open(path: &Path) -> Result<Source> {
        let file =
            File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
        let status = file.metadata().map_err(unreadable)?;
        if !status.is_file() {
            return Err(unreadable("something that is no regular file"));
        }
        Ok(Source { file, length: status.len() })
    }

    /// Check A3.
    fn manifest_entry(&self) -> Result<Entry> {
        let first = self.entry(MANIFEST, 0)?;
        if first.size > MAX_BYTES as u64 {
            let found = format!("{} bytes", first.size);
            return Err(Error::new("manifest_too_large", "", format!("at most {MAX_BYTES} bytes"), found));
        }
        self.check_content(&first)?;
        Ok(first)
    }

    /// Check A5: adds the listed files behind the manifest's entry.
    fn listed(&self, manifest: &Manifest, entries: &mut Vec<Entry>) -> Result<()> {
        for file in &manifest.files {
            let entry = self.entry(&file.path, entries.last().map_or(0, Entry::end))?;
            if entry.size != file.size {
                let found = format!("{} bytes", entry.size);
                let expected = format!("{} bytes", file.size);
                return Err(Error::new("file_size_mismatch", &file.path, expected, found));
            }
            self.check_content(&entry)?;
            entries.push(entry);
        }
        Ok(())
    }

    /// Check A6: where the zero block behind the statements begins.
    fn statements(&self, mut offset: u64) -> Result<u64> {
        let (most, most_bytes) = (limit("max_statements"), limit("max_statement_bytes"));
        let mut found: Vec<String> = Vec::new();
        let mut total = 0;
        loop {
            let block = self.block(offset, ATTEST)?;
            if block == ustar::ZEROS {
                return Ok(offset);
            }
            let (path, size) = ustar::read(&block, ATTEST)?;
            check_statement(&path, &found)?;
            total += size;
            if total > most_bytes || found.len() as u64 == most {
                let expected = format!("at most {most} statements of {most_bytes} bytes");
                return Err(Error::new("archive_too_large", ATTEST, expected, "more"));
            }
            let entry = Entry { path, offset: offset + BLOCK as u64, size };
            self.check_content(&entry)?;
            offset = entry.end();
            found.push(entry.path);
        }
    }

    /// Check A7, with the first zero block at `offset`.
    fn check_end(&self, offset: u64) -> Result<()> {
        if self.block(offset + BLOCK as u64, ".")? != ustar::ZEROS {
            return Err(malformed(".", "two zero blocks at the end", "something after one"));
        }
        let end = offset + 2 * BLOCK as u64;
        if end != self.length {
            let found = format!("{} bytes more", self.length.saturating_sub(end));
            return Err(malformed(".", "nothing after the two zero blocks", found));
        }
        Ok(())
    }

    /// The header at `offset`, which must be that of `path`.
    fn entry(&self, path: &str, offset: u64) -> Result<Entry> {
        let block = self.block(offset, path)?;
        if block == ustar::ZEROS {
            return Err(Error::new("file_missing", path, "this file next", "the end of the archive"));
        }
        let (found, size) = ustar::read(&block, path)?;
        if found != path {
            return Err(unexpected(path, "this file next", &found));
        }
        Ok(Entry { path: found, offset: offset + BLOCK as u64, size })
    }

    /// A content and its padding are inside the file, and the padding is zero.
    fn check_content(&self, entry: &Entry) -> Result<()> {
        if entry.end() > self.length {
            let expected = format!("{} bytes and padding", entry.size);
            let found = format!("{} bytes", self.length.saturating_sub(entry.offset));
            return Err(Error::new("archive_truncated", &entry.path, expected, found));
        }
        let mut padding = ustar::ZEROS;
        let padding = &mut padding[..ustar::padding(entry.size) as usize];
        self.read(padding, entry.offset + entry.size, &entry.path)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(malformed(&entry.path, "zeros behind the content", "other bytes"));
        }
        Ok(())
    }

    fn pieces(&self, entry: &Entry, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut buffer = empty(CHUNK)?;
        buffer.resize(CHUNK, 0);
        let mut done = 0;
        while done < entry.size {
            let piece = &mut buffer[..(entry.size - done).min(CHUNK as u64) as usize];
            self.read(piece, entry.offset + done, &entry.path)?;
            each(piece)?;
            done += piece.len() as u64;
        }
        Ok(())
    }

    fn block(&self, offset: u64, subject: &str) -> Result<Block> {
        let mut block = ustar::ZEROS;
        self.read(&mut block, offset, subject)?;
        Ok(block)
    }

    fn read(&self, buffer: &mut [u8], offset: u64, subject: &str) -> Result<()> {
        let refuse = |error: io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => {
                Error::new("archive_truncated", subject, "a whole archive", "one that ends here")
            }
            _ => unreadable(error),
        };
        self.file.read_exact_at(buffer, offset).map_err(refuse)
    }
}

/// The path of A6.
fn check_statement(path: &str, before: &[String]) -> Result<()> {
    let name = path.strip_prefix(ATTEST).and_then(|rest| rest.strip_prefix('/'));
    if !name.is_some_and(is_component) {
        return Err(unexpected(ATTEST, "a statement or the end", path));
    }
    let follows = before.last().is_none_or(|last| **last < *path);
    if !follows || before.iter().any(|other| other.eq_ignore_ascii_case(path)) {
        return Err(unexpected(ATTEST, "a name behind those before", path));
    }
    Ok(())
}

#[cfg(test)]
#[path = "archive_parts.rs"]
mod parts;
