// Prints what the model of a bundle of digits makes of an empty image.
use bundle::{Inputs, Options, Predictor, TensorRef};

fn main() -> bundle::Result<()> {
    let path = std::env::args().nth(1).expect("the folder of a bundle");
    let predictor = Predictor::open(path, &Options::new())?;
    let image = [0.0_f32; 64];
    let inputs = Inputs::from([("image", TensorRef::new(&[1, 1, 8, 8], &image))]);
    let outputs = predictor.predict(&inputs)?;
    println!("{:?}", outputs["probabilities"].elements::<f32>());
    Ok(())
}
