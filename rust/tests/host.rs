//! A host program that holds ONNX Runtime hands it in. One test, since a process has one library for ever.

mod support;

use bundle::{Bundle, Inputs, Mode, Options, Predictor, Runtime, TensorRef, Value};
use std::path::Path;

fn open(runtime: &Runtime, options: &Options) -> bundle::Result<Predictor> {
    let bundle = Bundle::open(support::vector("valid/scale_rows"), None, Mode::Full)?;
    Predictor::new(bundle, options, Some(runtime))
}

fn predicts(predictor: &Predictor) -> bool {
    let row = [1.0_f32; 3];
    predictor.predict(&Inputs::from([("x", TensorRef::new(&[1, 3], &row))])).is_ok()
}

fn other_library(folder: &Path) -> Options {
    let path = folder.join("libonnxruntime.so.1");
    let mut bytes = std::fs::read(support::library()).expect("the library");
    // Bytes after the last section change the digest and nothing else.
    bytes.push(0);
    std::fs::write(&path, bytes).expect("a file");
    Options::from([("library".to_owned(), Value::text(path.to_string_lossy()))])
}

#[test]
fn an_environment_or_a_table_of_functions_is_used_and_another_library_refused() {
    // SAFETY: the only test of this program, and its first statement.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    let environment =
        ort::init_from(support::library()).expect("the library").build().expect("an environment");
    let by_environment = open(&Runtime::from_environment(&environment), &Options::new()).expect("it opens");
    assert!(predicts(&by_environment));
    // SAFETY: the table is static, and of this library.
    let table = unsafe { Runtime::from_api(std::ptr::from_ref(ort::api()).cast()) };
    assert!(predicts(&open(&table, &Options::new()).expect("it opens")));
    // SAFETY: a null pointer is refused before it is read.
    let nothing = unsafe { Runtime::from_api(std::ptr::null()) };
    assert_eq!(open(&nothing, &Options::new()).err().expect("no table").code(), "library_malformed");
    // The same library, found as without a host.
    let found = Predictor::open(support::vector("valid/scale_rows"), &support::options()).expect("it opens");
    assert!(predicts(&found));
    let folder = support::Folder::new("other");
    let refused = Predictor::open(support::vector("valid/scale_rows"), &other_library(&folder.path));
    assert_eq!(refused.err().expect("another library").code(), "library_conflict");
}
