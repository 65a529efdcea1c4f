//! Trains recurrent networks on the desk, over characters or over values, and makes files of them that a microcontroller runs.
//!
//! Each folder imports only those below it:
//!
//! 1. [`commands`]: the command line, one file a command.
//! 2. [`report`]: the page of a run: its course, its network in each format, what flows through the
//!    gates.
//! 3. [`training`]: recipes, the loop over the batches, and what a run leaves in its folder.
//! 4. [`model`]: the `.lstm` file, run by the device's own engine.
//! 5. [`mod@quantize`]: the device's integers, chosen, and tuned in its own arithmetic.
//! 6. [`engine`]: a batch becomes a loss and gradients, and gradients move the weights.
//! 7. [`sequences`]: sequences of values from a person's files, with what is to be told of them.
//! 8. [`interchange`]: weights in the files of Keras and PyTorch. [`hardware`]: what a model costs on
//!    a chip.
//! 9. [`network`]: the network in plain memory, and what it predicts.
//! 10. [`ngram`]: texts are counted, for a back-off table and for n-gram embeddings.
//! 11. [`text`]: a text file becomes tokens by an alphabet, in three parts, and these become batches.
//! 12. [`kernels`]: vector code, and the random numbers.
//! 13. [`files`]: errors, outputs, tensors.
//!
//! All chance comes from one seeded generator ([`kernels::random`]), whose state is part of a
//! checkpoint, so a run that was stopped goes on to the identical files.

pub mod commands;
pub mod engine;
pub mod files;
pub mod hardware;
pub mod interchange;
pub mod kernels;
pub mod model;
pub mod network;
pub mod ngram;
pub mod quantize;
pub mod report;
pub mod sequences;
pub mod text;
pub mod training;
