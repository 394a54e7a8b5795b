//! How long opening, one call and one bound call take.

#[path = "../tests/support/mod.rs"]
mod support;

use bundle::{Buffers, Inputs, Predictor, TensorMut, TensorRef};
use criterion::{Criterion, criterion_group, criterion_main};

const SHAPE: [u64; 2] = [1, 3];

#[repr(align(16))]
struct Aligned([f32; 3]);

fn open(criterion: &mut Criterion) {
    let (folder, options) = (support::vector("valid/scale_rows"), support::options());
    criterion.bench_function("open", |bencher| {
        bencher.iter(|| Predictor::open(&folder, &options).expect("it opens"));
    });
}

fn predict(criterion: &mut Criterion) {
    let (predictor, x) = (support::open("valid/scale_rows"), Aligned([1.0; 3]));
    criterion.bench_function("predict", |bencher| {
        bencher.iter(|| {
            let inputs = Inputs::from([("x", TensorRef::new(&SHAPE, &x.0))]);
            predictor.predict(&inputs).expect("it predicts")
        });
    });
}

fn bound(criterion: &mut Criterion) {
    let (predictor, mut x, mut y) = (support::open("valid/scale_rows"), Aligned([1.0; 3]), Aligned([0.0; 3]));
    let inputs = Buffers::from([("x", TensorMut::new(&SHAPE, &mut x.0))]);
    let outputs = Buffers::from([("y", TensorMut::new(&SHAPE, &mut y.0))]);
    let mut call = predictor.bind(inputs, outputs).expect("it binds");
    criterion.bench_function("bound call", |bencher| bencher.iter(|| call.run().expect("it runs")));
}

criterion_group!(benches, open, predict, bound);
criterion_main!(benches);
