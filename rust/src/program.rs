//! The program `bundle-predict`: its command line (DRIVER.md).

use crate::driver::{self, Driver};
use crate::error::{Error, Result};
use crate::json::{self, Value};
use crate::library;
use crate::lists;
use crate::needs::Needs;
use crate::options::Options;
use crate::predictor::Predictor;
use crate::{tables, update, wire};
use std::io::{self, BufRead, Write};

const USAGE: &str = "\
usage: bundle-predict                       answer requests from stdin, one JSON object a line
       bundle-predict --describe            say what this program is
       bundle-predict --self-test BUNDLE [--options JSON]
                                            replay the golden cases of a bundle
       bundle-predict BUNDLE --input FILE [--options JSON]
                                            predict once; FILE holds JSON
       bundle-predict --update FOLDER ARCHIVE [--options JSON]
                                            let a device run the bundle of an archive
       bundle-predict --rollback FOLDER     let a device run the bundle before
";

/// Runs `bundle-predict` with these arguments (without the program's name) and gives its exit code: 0, or 1
/// for an error or a self-test that did not pass, or 2 for arguments that it does not know.
pub fn run_program(arguments: &[String]) -> u8 {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (command, options) = match words.as_slice() {
        [command @ .., "--options", options] => (command, *options),
        command => (command, "{}"),
    };
    match (command, words.len()) {
        ([], 0) => serve(),
        (["--describe"], 1) => say(&describe(), true),
        (["--help" | "-h"], 1) => write(USAGE, 0),
        (["--self-test", bundle], _) => {
            let reply = opened(bundle, options).and_then(|predictor| driver::self_test(&predictor));
            let reply = reply.unwrap_or_else(|error| wire::failure(&error));
            say(&reply, reply.get("passed") == Some(&Value::Bool(true)))
        }
        (["--update", folder, archive], _) => told(
            given(options).and_then(|options| update::update(folder, archive, &options)).map(driver::updated),
        ),
        (["--rollback", folder], 2) => told(update::rollback(folder).map(driver::updated)),
        ([bundle, "--input", file], _) => told(predict(bundle, file, options)),
        _ => {
            // There is nobody to tell where stderr is closed.
            let _ = io::stderr().write_all(USAGE.as_bytes());
            2
        }
    }
}

fn serve() -> u8 {
    let mut driver = Driver::default();
    for line in io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { return 1 };
        if write(&(driver.answer(&line) + "\n"), 0) != 0 {
            return 1;
        }
    }
    0
}

fn told(reply: Result<Value>) -> u8 {
    match reply {
        Ok(reply) => say(&reply, true),
        Err(error) => say(&wire::failure(&error), false),
    }
}

fn say(reply: &Value, good: bool) -> u8 {
    write(&format!("{reply}\n"), u8::from(!good))
}

/// Writes at once, so that a reader on the other side of a pipe never sees half a reply.
fn write(text: &str, code: u8) -> u8 {
    let mut output = io::stdout().lock();
    if output.write_all(text.as_bytes()).and_then(|()| output.flush()).is_ok() { code } else { 1 }
}

fn given(options: &str) -> Result<Options> {
    let tree = json::parse(options.as_bytes(), driver::DEPTH).and_then(|tree| tree.as_object().cloned());
    tree.ok_or_else(|| Error::new("usage_invalid", "--options", "a JSON object", options))
}

fn opened(bundle: &str, options: &str) -> Result<Predictor> {
    Predictor::open(bundle, &given(options)?)
}

fn predict(bundle: &str, file: &str, options: &str) -> Result<Value> {
    let predictor = opened(bundle, options)?;
    let refuse = |found: String| Error::new("usage_invalid", file, "a JSON object of tensors by name", found);
    let bytes = std::fs::read(file).map_err(|error| refuse(error.to_string()))?;
    let tree = json::parse(&bytes, driver::DEPTH).ok_or_else(|| refuse("no JSON".to_owned()))?;
    let (given, exact) = lists::read(&tree, &predictor.manifest().inputs).map_err(refuse)?;
    let inputs = given.iter().map(|(name, given)| (name.as_str(), given.view())).collect();
    let outputs = predictor.predict(&inputs)?;
    let outputs = if exact { wire::outputs(&outputs) } else { lists::write(&outputs) };
    Ok(Value::object([("ok", Value::Bool(true)), ("outputs", outputs)]))
}

/// The reply of `--describe`.
fn describe() -> Value {
    let rows = tables::errors().get("errors").and_then(Value::as_array).unwrap_or_default();
    let mut codes: Vec<&str> =
        rows.iter().filter(|row| is_ours(row)).filter_map(|row| row.get("code")?.as_text()).collect();
    codes.sort_unstable();
    let version = library::load(&Options::new(), None, &Needs::new(None), None)
        .map_or(Value::Null, |library| Value::text(&library.version));
    Value::object([
        ("language", Value::text("rust")),
        ("version", Value::text(env!("CARGO_PKG_VERSION"))),
        ("format_versions", Value::Array(vec![Value::Int(1)])),
        ("onnxruntime", version),
        ("codes", wire::texts(&codes)),
    ])
}

/// Whether a program that only predicts, in this language, can give the code of a row.
fn is_ours(row: &Value) -> bool {
    let text = |key: &str| row.get(key).and_then(Value::as_text);
    let stage = matches!(text("stage"), Some("manifest" | "open" | "library" | "predict" | "update"));
    let language = row.get("runtimes").is_none() || tables::lists(row, "runtimes", "rust");
    language && (stage || text("code") == Some("usage_invalid"))
}
