//! The kinds of files, each in a file of its own.

mod description;
pub(super) mod format;
mod hdf5;
mod keras_hdf5;
mod keras_model;
pub(super) mod npz;
mod onnx;
mod pickle;
mod pytorch;
mod safetensors;

use format::Format;

/// All kinds. The first that recognizes a file reads it.
pub(super) const FORMATS: &[Format] = &[
    keras_model::FORMAT,
    keras_hdf5::FORMAT,
    pytorch::FORMAT,
    pytorch::BEFORE_1_6,
    npz::FORMAT,
    onnx::FORMAT,
    safetensors::FORMAT,
];
