//! What a session is opened with: the option, else the manifest, else the table (session.json).

use crate::json::Value;
use crate::manifest::{Manifest, Variant};
use crate::options::{self, Options, Provider};
use crate::tables;
use std::collections::BTreeMap;

/// Every choice that can change bits or speed, made.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Every option of session.json, as it is in effect.
    pub session: BTreeMap<String, Value>,
    /// Further configuration entries.
    pub config: Vec<(String, String)>,
    /// The wanted execution providers, preferred first.
    pub providers: Vec<Provider>,
    /// Whether each of them must start.
    pub strict: bool,
}

impl Settings {
    /// For `intra_op_threads` the variant's `threads` come before the manifest's `session`.
    pub fn resolve(options: &Options, manifest: &Manifest, variant: &Variant, format: &str) -> Settings {
        let rows = tables::session().get("options").and_then(Value::as_object).into_iter().flatten();
        let value = |(name, row): (&String, &Value)| {
            let threads = variant.threads.filter(|_| name == "intra_op_threads").map(Value::Int);
            let given = options.get(name).cloned().or(threads);
            let own = || manifest.tree.get("session").and_then(|session| session.get(name)).cloned();
            let value = given.or_else(own).or_else(|| row.get("default").cloned()).unwrap_or(Value::Null);
            (name.clone(), in_effect(name, value, format))
        };
        let config = options.get("config").and_then(Value::as_object).into_iter().flatten();
        Settings {
            session: rows.map(value).collect(),
            config: config
                .filter_map(|(key, value)| Some((key.clone(), value.as_text()?.to_owned())))
                .collect(),
            providers: options.get("providers").and_then(options::providers).unwrap_or_default(),
            strict: options::text(options, "provider_policy") == Some("strict"),
        }
    }

    /// Whether a switch is on.
    pub fn flag(&self, name: &str) -> bool {
        self.session.get(name).and_then(Value::as_bool) == Some(true)
    }

    /// A number of threads.
    pub fn threads(&self, name: &str) -> usize {
        self.session
            .get(name)
            .and_then(Value::as_int)
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(1)
    }

    /// A word.
    pub fn word(&self, name: &str) -> &str {
        self.session.get(name).and_then(Value::as_text).unwrap_or_default()
    }
}

fn in_effect(name: &str, value: Value, format: &str) -> Value {
    match (name, value) {
        // Only an .ort file can be mapped; elsewhere the entries would change last bits for nothing.
        ("mapped", Value::Bool(wanted)) => Value::Bool(wanted && format == "ort"),
        ("inter_op_threads" | "intra_op_threads", Value::Int(wanted)) => Value::Int(wanted.min(quota())),
        (_, value) => value,
    }
}

/// The CPUs that this process may use: its affinity, and the quota of its control group rounded down.
fn quota() -> i64 {
    std::thread::available_parallelism().map_or(1, |count| i64::try_from(count.get()).unwrap_or(i64::MAX))
}
