//! Many threads on one predictor, closing under them, and a forked process.

mod support;

use bundle::{Buffers, Inputs, TensorMut, TensorRef};
use std::sync::atomic::{AtomicUsize, Ordering};

const THREADS: usize = 8;
const CALLS: usize = 1000;

/// Elements where `bind` wants them.
#[repr(align(16))]
struct Aligned([f32; 6]);

fn row(seed: usize) -> Vec<f32> {
    (0..6).map(|at| ((seed * 7 + at * 3) % 23) as f32 - 11.0).collect()
}

#[test]
fn concurrent_calls_give_the_bytes_of_lonely_ones() {
    let predictor = support::open("valid/scale_rows");
    let name = predictor.manifest().inputs[0].name.clone();
    let shape = [2, 3];
    let ask = |row: &[f32]| {
        let inputs = Inputs::from([(name.as_str(), TensorRef::new(&shape, row))]);
        let outputs = predictor.predict(&inputs).expect("it predicts");
        outputs.values().next().expect("an output").bytes().to_vec()
    };
    let lonely: Vec<Vec<u8>> = (0..THREADS).map(|thread| ask(&row(thread))).collect();
    std::thread::scope(|scope| {
        for (thread, expected) in lonely.iter().enumerate() {
            let ask = &ask;
            scope.spawn(move || (0..CALLS).for_each(|_| assert_eq!(ask(&row(thread)), *expected)));
        }
    });
}

#[test]
fn closing_waits_for_calls_and_refuses_later_ones() {
    let predictor = support::open("valid/scale_rows");
    let name = predictor.manifest().inputs[0].name.clone();
    let (row, shape, started) = (row(1), [2, 3], AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let inputs = Inputs::from([(name.as_str(), TensorRef::new(&shape, &row))]);
                    if let Err(error) = predictor.predict(&inputs) {
                        assert_eq!((error.code(), error.subject()), ("predictor_closed", "."));
                        return;
                    }
                    started.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while started.load(Ordering::Relaxed) < CALLS {
            std::thread::yield_now();
        }
        predictor.close();
        predictor.close();
    });
}

#[test]
fn a_bound_call_may_move_to_another_thread() {
    let predictor = support::open("valid/scale_rows");
    let manifest = predictor.manifest();
    let (mut input, mut output, shape) = (Aligned([0.0; 6]), Aligned([0.0; 6]), [2, 3]);
    let inputs = Buffers::from([(manifest.inputs[0].name.as_str(), TensorMut::new(&shape, &mut input.0))]);
    let outputs = Buffers::from([(manifest.outputs[0].name.as_str(), TensorMut::new(&shape, &mut output.0))]);
    let mut call = predictor.bind(inputs, outputs).expect("it binds");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for value in [2.0_f32, -3.0] {
                let place = call.input(&manifest.inputs[0].name).expect("an input");
                place.as_chunks_mut::<4>().0.iter_mut().for_each(|part| *part = value.to_le_bytes());
                call.run().expect("it runs");
                let found = call.output(&manifest.outputs[0].name).expect("an output");
                let row = [value; 6];
                let inputs = Inputs::from([(manifest.inputs[0].name.as_str(), TensorRef::new(&shape, &row))]);
                assert_eq!(found, predictor.predict(&inputs).expect("it predicts")["y"].bytes());
            }
        });
    });
}

#[test]
fn a_forked_process_is_refused() {
    let predictor = support::open("valid/scale_rows");
    let name = predictor.manifest().inputs[0].name.clone();
    let (row, shape) = (row(1), [2, 3]);
    // SAFETY: the child only predicts, which is refused before any lock of another thread, and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let inputs = Inputs::from([(name.as_str(), TensorRef::new(&shape, &row))]);
        let refused = predictor.predict(&inputs).is_err_and(|error| error.code() == "process_forked");
        // Neither closing nor dropping waits for threads that are not here.
        predictor.close();
        let closed = predictor.predict(&inputs).is_err_and(|error| error.code() == "predictor_closed");
        drop(predictor);
        // SAFETY: nothing of the test's harness may run in the child.
        unsafe { libc::_exit(if refused && closed { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: the status is valid for the call.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "status {status}");
}
