//! The driver protocol: one JSON request, one JSON reply (DRIVER.md).

use crate::error::{Error, Result};
use crate::json::{self, Value};
use crate::manifest::Manifest;
use crate::options::Options;
use crate::predictor::Predictor;
use crate::tensor::{Outputs, Tensor};
use crate::update::{self, Updated};
use crate::view::{Buffers, Inputs};
use crate::wire::{self, Given};
use std::collections::{BTreeMap, HashMap};

/// How deep a request may nest.
pub(crate) const DEPTH: usize = 64;

/// The open predictors by handle.
#[derive(Default)]
pub(crate) struct Driver {
    handles: HashMap<String, Predictor>,
}

impl Driver {
    /// Answers one line.
    pub fn answer(&mut self, line: &[u8]) -> String {
        let request =
            json::parse(line, DEPTH).filter(|request| request.as_object().is_some()).unwrap_or(Value::Null);
        let mut reply = self.reply(&request).unwrap_or_else(|error| wire::failure(&error));
        if let (Some(id), Value::Object(reply)) = (request.get("id"), &mut reply) {
            reply.insert("id".into(), id.clone());
        }
        reply.to_string()
    }

    fn reply(&mut self, request: &Value) -> Result<Value> {
        match request.get("op").and_then(Value::as_text).unwrap_or(".") {
            "open" => self.open(request),
            "parse" => {
                let bytes =
                    text(request, "manifest").ok().and_then(wire::unhex).ok_or_else(|| usage("parse"))?;
                Manifest::parse(&bytes).map(|_| good([]))
            }
            "predict" => {
                let inputs = tensors(request, "inputs", true)?;
                self.predictor(request)?.predict(&views(&inputs)).map(with_outputs)
            }
            "predict_batch" => {
                let size = request
                    .get("batch_size")
                    .map(|size| size.as_int().ok_or_else(|| usage("predict_batch")))
                    .transpose()?;
                let inputs = tensors(request, "inputs", true)?;
                self.predictor(request)?.predict_batch(&views(&inputs), size, None).map(with_outputs)
            }
            op @ ("predict_into" | "bind") => self.with_buffers(request, op == "bind"),
            "self_test" => self_test(self.predictor(request)?),
            "close" => {
                self.predictor(request)?.close();
                Ok(good([]))
            }
            "update" => {
                let (folder, archive) = (text(request, "folder")?, text(request, "archive")?);
                update::update(folder, archive, &options(request)?).map(updated)
            }
            "rollback" => update::rollback(text(request, "folder")?).map(updated),
            op => Err(usage(op)),
        }
    }

    fn open(&mut self, request: &Value) -> Result<Value> {
        let (path, handle) = (text(request, "bundle")?, text(request, "handle")?);
        let options = options(request)?;
        if let Some(open) = self.handles.get(handle) {
            open.close();
        }
        let predictor = Predictor::open(path, &options)?;
        let reply = opened(&predictor);
        self.handles.insert(handle.to_owned(), predictor);
        Ok(reply)
    }

    fn predictor(&self, request: &Value) -> Result<&Predictor> {
        let handle = text(request, "handle")?;
        self.handles
            .get(handle)
            .ok_or_else(|| Error::new("usage_invalid", handle, "a handle that was opened", "another one"))
    }

    fn with_buffers(&self, request: &Value, bind: bool) -> Result<Value> {
        let mut inputs = tensors(request, "inputs", true)?;
        let mut outputs = tensors(request, "outputs", false)?;
        let runs = request.get("runs").map_or(Some(1), Value::as_int).ok_or_else(|| usage("bind"))?;
        let predictor = self.predictor(request)?;
        if bind {
            let mut call = predictor.bind(buffers(&mut inputs), buffers(&mut outputs))?;
            (0..runs).try_for_each(|_| call.run())?;
        } else {
            predictor.predict_into(&views(&inputs), &mut buffers(&mut outputs))?;
        }
        let owned = |(name, given): (String, Given)| {
            Some((name, Tensor { dtype: given.dtype?, shape: given.shape, data: given.data }))
        };
        Ok(with_outputs(outputs.into_iter().filter_map(owned).collect()))
    }
}

fn usage(op: &str) -> Error {
    Error::new("usage_invalid", op, "a request of DRIVER.md", "another one")
}

fn text<'a>(request: &'a Value, key: &str) -> Result<&'a str> {
    let op = request.get("op").and_then(Value::as_text).unwrap_or(".");
    request.get(key).and_then(Value::as_text).ok_or_else(|| usage(op))
}

fn options(request: &Value) -> Result<Options> {
    let op = request.get("op").and_then(Value::as_text).unwrap_or(".");
    request
        .get("options")
        .map_or(Ok(Options::new()), |options| options.as_object().cloned().ok_or_else(|| usage(op)))
}

fn tensors(request: &Value, key: &str, with_data: bool) -> Result<BTreeMap<String, Given>> {
    let op = request.get("op").and_then(Value::as_text).unwrap_or(".");
    wire::tensors(request, key, with_data).ok_or_else(|| usage(op))
}

fn views(given: &BTreeMap<String, Given>) -> Inputs<'_> {
    given.iter().map(|(name, given)| (name.as_str(), given.view())).collect()
}

fn buffers(given: &mut BTreeMap<String, Given>) -> Buffers<'_> {
    given.iter_mut().map(|(name, given)| (name.as_str(), given.view_mut())).collect()
}

fn good<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut reply = Value::object(members);
    if let Value::Object(map) = &mut reply {
        map.insert("ok".into(), Value::Bool(true));
    }
    reply
}

fn with_outputs(outputs: Outputs) -> Value {
    good([("outputs", wire::outputs(&outputs))])
}

/// The reply of `open`.
pub fn opened(predictor: &Predictor) -> Value {
    good([
        ("variant", Value::text(&predictor.variant().name)),
        ("format", Value::text(predictor.format())),
        ("reason", Value::text(predictor.reason())),
        ("providers", wire::texts(predictor.providers())),
        ("session", Value::Object(predictor.session().clone())),
        ("inputs", wire::signatures(&predictor.manifest().inputs)),
        ("outputs", wire::signatures(&predictor.manifest().outputs)),
    ])
}

/// The reply of `update` and `rollback`.
pub(crate) fn updated(done: Updated) -> Value {
    good([
        ("digest", Value::Text(done.digest)),
        ("name", Value::Text(done.name)),
        ("version", Value::Text(done.version)),
        ("previous", done.previous.map_or(Value::Null, Value::Text)),
        ("changed", Value::Bool(done.changed)),
    ])
}

/// The reply of `self_test`.
pub(crate) fn self_test(predictor: &Predictor) -> Result<Value> {
    let cases = predictor.self_test()?;
    let passed = cases.iter().all(|case| case.passed());
    let rows = cases.iter().map(|case| {
        let outputs = case.outputs.iter().map(|output| {
            let found = &output.recorded;
            Value::object([
                ("name", Value::text(&output.name)),
                ("passed", Value::Bool(found.passed)),
                ("flips", Value::Int(found.flips as i64)),
                ("near_ties", Value::Int(found.near_ties as i64)),
                ("worst", Value::text(found.worst.to_string())),
            ])
        });
        Value::object([
            ("name", Value::text(&case.name)),
            ("passed", Value::Bool(case.passed())),
            ("outputs", Value::Array(outputs.collect())),
        ])
    });
    Ok(good([("passed", Value::Bool(passed)), ("cases", Value::Array(rows.collect()))]))
}
