//! What the protocol of `bundle-predict` cannot express.

mod support;

use bundle::{Buffers, Bundle, Dtype, Inputs, Mode, Options, Predictor, TensorMut, TensorRef, Value};
use std::process::Command;

#[test]
fn a_cancelled_batch_says_so() {
    let predictor = support::open("valid/batch_in_pieces");
    let rows = [1.0_f32; 15];
    let inputs = Inputs::from([("x", TensorRef::new(&[5, 3], &rows))]);
    let mut seen = Vec::new();
    let mut progress = |done, rows| {
        seen.push((done, rows));
        done < 4
    };
    let error = predictor.predict_batch(&inputs, Some(2), Some(&mut progress)).expect_err("it was cancelled");
    assert_eq!((error.code(), error.subject()), ("predict_cancelled", "."));
    assert_eq!(seen, [(2, 5), (4, 5)]);
    let whole = predictor.predict_batch(&inputs, Some(2), Some(&mut |_, _| true)).expect("it predicts");
    assert_eq!(whole["y"].bytes(), predictor.predict(&inputs).expect("it predicts")["y"].bytes());
}

#[test]
fn a_progress_function_may_call_the_predictor() {
    let predictor = support::open("valid/batch_in_pieces");
    let rows = [1.0_f32; 6];
    let inputs = Inputs::from([("x", TensorRef::new(&[2, 3], &rows))]);
    let mut again = |_, _| predictor.predict(&inputs).is_ok();
    assert!(predictor.predict_batch(&inputs, Some(1), Some(&mut again)).is_ok());
}

#[test]
fn elements_have_their_type() {
    let predictor = support::open("valid/rank_zero");
    let (x, n) = ([2.5_f32], [-7_i64]);
    let inputs = Inputs::from([("x", TensorRef::new(&[], &x)), ("n", TensorRef::new(&[], &n))]);
    let outputs = predictor.predict(&inputs).expect("it predicts");
    assert!(outputs["y"].shape().is_empty());
    assert_eq!(outputs["y"].elements::<f32>().map(<[f32]>::len), Some(1));
    assert_eq!(outputs["y"].elements::<i32>(), None);
    assert_eq!(
        (outputs["m"].dtype(), outputs["m"].elements::<i64>().map(<[i64]>::len)),
        (Dtype::Int64, Some(1))
    );
    assert!(outputs["m"].strings().is_empty());
}

#[test]
fn elements_that_do_not_fill_the_shape_are_refused() {
    let predictor = support::open("valid/scale_rows");
    for (shape, length) in [([1, 3], 2), ([1, 3], 4), ([u64::MAX, 3], 3), ([u64::MAX / 4, 3], 3)] {
        let elements = vec![0_f32; length];
        let inputs = Inputs::from([("x", TensorRef::new(&shape, &elements))]);
        assert_eq!(predictor.predict(&inputs).expect_err("too few or many").code(), "input_shape_mismatch");
    }
    let row = [0_f32; 3];
    let inputs = Inputs::from([("x", TensorRef::new(&[1, 3], &row))]);
    let mut short = [0_f32; 2];
    let mut outputs = Buffers::from([("y", TensorMut::new(&[1, 3], &mut short))]);
    assert_eq!(
        predictor.predict_into(&inputs, &mut outputs).expect_err("too few").code(),
        "buffer_unsuitable"
    );
}

#[test]
fn strings_of_a_bound_call_may_change() {
    let predictor = support::open("valid/string_rows");
    let mut words = vec![b"one".to_vec(), b"two".to_vec()];
    let inputs = Buffers::from([("x", TensorMut::from_strings(&[2], &mut words))]);
    let mut call = predictor.bind(inputs, Buffers::new()).expect("it binds");
    call.run().expect("it runs");
    call.input_strings("x").expect("an input")[1] = b"\xff".to_vec();
    let error = call.run().expect_err("no UTF-8");
    assert_eq!((error.code(), error.subject()), ("input_value", "x"));
    call.input_strings("x").expect("an input")[1] = "drei".into();
    call.run().expect("it runs");
}

#[test]
fn values_of_a_bound_call_are_checked_at_every_run() {
    #[repr(align(16))]
    struct Aligned([f32; 3]);
    let predictor = support::open("valid/scale_rows");
    let (mut x, mut y) = (Aligned([1.0; 3]), Aligned([0.0; 3]));
    let inputs = Buffers::from([("x", TensorMut::new(&[1, 3], &mut x.0))]);
    let outputs = Buffers::from([("y", TensorMut::new(&[1, 3], &mut y.0))]);
    let mut call = predictor.bind(inputs, outputs).expect("it binds");
    call.run().expect("it runs");
    call.input("x").expect("an input")[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let error = call.run().expect_err("NaN");
    assert_eq!((error.code(), error.subject()), ("input_not_finite", "x"));
    assert!(call.input("y").is_none() && call.output("x").is_none());
    predictor.close();
    assert_eq!(call.run().expect_err("closed").code(), "predictor_closed");
}

#[test]
fn options_are_judged_before_the_bundle_and_a_digest_is_well_formed() {
    let options = Options::from([("mode".to_owned(), Value::text("fast"))]);
    let error = Predictor::open("no such folder", &options).err().expect("a wrong option");
    assert_eq!((error.code(), error.subject()), ("option_invalid", "mode"));
    let error = Bundle::open("no such folder", Some("ab"), Mode::Full).expect_err("a wrong digest");
    assert_eq!((error.code(), error.subject()), ("option_invalid", "digest"));
}

#[test]
fn an_error_says_what_to_do() {
    let error = Bundle::open("no such folder", None, Mode::Quick).expect_err("no folder");
    assert_eq!((error.code(), error.subject()), ("bundle_not_found", "."));
    assert!(error.hint().is_some_and(|hint| error.to_string().ends_with(hint)));
}

fn program(arguments: &[&str]) -> (bool, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bundle-predict"));
    let done = program.args(arguments).envs(support::environment()).output().expect("it starts");
    (done.status.success(), String::from_utf8(done.stdout).expect("UTF-8"))
}

#[test]
fn a_person_predicts_from_nested_lists() {
    let folder = support::Folder::new("lists");
    let file = folder.path.join("in.json");
    let vector = support::vector("valid/several_tensors");
    std::fs::write(
        &file,
        r#"{"rows":[[0.1,2,3]],"other":[[1,-0.5,1e-3]],"flags":[true],"words":["a","b\u00f6"],"index":[1]}"#,
    )
    .expect("a file");
    let (good, printed) = program(&[&vector.to_string_lossy(), "--input", &file.to_string_lossy()]);
    assert!(good, "{printed}");
    let reply = Value::parse(printed.as_bytes()).expect("JSON");
    let outputs = reply.get("outputs").expect("outputs");
    assert_eq!(outputs.get("sum").map(Value::to_string).as_deref(), Some("[[1.1,1.5,3.001]]"));
    assert_eq!(outputs.get("not").map(Value::to_string).as_deref(), Some("[false]"));
    for wrong in [
        r#"{"rows":[[1],[2,3]]}"#,
        r#"{"index":[1.5]}"#,
        r#"{"flags":[1]}"#,
        "[",
        r#"{"words":[[["a"],[]]]}"#,
    ] {
        std::fs::write(&file, wrong).expect("a file");
        let (good, printed) = program(&[&vector.to_string_lossy(), "--input", &file.to_string_lossy()]);
        assert!(!good && printed.contains("usage_invalid"), "{wrong}: {printed}");
    }
}

#[test]
fn the_program_tests_a_bundle_and_describes_itself() {
    let bundle = support::vector("valid/self_test_passes");
    let (good, printed) =
        program(&["--self-test", &bundle.to_string_lossy(), "--options", r#"{"mode":"quick"}"#]);
    assert!(good && printed.contains(r#""passed":true"#), "{printed}");
    let (good, printed) = program(&["--self-test", &bundle.to_string_lossy(), "--options", "[]"]);
    assert!(!good && printed.contains("usage_invalid"), "{printed}");
    let (good, printed) = program(&["--describe"]);
    let described = Value::parse(printed.as_bytes()).expect("JSON");
    assert!(good);
    assert_eq!(support::text(&described, "version"), env!("CARGO_PKG_VERSION"));
    assert!(!program(&["--unknown"]).0);
}
