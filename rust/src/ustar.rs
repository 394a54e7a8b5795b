//! The one spelling of a tar header that archives have (STORE.md, checks H1 to H5); touches no file.

use crate::error::{Error, Result};
use std::ops::Range;

/// Headers, and the content behind them, fill whole blocks of so many bytes.
pub(crate) const BLOCK: usize = 512;
/// The bytes of one block.
pub(crate) type Block = [u8; BLOCK];
/// Two of them end an archive.
pub(crate) const ZEROS: Block = [0; BLOCK];

const NAME: usize = 100;
const PREFIX: Range<usize> = 345..500;
const SIZE: Range<usize> = 124..136;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: Range<usize> = 257..265;
/// What stands behind the magic of POSIX tar is the version.
const USTAR: &[u8; 8] = b"ustar\x0000";
/// The largest size that eleven octal digits hold.
const MAX_SIZE: u64 = (1 << 33) - 1;

const FIELDS: [(&str, Range<usize>); 6] = [
    ("a mode", 100..108),
    ("an owner", 108..124),
    ("a time", 136..148),
    ("a link's target", 157..257),
    ("an owner's name", 265..329),
    ("a device", 329..345),
];

/// The 512 bytes that stand before a file's content; `None` where the format has no room for the path or
/// the size.
pub(crate) fn header(path: &str, size: u64) -> Option<Block> {
    let (prefix, name) = split(path)?;
    if size > MAX_SIZE {
        return None;
    }
    let mut block = ZEROS;
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644");
    put(108, b"0000000\x000000000");
    put(SIZE.start, format!("{size:011o}").as_bytes());
    put(136, b"00000000000");
    put(KIND, b"0");
    put(MAGIC.start, USTAR);
    put(329, b"0000000\x000000000");
    put(PREFIX.start, prefix.as_bytes());
    let sum = checksum(&block);
    block[CHECKSUM].copy_from_slice(&sum);
    Some(block)
}

/// How many zero bytes follow a content of `size` bytes.
pub(crate) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// The path and the size out of a header that is the writer's own (checks H1 to H5); `subject` is the entry
/// that should stand here.
///
/// # Errors
/// `archive_malformed`.
pub(crate) fn read(block: &Block, subject: &str) -> Result<(String, u64)> {
    let refuse =
        |expected: &str, found: String| Err(Error::new("archive_malformed", subject, expected, found));
    if block[CHECKSUM] != checksum(block) {
        return refuse("a header whose checksum is right", "another checksum".to_owned());
    }
    if block[MAGIC] != *USTAR {
        return refuse("a header of POSIX ustar", "another magic".to_owned());
    }
    if block[KIND] != b'0' {
        return refuse("a regular file", kind(block[KIND]));
    }
    let Some(size) = size(&block[SIZE]) else {
        return refuse("a size of eleven octal digits", "another spelling".to_owned());
    };
    let path = shown_path(block);
    let Some(right) = header(&path, size) else {
        return refuse("a path as the writer spells it", format!("`{path}`"));
    };
    if *block != right {
        let differs = |field: &&(&str, Range<usize>)| block[field.1.clone()] != right[field.1.clone()];
        let found = FIELDS.iter().find(differs).map_or_else(
            || format!("`{path}` in another spelling"),
            |(name, _)| format!("{name} of another spelling"),
        );
        return refuse("a header as the writer spells it", found);
    }
    Ok((path, size))
}

/// The field of the checksum; its own bytes count as blanks.
fn checksum(block: &Block) -> [u8; 8] {
    let all: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let own: u32 = block[CHECKSUM].iter().map(|byte| u32::from(*byte)).sum();
    let mut field = *b"000000\0 ";
    let sum = all - own + 8 * u32::from(b' ');
    field[..6].copy_from_slice(format!("{sum:06o}").as_bytes());
    field
}

/// The shortest prefix that leaves a name that fits, and that name.
fn split(path: &str) -> Option<(&str, &str)> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= NAME {
        return Some(("", path));
    }
    let from = path.len() - NAME - 1;
    let (prefix, name) = path.split_at(from + path[from..].find('/')?);
    let fits = !prefix.is_empty() && prefix.len() <= PREFIX.len() && name.len() > 1;
    fits.then(|| (prefix, &name[1..]))
}

/// A header's path for comparison and messages, each bad byte as U+FFFD.
fn shown_path(block: &Block) -> String {
    let text = |field: &[u8]| -> String {
        let bytes = field.iter().take_while(|byte| **byte != 0);
        bytes.map(|byte| if byte.is_ascii() { *byte as char } else { char::REPLACEMENT_CHARACTER }).collect()
    };
    let (name, prefix) = (text(&block[..NAME]), text(&block[PREFIX]));
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

fn size(field: &[u8]) -> Option<u64> {
    let (digits, end) = field.split_at(11);
    let octal = |sum: u64, byte: &u8| matches!(byte, b'0'..=b'7').then(|| sum << 3 | u64::from(byte - b'0'));
    (end == [0]).then(|| digits.iter().try_fold(0, octal))?
}

/// What an entry of another type is, for people.
fn kind(byte: u8) -> String {
    let word = match byte {
        0 => "a regular file of an older tar",
        b'1' => "a hard link",
        b'2' => "a symbolic link",
        b'3' | b'4' => "a device",
        b'5' => "a folder",
        b'6' => "a pipe",
        b'L' => "a long name of GNU tar",
        b'K' => "a long link name of GNU tar",
        b'S' => "a sparse file of GNU tar",
        b'g' | b'x' => "a pax header",
        _ => return format!("an entry of type '{}'", byte.escape_ascii()),
    };
    word.to_owned()
}
