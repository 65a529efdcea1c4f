//! Trains character-level LSTMs on the desk.
//!
//! Data takes one path, and each module is one step of it:
//!
//! 1. [`corpus`]: a text file becomes tokens by an [`alphabet`], in three parts (train, validation,
//!    test).
//! 2. [`feed`]: the training part becomes batches: shuffled windows, or streams side by side.
//! 3. [`fused`]: a batch becomes a loss and gradients in one go; its loops, vectorized for the CPU
//!    at hand ([`vectorize`]), are also nodes for any candle graph ([`lstm_op`]). [`step`] computes
//!    the same as a graph, for reference.
//! 4. [`optimizer`]: gradients move the weights of a [`network`].
//! 5. [`train`]: the loop over all that, told what to do by a [`recipe`]; what it leaves lies in a
//!    [`run_folder`].
//! 6. [`evaluate`]: a [`predictor`] reads a text and is scored in bits per character; [`sample`]
//!    lets it write.
//! 7. [`mod@quantize`] decides the device's numbers ([`calibrate`] helps it where they have 4 bits),
//!    [`export`] the bytes of the `.lstm` file; from there on [`model_file`] runs the device's own
//!    engine: [`evaluate`], [`generate`] (which keeps its state in a [`snapshot`]), [`inspect`].
//!
//! [`report`] makes a page of a run: its course ([`metrics`], drawn by [`chart`]), its network in
//! each format ([`compare`]), and what flows through the gates ([`signals`]).
//!
//! [`budget`] tells what a model will cost on a chip, from [`cost`] and [`boards`].
//!
//! Weights from Keras or PyTorch come in by [`import`], and go out by [`export`], through
//! [`interchange`].
//!
//! All chance comes from one seeded generator ([`random`]), whose state is part of a checkpoint, so
//! a run that was stopped goes on to the identical files.

pub mod budget;
pub mod chart;
pub mod checkpoint;
pub mod cli;
pub mod columns;
pub mod compare;
pub mod engine;
pub mod evaluate;
pub mod export;
pub mod files;
pub mod generate;
pub mod hardware;
pub mod import;
pub mod inspect;
pub mod interchange;
mod interrupt;
pub mod kernels;
pub mod metrics;
pub mod model_file;
pub mod network;
pub mod quantize;
pub mod recipe;
pub mod report;
pub mod run_folder;
pub mod signals;
pub mod snapshot;
pub mod text;
pub mod train;
