//! The tables of the format: targets.json, session.json, tolerances.json, store.json, library.json.

use crate::json::{self, Value};
use std::sync::OnceLock;

macro_rules! table {
    ($name:ident, $file:literal) => {
        /// The parsed table.
        pub fn $name() -> &'static Value {
            static TABLE: OnceLock<Value> = OnceLock::new();
            TABLE.get_or_init(|| {
                json::parse(include_bytes!(concat!("../../spec/", $file)), 64)
                    .expect("an embedded table is JSON")
            })
        }
    };
}

table!(targets, "targets.json");
table!(session, "session.json");
table!(tolerances, "tolerances.json");
table!(errors, "errors.json");
table!(store, "store.json");
table!(library, "library.json");
table!(schema, "bundle.schema.json");

/// The target of this name (not of an alias).
pub fn target(arch: &str) -> Option<&'static Value> {
    targets().get("targets")?.get(arch)
}

/// Whether a list of this table holds a text.
pub fn lists(table: &Value, key: &str, text: &str) -> bool {
    table
        .get(key)
        .and_then(Value::as_array)
        .is_some_and(|list| list.iter().any(|known| known.as_text() == Some(text)))
}

/// The configuration entries that no caller can change.
pub fn fixed_config() -> impl Iterator<Item = (&'static str, &'static str)> {
    let config = session().get("fixed").and_then(|fixed| fixed.get("config")).and_then(Value::as_object);
    config.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_text()?)))
}

/// The configuration keys that a session option stands for.
pub fn config_keys(option: &str) -> impl Iterator<Item = &'static str> {
    let row = session().get("options").and_then(|rows| rows.get(option));
    let keys = row.and_then(|row| row.get("config_keys")).and_then(Value::as_array);
    keys.unwrap_or_default().iter().filter_map(Value::as_text)
}
