//! Frames of a sensor out of a stream of bytes that may lie.
//!
//! A frame is `FRM1`, the payload's length in bytes (u32), the payload, and the CRC-32 of the payload (u32, as in
//! zlib); numbers are little-endian. After a fault the reader looks for the next `FRM1`, so one bad frame costs
//! that frame alone. It holds one frame in memory, whatever the stream announces.

use std::io::{self, Read};

const MAGIC: &[u8; 4] = b"FRM1";
const HEAD: usize = 8;
const TAIL: usize = 4;

/// What is wrong with a piece of the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No frame begins here.
    Noise,
    /// The length is not that of the model's input.
    Length,
    /// The payload is not the one that was sent.
    Checksum,
    /// The stream ends inside of a frame.
    Truncated,
}

impl Fault {
    /// The word that is reported.
    pub fn word(self) -> &'static str {
        match self {
            Fault::Noise => "noise",
            Fault::Length => "length",
            Fault::Checksum => "checksum",
            Fault::Truncated => "truncated",
        }
    }
}

/// The frames of a stream.
pub struct Frames<R> {
    stream: R,
    buffer: Vec<u8>,
    filled: usize,
    lost: bool,
}

impl<R: Read> Frames<R> {
    /// Frames with payloads of `size` bytes.
    pub fn new(stream: R, size: usize) -> Self {
        Frames { stream, buffer: vec![0; HEAD + size + TAIL], filled: 0, lost: false }
    }

    /// Copies the next payload to `payload`; `None` at the end of the stream. After a fault the next call goes on.
    ///
    /// # Errors
    /// As the stream says.
    pub fn next(&mut self, payload: &mut [u8]) -> io::Result<Option<Result<(), Fault>>> {
        loop {
            self.fill()?;
            if self.filled == 0 {
                return Ok(None);
            }
            let fault = match self.judge() {
                None => {
                    payload.copy_from_slice(&self.buffer[HEAD..self.buffer.len() - TAIL]);
                    (self.filled, self.lost) = (0, false);
                    return Ok(Some(Ok(())));
                }
                Some(fault) => fault,
            };
            let reported = fault == Fault::Noise && self.lost;
            self.lost = true;
            if fault == Fault::Truncated {
                // The stream ends here: what looks like a beginning inside of this frame is none.
                self.filled = 0;
            } else {
                self.skip();
            }
            if !reported {
                return Ok(Some(Err(fault)));
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        while self.filled < self.buffer.len() {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => break,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What is wrong with the frame at the beginning of the buffer.
    fn judge(&self) -> Option<Fault> {
        let held = &self.buffer[..self.filled];
        if !held.starts_with(&MAGIC[..held.len().min(MAGIC.len())]) {
            return Some(Fault::Noise);
        }
        let number = |at: usize| Some(u32::from_le_bytes(held.get(at..at + 4)?.try_into().ok()?));
        let end = self.buffer.len() - TAIL;
        if number(4).is_some_and(|length| length as usize != end - HEAD) {
            return Some(Fault::Length);
        }
        match number(end) {
            None => Some(Fault::Truncated),
            Some(sum) => (sum != crc32(&held[HEAD..end])).then_some(Fault::Checksum),
        }
    }

    /// Drops what stands before the next place where a frame can begin.
    fn skip(&mut self) {
        let held = &self.buffer[..self.filled];
        let begins = |at: &usize| held[*at..].starts_with(&MAGIC[..MAGIC.len().min(held.len() - at)]);
        let next = (1..held.len()).find(begins).unwrap_or(held.len());
        self.buffer.copy_within(next..self.filled, 0);
        self.filled -= next;
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}
