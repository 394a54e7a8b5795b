//! Check M5: the walk of bundle.schema.json over a manifest.

use crate::error::{Error, Result};
use crate::json::Value;
use crate::tables;

/// Walks a manifest, whose root is known to be an object.
pub fn check(manifest: &Value) -> Result<()> {
    element(tables::schema(), manifest, "")
}

/// One step of a JSON Pointer (RFC 6901).
pub fn pointer(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn element(schema: &'static Value, value: &Value, at: &str) -> Result<()> {
    let schema = resolve(schema);
    if !has_type(schema, value) {
        return Err(Error::new("manifest_field_type", at, types(schema), value.kind()));
    }
    if !has_value(schema, value) {
        return Err(Error::new(
            "manifest_field_value",
            at,
            "a value as bundle.schema.json has it",
            value.short(),
        ));
    }
    match value {
        Value::Object(_) => members(schema, value, at),
        Value::Array(list) => match schema.get("items") {
            Some(items) => list
                .iter()
                .enumerate()
                .try_for_each(|(index, value)| element(items, value, &format!("{at}/{index}"))),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn members(schema: &'static Value, value: &Value, at: &str) -> Result<()> {
    let map = value.as_object().expect("an object");
    let known = |key: &str| schema.get("properties").and_then(|properties| properties.get(key));
    let others = schema.get("additionalProperties");
    if others == Some(&Value::Bool(false))
        && let Some(key) = map.keys().find(|key| known(key).is_none())
    {
        return Err(Error::new(
            "manifest_field_unknown",
            pointer(at, key),
            "only keys of the format",
            "this key",
        ));
    }
    let required = schema.get("required").and_then(Value::as_array).unwrap_or_default();
    let mut missing: Vec<&str> =
        required.iter().filter_map(Value::as_text).filter(|key| !map.contains_key(*key)).collect();
    missing.sort_unstable();
    if let Some(key) = missing.first() {
        return Err(Error::new("manifest_field_missing", pointer(at, key), "this key", "none"));
    }
    for (key, value) in map {
        if let Some(inner) = known(key).or(others.filter(|inner| inner.as_object().is_some())) {
            element(inner, value, &pointer(at, key))?;
        }
    }
    Ok(())
}

fn resolve(schema: &'static Value) -> &'static Value {
    match schema.get("$ref").and_then(Value::as_text).and_then(|path| path.strip_prefix("#/$defs/")) {
        Some(name) => tables::schema()
            .get("$defs")
            .and_then(|defs| defs.get(name))
            .expect("the schema defines what it refers to"),
        None => schema,
    }
}

/// The JSON types that a schema allows, for people.
fn types(schema: &Value) -> String {
    match schema.get("type") {
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_text).collect::<Vec<_>>().join(" or "),
        Some(word) => word.as_text().unwrap_or_default().to_owned(),
        None => "any type".to_owned(),
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    let word = value.kind();
    match schema.get("type") {
        Some(Value::Array(words)) => words.iter().any(|known| known.as_text() == Some(word)),
        Some(known) => known.as_text() == Some(word),
        None => true,
    }
}

fn has_value(schema: &Value, value: &Value) -> bool {
    let bound = |key: &str| schema.get(key).and_then(Value::as_int);
    let within = |number: i64, low: &str, high: &str| {
        bound(low).is_none_or(|low| number >= low) && bound(high).is_none_or(|high| number <= high)
    };
    let listed = schema.get("enum").and_then(Value::as_array).is_none_or(|list| list.contains(value));
    listed
        && match value {
            Value::Int(number) => within(*number, "minimum", "maximum"),
            Value::Text(text) => {
                schema.get("format").and_then(Value::as_text).is_none_or(|format| has_format(format, text))
            }
            Value::Array(list) => within(list.len() as i64, "minItems", "maxItems"),
            Value::Object(map) => within(map.len() as i64, "minProperties", "maxProperties"),
            _ => true,
        }
}

fn has_format(format: &str, text: &str) -> bool {
    let printable = || !text.bytes().any(|byte| byte < 0x20 || byte == 0x7f);
    match format {
        "text" => text.len() <= 4096 && printable(),
        "name" => (1..=1024).contains(&text.len()) && printable(),
        "identifier" => is_identifier(text),
        "sha256" => is_hex(text, 64),
        "version" => parse_version(text).is_some(),
        "float32-bits" => {
            is_hex(text, 8) && u32::from_str_radix(text, 16).is_ok_and(|bits| bits < 0x7f80_0000)
        }
        other => unreachable!("the schema has an unknown format `{other}`"),
    }
}

/// Whether the text is exactly `length` lower-case hex digits.
pub fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_identifier(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The three parts of a version `N.N.N`, each below 10^9 and without leading zeros.
pub fn parse_version(text: &str) -> Option<[u32; 3]> {
    let part = |part: &str| {
        let sound = (1..=9).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'));
        if sound { part.parse().ok() } else { None }
    };
    let mut parts = text.split('.');
    let version = [part(parts.next()?)?, part(parts.next()?)?, part(parts.next()?)?];
    parts.next().is_none().then_some(version)
}
