//! The predictor in Rust, for the benchmark of this folder; `__init__.py` says how it is called.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Instant;

use bundle::{Buffers, Inputs, Options, Predictor, TensorMut, TensorRef, Value};

fn shape(text: &str) -> Vec<u64> {
    text.split('x').map(|size| size.parse().expect("a size")).collect()
}

/// Elements at a multiple of 16 bytes.
struct Values(Vec<u128>, usize);

impl Values {
    fn new(shape: &[u64]) -> Values {
        let count = shape.iter().product::<u64>() as usize;
        let mut values = Values(vec![0; count.div_ceil(4)], count);
        for (index, value) in values.get().iter_mut().enumerate() {
            *value = (index % 17) as f32 / 16.0;
        }
        values
    }

    fn get(&mut self) -> &mut [f32] {
        // SAFETY: the vector holds at least so many elements, and any bits are a float.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.1) }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let [bundle, _, input, input_shape, output, output_shape, rows, piece] =
        <[String; 8]>::try_from(std::env::args().skip(1).collect::<Vec<_>>()).expect("eight arguments");
    let (one_shape, output_shape) = (shape(&input_shape), shape(&output_shape));
    let (mut all_shape, piece) = (one_shape.clone(), Some(piece.parse()?));
    all_shape[0] = rows.parse()?;
    let options = Options::from([("format".to_owned(), Value::text("onnx"))]);
    let predictor = Predictor::open(&bundle, &options)?;
    let (mut one, mut all) = (Values::new(&one_shape), Values::new(&all_shape));
    let (mut bound, mut result) = (Values::new(&one_shape), Values::new(&output_shape));
    let mut call = predictor.bind(
        Buffers::from([(&*input, TensorMut::new(&one_shape, bound.get()))]),
        Buffers::from([(&*output, TensorMut::new(&output_shape, result.get()))]),
    )?;
    let one = Inputs::from([(&*input, TensorRef::new(&one_shape, one.get()))]);
    let all = Inputs::from([(&*input, TensorRef::new(&all_shape, all.get()))]);
    let mut replies = io::stdout().lock();
    for question in io::stdin().lock().lines() {
        let question = question?;
        let (kind, count) = question.split_once(' ').expect("a kind and a count");
        if kind == "answer" {
            let answers = predictor.predict(&one)?;
            let hex: String = answers[&*output].bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(replies, "{hex}")?;
            continue;
        }
        let start = Instant::now();
        for _ in 0..count.parse()? {
            match kind {
                "bound" => call.run()?,
                "predict" => drop(predictor.predict(&one)?),
                "whole" => drop(predictor.predict(&all)?),
                "pieces" => drop(predictor.predict_batch(&all, piece, None)?),
                _ => Predictor::open(&bundle, &options)?.close(),
            }
        }
        writeln!(replies, "{}", start.elapsed().as_nanos())?;
    }
    Ok(())
}
