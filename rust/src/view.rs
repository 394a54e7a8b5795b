//! Tensors that a caller lends: inputs to read, buffers to write.

use crate::dtype::{Dtype, Element, bytes_of};
use crate::tensor::{Data, Tensor};
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// The elements of a lent tensor.
#[derive(Clone, Copy)]
pub(crate) enum Elements<'a> {
    Bytes(&'a [u8]),
    Strings(&'a [Vec<u8>]),
}

impl Elements<'_> {
    /// The number of bytes, or of strings.
    pub(crate) fn length(&self) -> usize {
        match self {
            Elements::Bytes(bytes) => bytes.len(),
            Elements::Strings(strings) => strings.len(),
        }
    }
}

/// A tensor that a caller lends for one call: C order, contiguous. Where it does not start at a multiple of
/// 16 bytes a call copies it to memory that does.
#[derive(Clone, Copy)]
pub struct TensorRef<'a> {
    /// `None` where the elements are of a kind that the format lacks, as big-endian ones.
    pub(crate) dtype: Option<Dtype>,
    pub(crate) shape: &'a [u64],
    pub(crate) elements: Elements<'a>,
}

/// The inputs of a call by name.
pub type Inputs<'a> = BTreeMap<&'a str, TensorRef<'a>>;

impl<'a> TensorRef<'a> {
    /// A tensor over a slice of numbers. That they fill the shape is checked by the call
    /// (`input_shape_mismatch`).
    pub fn new<T: Element>(shape: &'a [u64], elements: &'a [T]) -> Self {
        TensorRef::from_bytes(T::DTYPE, shape, bytes_of(elements))
    }

    /// A tensor over bytes: little-endian elements, booleans as 0 and 1. Not for strings.
    pub fn from_bytes(dtype: Dtype, shape: &'a [u64], bytes: &'a [u8]) -> Self {
        TensorRef { dtype: Some(dtype), shape, elements: Elements::Bytes(bytes) }
    }

    /// A tensor of strings, each as UTF-8 without U+0000 (`input_value`).
    pub fn from_strings(shape: &'a [u64], strings: &'a [Vec<u8>]) -> Self {
        TensorRef { dtype: Some(Dtype::String), shape, elements: Elements::Strings(strings) }
    }

    /// A tensor over memory of another language; `None` for a dtype that the format lacks.
    ///
    /// # Safety
    /// `start` is valid for reads of `length` bytes for as long as `'a`.
    #[doc(hidden)]
    pub unsafe fn from_raw(dtype: Option<Dtype>, shape: &'a [u64], start: *const u8, length: usize) -> Self {
        // SAFETY: the caller answers for it.
        let bytes = unsafe { std::slice::from_raw_parts(start, length) };
        TensorRef { dtype, shape, elements: Elements::Bytes(bytes) }
    }
}

impl<'a> From<&'a Tensor> for TensorRef<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        let elements = match &tensor.data {
            Data::Bytes(buffer) => Elements::Bytes(buffer.bytes()),
            Data::Strings(strings) => Elements::Strings(strings),
        };
        TensorRef { dtype: Some(tensor.dtype), shape: &tensor.shape, elements }
    }
}

/// Memory that a caller lends: a pointer, since another language may hand the same memory twice, which is found
/// and refused by its addresses before anything is written.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) start: *mut u8,
    pub(crate) length: usize,
    life: PhantomData<&'a mut [u8]>,
}

// SAFETY: it stands for an exclusive borrow of bytes, which may move to another thread.
unsafe impl Send for Place<'_> {}

impl Place<'_> {
    /// The bytes as they are now.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: made from a slice, or by `TensorMut::from_raw`, whose caller answers for it; only the
        // owner of the borrow, who runs the call, writes there.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }

    /// Fills the memory with as many bytes.
    pub(crate) fn fill(&self, bytes: &[u8]) {
        assert_eq!(bytes.len(), self.length, "sizes were compared before");
        // SAFETY: the place is valid for as many bytes and borrowed exclusively; `bytes` is memory of ours.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start, self.length) }
    }

    /// Whether two places share a byte.
    pub(crate) fn overlaps(&self, other: &Place) -> bool {
        let (a, b) = (self.start as usize, other.start as usize);
        self.length > 0 && other.length > 0 && a < b + other.length && b < a + self.length
    }
}

pub(crate) enum PlaceOrStrings<'a> {
    Place(Place<'a>),
    Strings(&'a mut [Vec<u8>]),
}

/// A buffer that a caller lends for a call to fill, or for a bound call to read again at every run.
pub struct TensorMut<'a> {
    pub(crate) dtype: Option<Dtype>,
    pub(crate) shape: &'a [u64],
    pub(crate) place: PlaceOrStrings<'a>,
}

/// Buffers by name.
pub type Buffers<'a> = BTreeMap<&'a str, TensorMut<'a>>;

impl<'a> TensorMut<'a> {
    /// A buffer over a slice of numbers, which must fill the shape (`buffer_unsuitable`).
    pub fn new<T: Element>(shape: &'a [u64], elements: &'a mut [T]) -> Self {
        let length = size_of_val(elements);
        let place = Place { start: elements.as_mut_ptr().cast(), length, life: PhantomData };
        TensorMut { dtype: Some(T::DTYPE), shape, place: PlaceOrStrings::Place(place) }
    }

    /// A buffer over bytes; `bind` wants it at a multiple of 16.
    pub fn from_bytes(dtype: Dtype, shape: &'a [u64], bytes: &'a mut [u8]) -> Self {
        TensorMut { dtype: Some(dtype), ..TensorMut::new(shape, bytes) }
    }

    /// Strings as the input of a bound call; no output can be of strings.
    pub fn from_strings(shape: &'a [u64], strings: &'a mut [Vec<u8>]) -> Self {
        TensorMut { dtype: Some(Dtype::String), shape, place: PlaceOrStrings::Strings(strings) }
    }

    /// A buffer over memory of another language; `None` for a dtype that the format lacks, and for memory that
    /// is no output's.
    ///
    /// # Safety
    /// `start` is valid for reads, and for a buffer that is filled for writes, of `length` bytes for as long
    /// as `'a`.
    #[doc(hidden)]
    pub unsafe fn from_raw(dtype: Option<Dtype>, shape: &'a [u64], start: *mut u8, length: usize) -> Self {
        let place = Place { start, length, life: PhantomData };
        TensorMut { dtype, shape, place: PlaceOrStrings::Place(place) }
    }

    /// What it holds now.
    pub(crate) fn view(&self) -> TensorRef<'_> {
        let elements = match &self.place {
            PlaceOrStrings::Place(place) => Elements::Bytes(place.bytes()),
            PlaceOrStrings::Strings(strings) => Elements::Strings(strings),
        };
        TensorRef { dtype: self.dtype, shape: self.shape, elements }
    }

    /// Its memory; `None` for strings.
    pub(crate) fn memory(&self) -> Option<Place<'a>> {
        if let PlaceOrStrings::Place(place) = &self.place { Some(*place) } else { None }
    }
}
