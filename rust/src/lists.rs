//! Tensors as nested lists, for a person (DRIVER.md: `BUNDLE --input FILE`).

use crate::dtype::Dtype;
use crate::half;
use crate::json::Value;
use crate::manifest::Signature;
use crate::tensor::{Buffer, Data, Outputs, Tensor};
use crate::tolerance::numbers;
use crate::wire::{self, Given};
use std::collections::BTreeMap;

/// How numbers that JSON lacks are written.
const SPECIAL: [(&str, f64); 3] =
    [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];

/// Reads an object of tensors by name, and whether any came in the exact form of the protocol. A nested list
/// takes the dtype of the input of its name.
pub(crate) fn read(tree: &Value, known: &[Signature]) -> Result<(BTreeMap<String, Given>, bool), String> {
    let members = tree.as_object().ok_or("no JSON object")?;
    let dtype = |name: &str| {
        known.iter().find(|known| known.name == name).map_or(Dtype::Float32, |known| known.dtype)
    };
    let tensor = |(name, value): (&String, &Value)| {
        let given = match value {
            Value::Object(_) => wire::given(value, true),
            _ => nested(value, dtype(name)),
        };
        Ok((name.clone(), given.ok_or_else(|| format!("`{name}` is no tensor"))?))
    };
    let exact = members.values().any(|value| value.as_object().is_some());
    Ok((members.iter().map(tensor).collect::<Result<_, String>>()?, exact))
}

fn nested(value: &Value, dtype: Dtype) -> Option<Given> {
    let (mut shape, mut level) = (Vec::new(), value);
    while let Some(list) = level.as_array() {
        shape.push(list.len() as u64);
        match list.first() {
            Some(first) => level = first,
            None => break,
        }
    }
    let mut cells = Vec::new();
    flatten(value, &shape, &mut cells)?;
    let data = if dtype == Dtype::String {
        Data::Strings(
            cells.iter().map(|cell| Some(cell.as_text()?.as_bytes().to_vec())).collect::<Option<_>>()?,
        )
    } else {
        let bytes: Vec<Vec<u8>> = cells.iter().map(|cell| element(cell, dtype)).collect::<Option<_>>()?;
        Data::Bytes(Buffer::copy(&bytes.concat(), 0).ok()?)
    };
    Some(Given { dtype: Some(dtype), shape, data })
}

/// Collects the cells; `None` where lists are of unequal length.
fn flatten<'a>(value: &'a Value, shape: &[u64], cells: &mut Vec<&'a Value>) -> Option<()> {
    match (value, shape) {
        (Value::Array(list), [size, rest @ ..]) if list.len() as u64 == *size => {
            list.iter().try_for_each(|value| flatten(value, rest, cells))
        }
        (Value::Array(_), _) | (_, [_, ..]) => None,
        (cell, []) => {
            cells.push(cell);
            Some(())
        }
    }
}

fn element(cell: &Value, dtype: Dtype) -> Option<Vec<u8>> {
    macro_rules! integer {
        ($kind:ty) => {
            <$kind>::try_from(whole(cell)?).ok()?.to_le_bytes().to_vec()
        };
    }
    Some(match dtype {
        Dtype::Bool => vec![u8::from(cell.as_bool()?)],
        Dtype::Int8 => integer!(i8),
        Dtype::Int16 => integer!(i16),
        Dtype::Int32 => integer!(i32),
        Dtype::Int64 => integer!(i64),
        Dtype::Uint8 => integer!(u8),
        Dtype::Uint16 => integer!(u16),
        Dtype::Uint32 => integer!(u32),
        Dtype::Uint64 => integer!(u64),
        Dtype::Float16 => half::from_f64(float(cell)?).to_le_bytes().to_vec(),
        Dtype::Float32 => match cell {
            // From the text: twice rounded is not the nearest.
            Value::Number(spelt) => spelt.parse::<f32>().ok()?.to_le_bytes().to_vec(),
            _ => (float(cell)? as f32).to_le_bytes().to_vec(),
        },
        Dtype::Float64 => float(cell)?.to_le_bytes().to_vec(),
        Dtype::String => return None,
    })
}

fn whole(cell: &Value) -> Option<i128> {
    match cell {
        Value::Int(number) => Some(i128::from(*number)),
        Value::Number(spelt) => spelt.parse().ok(),
        _ => None,
    }
}

fn float(cell: &Value) -> Option<f64> {
    match cell {
        Value::Int(number) => Some(*number as f64),
        Value::Number(spelt) => spelt.parse().ok(),
        Value::Text(word) => SPECIAL.iter().find(|special| special.0 == word).map(|special| special.1),
        _ => None,
    }
}

/// Outputs as nested lists; floats have the fewest digits that give their bits back.
pub(crate) fn write(outputs: &Outputs) -> Value {
    Value::Object(
        outputs.iter().map(|(name, tensor)| (name.clone(), list(&cells(tensor), &tensor.shape))).collect(),
    )
}

fn list(cells: &[Value], shape: &[u64]) -> Value {
    let [size, rest @ ..] = shape else { return cells.first().cloned().unwrap_or(Value::Null) };
    let step = rest.iter().product::<u64>() as usize;
    let row = |index: u64| list(&cells[index as usize * step..][..step], rest);
    Value::Array((0..*size).map(row).collect())
}

fn cells(tensor: &Tensor) -> Vec<Value> {
    if tensor.dtype == Dtype::String {
        return tensor.strings().iter().map(|text| Value::text(String::from_utf8_lossy(text))).collect();
    }
    let exact = |text: String| text.parse().map_or(Value::Number(text), Value::Int);
    let cell = |number: f64| match (tensor.dtype, number) {
        (Dtype::Bool, _) => Value::Bool(number != 0.0),
        (_, number) if number.is_nan() => Value::text("NaN"),
        (_, number) if number.is_infinite() => {
            Value::text(if number > 0.0 { "Infinity" } else { "-Infinity" })
        }
        (Dtype::Float16 | Dtype::Float32, _) => Value::Number(format!("{:?}", number as f32)),
        (Dtype::Float64, _) => Value::Number(format!("{number:?}")),
        _ => exact(number.to_string()),
    };
    // 64-bit integers have more digits than a float64 holds.
    let words = tensor.bytes().as_chunks::<8>().0.iter();
    match tensor.dtype {
        Dtype::Int64 => words.map(|word| exact(i64::from_le_bytes(*word).to_string())).collect(),
        Dtype::Uint64 => words.map(|word| exact(u64::from_le_bytes(*word).to_string())).collect(),
        _ => numbers(tensor).into_iter().map(cell).collect(),
    }
}
