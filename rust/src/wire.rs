//! Tensors and errors as the driver's JSON spells them (DRIVER.md).

use crate::bundle::hex;
use crate::dtype::Dtype;
use crate::error::Error;
use crate::json::Value;
use crate::manifest::{Dim, Signature};
use crate::tensor::{Buffer, Data, Outputs, Tensor, count};
use crate::view::{Elements, TensorMut, TensorRef};
use std::collections::BTreeMap;

/// A tensor of a request. `dtype` is `None` where its elements are in big-endian order.
pub(crate) struct Given {
    pub dtype: Option<Dtype>,
    pub shape: Vec<u64>,
    pub data: Data,
}

impl Given {
    /// Lends the tensor to be written to, or to be read at every run.
    pub fn view_mut(&mut self) -> TensorMut<'_> {
        let mut lent = match &mut self.data {
            Data::Bytes(buffer) => TensorMut::new(&self.shape, buffer.bytes_mut()),
            Data::Strings(strings) => TensorMut::from_strings(&self.shape, strings),
        };
        lent.dtype = self.dtype;
        lent
    }

    /// Lends the tensor to be read.
    pub fn view(&self) -> TensorRef<'_> {
        let elements = match &self.data {
            Data::Bytes(buffer) => Elements::Bytes(buffer.bytes()),
            Data::Strings(strings) => Elements::Strings(strings),
        };
        TensorRef { dtype: self.dtype, shape: &self.shape, elements }
    }
}

/// Reads the member `key`, an object of tensors; without `data` each has zeros.
pub(crate) fn tensors(request: &Value, key: &str, with_data: bool) -> Option<BTreeMap<String, Given>> {
    let pair = |(name, value): (&String, &Value)| Some((name.clone(), given(value, with_data)?));
    request.get(key)?.as_object()?.iter().map(pair).collect()
}

/// No request carries as many bytes or strings as this, so a buffer of more is a misprint and not worth a crash.
const MOST_BUFFER: usize = 1 << 30;

/// One tensor of a request.
pub(crate) fn given(value: &Value, with_data: bool) -> Option<Given> {
    let dtype = Dtype::from_word(value.get("dtype")?.as_text()?)?;
    let size = |size: &Value| u64::try_from(size.as_int()?).ok();
    let shape: Vec<u64> = value.get("shape")?.as_array()?.iter().map(size).collect::<Option<_>>()?;
    let offset = value
        .get("offset")
        .map_or(Some(0), |offset| usize::try_from(offset.as_int()?).ok().filter(|offset| *offset < 16))?;
    let count = count(&shape)?;
    let length = count.checked_mul(dtype.size())?;
    let data = match (with_data, dtype) {
        (false, _) if count.max(length) > MOST_BUFFER => return None,
        (false, Dtype::String) => Data::Strings(Vec::new()),
        (false, _) => Data::Bytes(Buffer::zeroed(length, offset).ok()?),
        (true, Dtype::String) => {
            let texts = value.get("data")?.as_array()?;
            let strings = texts.iter().map(|text| unhex(text.as_text()?)).collect::<Option<_>>();
            Data::Strings(strings.filter(|strings: &Vec<_>| strings.len() == count)?)
        }
        (true, _) => {
            let bytes = unhex(value.get("data")?.as_text()?).filter(|bytes| bytes.len() == length)?;
            Data::Bytes(Buffer::copy(&bytes, offset).ok()?)
        }
    };
    let native = value.get("byte_order").and_then(Value::as_text) != Some("big") || dtype.size() < 2;
    Some(Given { dtype: Some(dtype).filter(|_| native), shape, data })
}

/// The bytes that hex digits stand for.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| Some((byte as char).to_digit(16)? as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect())?
}

/// Outputs for a reply.
pub(crate) fn outputs(outputs: &Outputs) -> Value {
    Value::Object(outputs.iter().map(|(name, tensor)| (name.clone(), output(tensor))).collect())
}

fn output(tensor: &Tensor) -> Value {
    let data = match &tensor.data {
        Data::Bytes(buffer) => Value::text(hex(buffer.bytes())),
        Data::Strings(strings) => Value::Array(strings.iter().map(|text| Value::text(hex(text))).collect()),
    };
    Value::object([
        ("dtype", Value::text(tensor.dtype.word())),
        ("shape", sizes(&tensor.shape)),
        ("data", data),
    ])
}

fn sizes(shape: &[u64]) -> Value {
    Value::Array(shape.iter().map(|size| Value::Int(*size as i64)).collect())
}

/// A list of texts.
pub(crate) fn texts<T: AsRef<str>>(list: &[T]) -> Value {
    Value::Array(list.iter().map(|text| Value::text(text.as_ref())).collect())
}

/// The signature of inputs or outputs for the reply of `open`.
pub(crate) fn signatures(list: &[Signature]) -> Value {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(size) => Value::Int(*size as i64),
        Dim::Symbol(symbol) => Value::text(symbol),
    };
    let row = |known: &Signature| {
        let shape = Value::Array(known.shape.iter().map(dim).collect());
        Value::object([
            ("name", Value::text(&known.name)),
            ("dtype", Value::text(known.dtype.word())),
            ("shape", shape),
        ])
    };
    Value::Array(list.iter().map(row).collect())
}

/// A failure for a reply.
pub(crate) fn failure(error: &Error) -> Value {
    let message = error.to_string();
    let fields = [
        ("code", error.code()),
        ("subject", error.subject()),
        ("expected", error.expected()),
        ("found", error.found()),
        ("message", &message),
    ];
    Value::object([
        ("ok", Value::Bool(false)),
        ("error", Value::object(fields.map(|(key, text)| (key, Value::text(text))))),
    ])
}
