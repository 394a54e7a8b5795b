//! The options of a predictor: check P1, and what they come to (session.json).

use crate::error::{Error, Result};
use crate::json::Value;
use crate::manifest::Manifest;
use crate::schema::is_hex;
use crate::tables;
use std::collections::BTreeMap;

/// Options by name, as a caller gives them: the table of FORMAT.md section 5.
pub type Options = BTreeMap<String, Value>;

fn invalid(name: &str, expected: &str, value: &Value) -> Error {
    Error::new("option_invalid", name, expected, value.short())
}

/// Check P1 for the options that decide how a bundle is opened, before anything else is looked at.
pub(crate) fn check_opening(options: &Options) -> Result<()> {
    for name in ["digest", "mode"] {
        if let Some(value) = options.get(name).filter(|value| !is_opening(name, value)) {
            return Err(invalid(name, "64 lower-case hex digits, or a mode", value));
        }
    }
    Ok(())
}

fn is_opening(name: &str, value: &Value) -> bool {
    value.as_text().is_some_and(|text| {
        if name == "digest" { is_hex(text, 64) } else { matches!(text, "full" | "quick") }
    })
}

/// Check P1.
pub(crate) fn check(options: &Options, manifest: &Manifest) -> Result<()> {
    for (name, value) in options {
        let sound = match name.as_str() {
            "config" => check_config(value)?,
            "variant" | "library" => value.as_text().is_some(),
            "digest" | "mode" => is_opening(name, value),
            "format" => matches!(value.as_text(), Some("onnx" | "ort")),
            "provider_policy" => matches!(value.as_text(), Some("fallback" | "strict")),
            "trust_bundle_library" | "allow_telemetry" | "allow_foreign_target" => value.as_bool().is_some(),
            "providers" => providers(value).is_some_and(|list| !list.is_empty()),
            "finite" => is_list_of_inputs(value, manifest),
            _ => is_in_table(name, value),
        };
        if !sound {
            return Err(invalid(name, "an option of FORMAT.md section 5, in range", value));
        }
    }
    // Two options that do not go together are looked at once each is sound by itself.
    if is_set(options, "mapped") && text(options, "format") == Some("onnx") {
        return Err(invalid("mapped", "false with the format onnx", &Value::Bool(true)));
    }
    Ok(())
}

fn check_config(value: &Value) -> Result<bool> {
    let Some(config) = value.as_object() else { return Ok(false) };
    for (key, value) in config {
        let known = tables::lists(tables::session(), "config_allow_list", key);
        if !known || value.as_text().is_none_or(|text| text.contains('\0')) {
            return Err(invalid(key, "a key of config_allow_list, and text", value));
        }
    }
    Ok(true)
}

fn is_list_of_inputs(value: &Value, manifest: &Manifest) -> bool {
    let is_input =
        |name: &Value| manifest.inputs.iter().any(|input| Some(input.name.as_str()) == name.as_text());
    value.as_array().is_some_and(|names| names.iter().all(is_input))
}

fn is_in_table(name: &str, value: &Value) -> bool {
    let Some(row) = tables::session().get("options").and_then(|rows| rows.get(name)) else { return false };
    let bound = |key: &str| row.get(key).and_then(Value::as_int).unwrap_or_default();
    match row.get("type").and_then(Value::as_text) {
        Some("boolean") => value.as_bool().is_some(),
        Some("integer") => {
            value.as_int().is_some_and(|number| (bound("minimum")..=bound("maximum")).contains(&number))
        }
        _ => value.as_text().is_some_and(|word| tables::lists(row, "enum", word)),
    }
}

/// A wanted execution provider with its own options.
pub(crate) type Provider = (String, Vec<(String, String)>);

/// The wanted execution providers; `None` where the value is not a list of them. A name that stands twice
/// counts where it stands first.
pub(crate) fn providers(value: &Value) -> Option<Vec<Provider>> {
    let mut unique: Vec<Provider> = Vec::new();
    for entry in value.as_array()? {
        let provider = provider(entry)?;
        if unique.iter().all(|known| known.0 != provider.0) {
            unique.push(provider);
        }
    }
    Some(unique)
}

fn provider(value: &Value) -> Option<Provider> {
    if let Some(name) = value.as_text() {
        return Some((name.to_owned(), Vec::new()));
    }
    let [name, settings] = value.as_array()? else { return None };
    let setting = |(key, value): (&String, &Value)| {
        let word = match value {
            Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::Bool(flag) => u8::from(*flag).to_string(),
            _ => return None,
        };
        Some((key.clone(), word))
    };
    Some((name.as_text()?.to_owned(), settings.as_object()?.iter().map(setting).collect::<Option<_>>()?))
}

/// The text of an option.
pub(crate) fn text<'a>(options: &'a Options, name: &str) -> Option<&'a str> {
    options.get(name)?.as_text()
}

/// Whether an option is set and true.
pub(crate) fn is_set(options: &Options, name: &str) -> bool {
    options.get(name).and_then(Value::as_bool) == Some(true)
}
