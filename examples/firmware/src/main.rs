//! A device: it decides from sensor frames with the model in its folder, and takes new models as archives.
//! README.md of this folder shows it at work; firmware.c is the same program in C.

mod frames;
mod usage;

use bundle::manifest::{Dim, Signature};
use bundle::{Buffers, Dtype, Options, Predictor, TensorMut, update};
use frames::Frames;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
usage: firmware DEVICE run [FILE]       decide from the frames of FILE, or of stdin
       firmware DEVICE update ARCHIVE   take the model of an archive, from the next start on
       firmware DEVICE rollback         go back to the model before
";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        [device, "run"] => run(Path::new(device), io::stdin().lock()),
        [device, "run", file] => {
            File::open(file).map_err(Into::into).and_then(|file| run(Path::new(device), file))
        }
        [device, "update", archive] => changed(update::update(device, archive, &Options::new())),
        [device, "rollback"] => changed(update::rollback(device)),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn changed(done: bundle::Result<update::Updated>) -> Result<()> {
    let done = done?;
    let how = if done.changed { "runs from the next start on" } else { "runs already" };
    writeln!(io::stdout(), "model {} {} {how}", done.name, done.version)?;
    Ok(())
}

/// Opens the model and proves it; where that fails, the one before. What is wrong with both is no fault of a
/// model, such as a missing ONNX Runtime, and changes nothing.
fn boot(device: &Path) -> Result<Predictor> {
    proven(&device.join("current")).or_else(|error| {
        eprintln!("{error}");
        let before = proven(&device.join("previous"))?;
        update::rollback(device)?;
        Ok(before)
    })
}

fn proven(bundle: &Path) -> Result<Predictor> {
    let predictor = Predictor::open(bundle, &Options::new())?;
    if !predictor.self_test()?.iter().all(|case| case.passed()) {
        return Err("the self-test failed".into());
    }
    Ok(predictor)
}

/// The shape of a tensor for one frame, and how many float32 it holds.
fn one(signature: &Signature) -> Result<(Vec<u64>, usize)> {
    let size = |dim: &Dim| if let Dim::Fixed(size) = dim { *size } else { 1 };
    let shape: Vec<u64> = signature.shape.iter().map(size).collect();
    if signature.dtype != Dtype::Float32 {
        return Err(format!("`{}` is not of float32", signature.name).into());
    }
    let count = shape.iter().product::<u64>() as usize;
    Ok((shape, count))
}

/// `count` numbers at a multiple of 16 bytes, as a bound call wants them.
fn aligned(memory: &mut Vec<f32>, count: usize) -> &mut [f32] {
    memory.resize(count + 3, 0.0);
    let start = memory.as_ptr().align_offset(16);
    &mut memory[start..start + count]
}

fn run(device: &Path, stream: impl Read) -> Result<()> {
    let predictor = boot(device)?;
    let manifest = predictor.manifest();
    let ([input], [output, ..]) = (&manifest.inputs[..], &manifest.outputs[..]) else {
        return Err("this device has one sensor, and needs a model of one input".into());
    };
    let mut out = io::stdout().lock();
    writeln!(out, "model {} {}: self-test passed", manifest.name, manifest.version)?;

    let ((input_shape, input_count), (output_shape, output_count)) = (one(input)?, one(output)?);
    let (mut sensor, mut answer) = (Vec::new(), Vec::new());
    let readings = TensorMut::new(&input_shape, aligned(&mut sensor, input_count));
    let scores = TensorMut::new(&output_shape, aligned(&mut answer, output_count));
    let outputs = Buffers::from([(output.name.as_str(), scores)]);
    let mut call = predictor.bind(Buffers::from([(input.name.as_str(), readings)]), outputs)?;

    let mut frames = Frames::new(stream, input_count * size_of::<f32>());
    let (mut decided, mut bad, mut spent) = (0_u32, 0_u32, Duration::ZERO);
    while let Some(frame) = frames.next(call.input(&input.name).unwrap_or_default())? {
        let (number, before) = (decided + bad, usage::cpu());
        let done = match frame {
            Ok(()) => call.run().map_err(|error| format!("{} {}", error.code(), error.subject())),
            Err(fault) => Err(fault.word().to_owned()),
        };
        match done {
            Ok(()) => {
                decided += 1;
                spent += usage::cpu() - before;
                let (decision, score) = best(call.output(&output.name).unwrap_or_default());
                writeln!(out, "frame {number}: {decision} ({score:.6})")?;
            }
            Err(why) => {
                bad += 1;
                writeln!(out, "frame {number}: bad: {why}")?;
            }
        }
    }
    writeln!(out, "decided {decided}, bad {bad}")?;
    let each = spent.as_micros() / u128::from(decided.max(1));
    writeln!(out, "memory {} KiB at most, CPU {each} us per inference", usage::peak_memory())?;
    Ok(())
}

/// The index of the largest score, the first of equals, and that score.
fn best(scores: &[u8]) -> (usize, f32) {
    let scores = scores.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
    let larger = |best: (usize, f32), next: (usize, f32)| if next.1 > best.1 { next } else { best };
    scores.enumerate().reduce(larger).unwrap_or((0, f32::NAN))
}
