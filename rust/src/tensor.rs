//! Memory that is aligned for ONNX Runtime, and tensors that own it.

use crate::dtype::{Dtype, Element};
use std::alloc::{Layout, alloc_zeroed};
use std::collections::BTreeMap;

/// The address of a buffer must be a multiple of this.
pub(crate) const ALIGNMENT: usize = 16;

/// Bytes that start at a chosen offset from a multiple of 16.
#[derive(Clone)]
pub(crate) struct Buffer {
    // Every u128 starts at a multiple of 16 (checked by a test), so no own allocator is needed.
    words: Vec<u128>,
    offset: usize,
    length: usize,
}

impl Buffer {
    /// `length` zero bytes, `offset` (below 16) above a multiple of 16; where memory is short, a refusal and not
    /// the end of the process. The spare word gives an empty buffer an address.
    pub(crate) fn zeroed(length: usize, offset: usize) -> Result<Buffer, String> {
        let words = zeroed_words((length + offset) / ALIGNMENT + 1);
        let words = words.ok_or_else(|| format!("no memory for {length} bytes"))?;
        Ok(Buffer { words, offset: offset % ALIGNMENT, length })
    }

    /// A copy of `bytes` at an offset.
    pub(crate) fn copy(bytes: &[u8], offset: usize) -> Result<Buffer, String> {
        let mut buffer = Buffer::zeroed(bytes.len(), offset)?;
        buffer.bytes_mut().copy_from_slice(bytes);
        Ok(buffer)
    }

    /// A copy of parts that have `length` bytes together.
    pub(crate) fn joined<'a>(length: usize, parts: impl Iterator<Item = &'a [u8]>) -> Result<Buffer, String> {
        let mut buffer = Buffer::zeroed(length, 0)?;
        let mut rest = buffer.bytes_mut();
        for part in parts {
            rest.split_off_mut(..part.len()).expect("the parts fill the whole").copy_from_slice(part);
        }
        Ok(buffer)
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: a u128 is 16 initialised bytes, and offset + length is within them (`zeroed`).
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast::<u8>().add(self.offset), self.length) }
    }

    /// The bytes, to write to.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the borrow of self is exclusive.
        unsafe {
            std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast::<u8>().add(self.offset), self.length)
        }
    }
}

/// As `vec![0; count]`, which ends the process where memory is short.
fn zeroed_words(count: usize) -> Option<Vec<u128>> {
    let layout = Layout::array::<u128>(count).ok().filter(|layout| layout.size() > 0)?;
    // SAFETY: the layout is not empty.
    let start = unsafe { alloc_zeroed(layout) }.cast::<u128>();
    // SAFETY: `count` zero words, of the allocator and with the layout by which the list frees them.
    (!start.is_null()).then(|| unsafe { Vec::from_raw_parts(start, count, count) })
}

/// Whether bytes start at a multiple of 16; where there are none, nothing starts anywhere.
pub(crate) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.is_empty() || (bytes.as_ptr() as usize).is_multiple_of(ALIGNMENT)
}

/// The elements of a tensor.
#[derive(Clone)]
pub(crate) enum Data {
    Bytes(Buffer),
    Strings(Vec<Vec<u8>>),
}

/// A tensor that owns its elements: little-endian, C order, starting at a multiple of 16 bytes.
#[derive(Clone)]
pub struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    pub(crate) data: Data,
}

/// The outputs of a call by name.
pub type Outputs = BTreeMap<String, Tensor>;

impl Tensor {
    /// A tensor of numbers or booleans from a copy of its bytes, which must fill the shape.
    pub(crate) fn copy(dtype: Dtype, shape: Vec<u64>, bytes: &[u8]) -> Result<Tensor, String> {
        Ok(Tensor { dtype, shape, data: Data::Bytes(Buffer::copy(bytes, 0)?) })
    }

    /// The type of its elements.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The size of each axis.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Its elements; `None` where they are not of this type.
    pub fn elements<T: Element>(&self) -> Option<&[T]> {
        if T::DTYPE == self.dtype { crate::dtype::elements_of(self.bytes()) } else { None }
    }

    /// Its bytes; none where it holds strings.
    pub fn bytes(&self) -> &[u8] {
        if let Data::Bytes(buffer) = &self.data { buffer.bytes() } else { &[] }
    }

    /// Its bytes, to write to, for a program that takes the memory over; none where it holds strings.
    #[doc(hidden)]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        if let Data::Bytes(buffer) = &mut self.data { buffer.bytes_mut() } else { &mut [] }
    }

    /// Its strings, each as UTF-8; none where it holds numbers.
    pub fn strings(&self) -> &[Vec<u8>] {
        if let Data::Strings(strings) = &self.data { strings } else { &[] }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({} {:?})", self.dtype.word(), self.shape)
    }
}

/// The number of elements of a shape; `None` where it overflows.
pub(crate) fn count(shape: &[u64]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(usize::try_from(*size).ok()?))
        .filter(|count| *count <= isize::MAX as usize / 16)
}
