//! The types of elements.

/// The type of an element. Booleans are one byte, 0 or 1; `Float16` is 16 bits of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// `bool`
    Bool,
    /// `float16`
    Float16,
    /// `float32`
    Float32,
    /// `float64`
    Float64,
    /// `int16`
    Int16,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `int8`
    Int8,
    /// `string`
    String,
    /// `uint16`
    Uint16,
    /// `uint32`
    Uint32,
    /// `uint64`
    Uint64,
    /// `uint8`
    Uint8,
}

/// Each dtype with its word, its word in safetensors, its size in bytes and its number in ONNX.
const DTYPES: [(Dtype, &str, &str, usize, i32); 13] = [
    (Dtype::Bool, "bool", "BOOL", 1, 9),
    (Dtype::Float16, "float16", "F16", 2, 10),
    (Dtype::Float32, "float32", "F32", 4, 1),
    (Dtype::Float64, "float64", "F64", 8, 11),
    (Dtype::Int16, "int16", "I16", 2, 5),
    (Dtype::Int32, "int32", "I32", 4, 6),
    (Dtype::Int64, "int64", "I64", 8, 7),
    (Dtype::Int8, "int8", "I8", 1, 3),
    (Dtype::String, "string", "", 0, 8),
    (Dtype::Uint16, "uint16", "U16", 2, 4),
    (Dtype::Uint32, "uint32", "U32", 4, 12),
    (Dtype::Uint64, "uint64", "U64", 8, 13),
    (Dtype::Uint8, "uint8", "U8", 1, 2),
];

impl Dtype {
    /// The dtype of this word.
    pub fn from_word(word: &str) -> Option<Dtype> {
        DTYPES.iter().find(|row| row.1 == word).map(|row| row.0)
    }

    /// The dtype of this word in a safetensors header.
    pub(crate) fn from_safetensors(word: &str) -> Option<Dtype> {
        DTYPES.iter().find(|row| row.2 == word && !word.is_empty()).map(|row| row.0)
    }

    /// The dtype of this number in ONNX.
    pub(crate) fn from_onnx(number: i32) -> Option<Dtype> {
        DTYPES.iter().find(|row| row.4 == number).map(|row| row.0)
    }

    /// Its word in a manifest.
    pub fn word(self) -> &'static str {
        self.row().1
    }

    /// The size of an element in bytes; 0 for strings.
    pub fn size(self) -> usize {
        self.row().3
    }

    /// Its number in ONNX.
    #[cfg(feature = "capi")]
    pub(crate) fn onnx(self) -> i32 {
        self.row().4
    }

    /// Whether it is a floating-point type.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Dtype::Float16 | Dtype::Float32 | Dtype::Float64)
    }

    fn row(self) -> &'static (Dtype, &'static str, &'static str, usize, i32) {
        DTYPES.iter().find(|row| row.0 == self).expect("the table is complete")
    }
}

mod sealed {
    /// Keeps `Element` to the types whose every bit pattern is a value.
    pub trait Sealed: Copy + 'static {}
}

/// A Rust type that is an element of a tensor. Booleans and float16 go by bytes: not every byte is a `bool`,
/// and Rust has no stable 16-bit float.
pub trait Element: sealed::Sealed {
    /// The dtype that this type stands for.
    const DTYPE: Dtype;
}

macro_rules! element {
    ($($kind:ty => $dtype:ident),*) => {
        $(impl sealed::Sealed for $kind {}
        impl Element for $kind {
            const DTYPE: Dtype = Dtype::$dtype;
        })*
    };
}

element!(f32 => Float32, f64 => Float64, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64);
element!(u8 => Uint8, u16 => Uint16, u32 => Uint32, u64 => Uint64);

/// The bytes of elements.
pub(crate) fn bytes_of<T: Element>(elements: &[T]) -> &[u8] {
    // SAFETY: `Element` is sealed to numbers, which are plain bytes without padding.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), size_of_val(elements)) }
}

/// The elements that bytes hold; `None` where they do not start or end at whole elements.
pub(crate) fn elements_of<T: Element>(bytes: &[u8]) -> Option<&[T]> {
    // SAFETY: every bit pattern is a value of a number; `align_to` sees to the alignment.
    let (before, elements, after) = unsafe { bytes.align_to::<T>() };
    (before.is_empty() && after.is_empty()).then_some(elements)
}
