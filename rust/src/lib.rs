//! Opens an edge bundle and predicts from it with ONNX Runtime: the same answers, bit for bit, and the same
//! errors as the predictors of the other languages. `spec/FORMAT.md` says what a bundle is.
//!
//! ```no_run
//! use bundle::{Inputs, Options, Predictor, TensorRef};
//!
//! fn main() -> bundle::Result<()> {
//!     let predictor = Predictor::open("digits-1.0.0-x86_64", &Options::new())?;
//!     let image = [0.5_f32; 64];
//!     let inputs = Inputs::from([("image", TensorRef::new(&[1, 1, 8, 8], &image))]);
//!     let outputs = predictor.predict(&inputs)?;
//!     println!("{:?}", outputs["probabilities"].elements::<f32>());
//!     Ok(())
//! }
//! ```
//!
//! * **Threads**: everything but [`BoundCall`] may be used from many threads at once.
//! * **Ownership**: inputs are borrowed for a call, outputs are the caller's; [`BoundCall`] borrows both.
//! * **Errors**: every failure is an [`Error`] with a code and a subject of `spec/errors.json`, for any bytes.
//! * **The library** is loaded at run time; `spec/FORMAT.md`, section 6, says from where. A program that
//!   holds one already hands it in as a [`Runtime`].

#[cfg(target_endian = "big")]
compile_error!("bundles hold little-endian elements, and are read in place");

mod archive;
mod batch;
mod bound;
mod bundle;
#[cfg(feature = "capi")]
pub mod capi;
#[cfg(feature = "capi")]
mod capi_args;
#[cfg(feature = "capi")]
mod capi_device;
#[cfg(feature = "capi")]
mod capi_error;
mod consistency;
mod device;
mod driver;
mod dtype;
mod elf;
mod error;
mod fit;
mod flight;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod golden;
mod half;
mod host;
mod inputs;
mod json;
mod json_reader;
#[cfg(feature = "capi")]
mod lent;
mod library;
mod lists;
pub mod manifest;
mod needs;
mod options;
mod outputs;
#[cfg(test)]
mod parts;
mod predictor;
mod probe;
mod program;
mod provider;
mod schema;
mod seen;
mod self_test;
mod session;
mod settings;
mod staging;
mod system;
mod tables;
mod tensor;
mod tolerance;
pub mod update;
mod ustar;
mod value;
mod view;
mod wire;

pub use batch::Progress;
pub use bound::BoundCall;
pub use bundle::{Bundle, Mode};
#[doc(hidden)]
pub use driver::opened;
pub use dtype::{Dtype, Element};
pub use error::{Error, Result};
pub use json::Value;
pub use library::Runtime;
pub use manifest::Manifest;
pub use options::Options;
pub use predictor::Predictor;
#[doc(hidden)]
pub use program::run_program;
pub use self_test::{CaseReport, OutputReport};
pub use tensor::{Outputs, Tensor};
pub use tolerance::Comparison;
pub use view::{Buffers, Inputs, TensorMut, TensorRef};
