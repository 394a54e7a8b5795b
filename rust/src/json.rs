//! JSON by the grammar of RFC 8259, and its one canonical spelling.
//!
//! The tree forgets how a text was spelt; a text is canonical when writing its tree gives the same bytes.

pub(crate) use crate::json_reader::parse;
use std::collections::BTreeMap;
use std::fmt;

/// The largest integer that the format allows, 2^53 - 1.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// A JSON value. Keys are sorted by the bytes of their UTF-8; of equal keys the last one stays.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer within ±(2^53-1), spelt without fraction, exponent or `-0`.
    Int(i64),
    /// Any other number, as it was spelt.
    Number(String),
    /// A string; half a surrogate pair is read as U+FFFD.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// Reads one JSON text by the grammar of RFC 8259; `None` where it is not one, or nests deeper than 64.
    pub fn parse(bytes: &[u8]) -> Option<Value> {
        parse(bytes, 64)
    }

    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.get(key)
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&BTreeMap<String, Value>> {
        if let Value::Object(map) = self { Some(map) } else { None }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Value::Array(list) = self { Some(list) } else { None }
    }

    /// The characters of a string.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// The value of an integer.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(number) = self { Some(*number) } else { None }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(flag) = self { Some(*flag) } else { None }
    }

    /// The word of its JSON type, in the schema's spelling.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    /// The value on one short line, for a message.
    pub(crate) fn short(&self) -> String {
        let text = self.to_string();
        match text.char_indices().nth(60) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    /// A string value.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// An object of these members.
    pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
        Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Writes the value without white space, keys sorted.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Value::Int(number) => out.push_str(&number.to_string()),
            Value::Number(spelt) => out.push_str(spelt),
            Value::Text(text) => write_text(text, out),
            Value::Array(list) => write_list(out, ['[', ']'], list, |out, value| value.write(out)),
            Value::Object(map) => write_list(out, ['{', '}'], map, |out, (key, value)| {
                write_text(key, out);
                out.push(':');
                value.write(out);
            }),
        }
    }

    /// Whether this tree is of the kinds that canonical JSON has, with ASCII keys where asked.
    fn is_plain(&self, ascii_keys: bool) -> bool {
        match self {
            Value::Null | Value::Number(_) => false,
            Value::Bool(_) | Value::Int(_) | Value::Text(_) => true,
            Value::Array(list) => list.iter().all(|value| value.is_plain(ascii_keys)),
            Value::Object(map) => {
                map.iter().all(|(key, value)| (!ascii_keys || key.is_ascii()) && value.is_plain(ascii_keys))
            }
        }
    }

    /// Whether `bytes`, of which this is the tree, are canonical (FORMAT.md section 2).
    pub(crate) fn is_canonical(&self, bytes: &[u8], ascii_keys: bool) -> bool {
        let mut written = String::with_capacity(bytes.len());
        self.write(&mut written);
        written.as_bytes() == bytes && self.is_plain(ascii_keys)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::text(text)
    }
}

// For trees that the schema's walk has accepted: what is required is there.

/// The array at a key; empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).unwrap_or_default()
}

/// The text at a key; empty where there is none.
pub(crate) fn text(value: &Value, key: &str) -> String {
    optional(value, key).unwrap_or_default()
}

/// The text at a key.
pub(crate) fn optional(value: &Value, key: &str) -> Option<String> {
    Some(value.get(key)?.as_text()?.to_owned())
}

/// The integer at a key, which is not negative; 0 where there is none.
pub(crate) fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_int).map_or(0, |number| number as u64)
}

/// Whether a key is there and true.
pub(crate) fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool) == Some(true)
}

fn write_list<T>(
    out: &mut String,
    ends: [char; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut String, T),
) {
    out.push(ends[0]);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(ends[1]);
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for symbol in text.chars() {
        match symbol {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", symbol as u32)),
            _ => out.push(symbol),
        }
    }
    out.push('"');
}
