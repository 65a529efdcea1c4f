//! Runs a recurrent network on a microcontroller, a character at a time: `no_std`, no heap, no panic,
//! no `unsafe` in the portable build.
//!
//! # The path of a character
//!
//! ```text
//!            flash                                        RAM
//!   .lstm file ── Model::from_bytes ──► Model    Workspace { h, c, scratch, logits }
//!                 (every check, once)     │          │
//!                                         └─ Session ┘
//!   'e' ── Alphabet::encode ──► Token ──► Session::step ──► Logits ──► Sampler::sample ──► Token
//!                                                                                            │
//!   'a' ◄───────────────────────────── Alphabet::decode ◄────────────────────────────────────┘
//! ```
//!
//! 1. [`Model::from_bytes`] reads a `.lstm` file where it lies. It checks the magic, the version,
//!    the length, the CRC-32, the shapes and the range of every sum. A model that exists is valid,
//!    so nothing after it can fail. Weights are not copied, unless [`Model::with_network_in`] is asked to.
//! 2. [`Workspace`] is the only RAM: its size is a constant, which [`ModelShape`] reads from the file
//!    at compile time, or [`workspace_words`] computes for shapes.
//! 3. [`Session`] holds both. [`Session::step`] feeds one [`Token`] and gives the [`Logits`] of
//!    the next one. The state stays in the workspace: N single steps equal one run of N steps,
//!    bit for bit. [`Session::save`] and [`Session::restore`] make a value of it.
//! 4. [`Sampler`] picks the next token from the logits: greedy, temperature, top-k, top-p, seeded.
//!    Its arithmetic is integer, so a seed gives the same text on every chip.
//! 5. [`Generator`] joins the two, and is an iterator over the tokens. [`Generator::save`] makes a
//!    snapshot of everything that the coming text depends on; another chip takes it back and goes on
//!    to the same text.
//!
//! Context is given in one of two ways. *Stateful*: each character is fed once, and the state
//! carries what came before. *Window*: [`Window`] keeps the last characters and runs them again
//! from a zero state for each new one, as a network trained on windows may expect.
//!
//! A model may read values instead of symbols, of sensors say, and give classes or values: then
//! `SensorSession` is to it what [`Session`] is to text, and gives an `Output`.
//!
//! # The equations
//!
//! A layer of `H` units with input `x` and state `(h, c)`, `*` elementwise (Hochreiter and
//! Schmidhuber 1997, with the forget gate of Gers et al. 2000):
//!
//! ```text
//!   i = sigmoid(W_i x + U_i h + b_i)      f = sigmoid(W_f x + U_f h + b_f)
//!   g = tanh   (W_g x + U_g h + b_g)      o = sigmoid(W_o x + U_o h + b_o)
//!   c' = f * c + i * g                    h' = o * tanh(c')
//!   logits = V h' + d
//! ```
//!
//! The first layer's `x` is the embedding of a symbol, one of at most 256. So the product
//! `W x + b` is computed when the model is exported, for each symbol: a table of shape
//! `[vocab, 4 H]`, which the symbol indexes. Embedding and input product cost nothing at run time.
//! An upper layer reads the `h'` of the layer below as its `x`.
//!
//! CIFG ([`CellKind::Cifg`]) couples the forget gate, `f = 1 - i` (Greff et al. 2015), and has no
//! rows for it. A layer of either kind may have a recurrent projection (LSTMP, Sak et al. 2014): then
//! `h' = P (o * tanh(c'))`, narrower than `c`. There are both GRUs too (Cho et al. 2014), with the reset gate after
//! and before the product. Between the last layer and the head there may be dense layers; the first layer of a model
//! that reads values reads them, less their mean and scaled, as an upper layer reads the `h'` of the layer below.
//!
//! # The numbers
//!
//! | quantity | shape | [`Format::F32`] | [`Format::Int8`], [`Format::Int4`] |
//! | --- | --- | --- | --- |
//! | weights `U`, upper `W` | `[4H, K]` | f32 | int8 or int4, one scale a row |
//! | dense weights `V` | `[vocab, H]` | f32 | int8, one scale a row |
//! | folded table `W x + b` | `[vocab, 4H]` | f32 | int8, one scale and one offset a row |
//! | pre-activation | `[4H]` | f32 | i32, Q18, then Q12 |
//! | gates `i f o`, and `g` | `[4H]` | f32 | Q15, and Q14 |
//! | cell state `c` | `[H]` | f32 | i16, Q4.11, saturating |
//! | hidden state `h` | `[H]` | f32 | i8, in units of 1/127; projected, in units of 1/16 |
//! | logits | `[vocab]` | f32 | i32, Q12 |
//!
//! A model in integers may know pieces of its text by heart: vectors of the last 2, 3 and 4 characters,
//! which are added to the hidden state where the first layer's recurrent product reads it, and a table
//! of counts with back-off (Katz 1987), which is taken off the logits. Both lie in the file, and are read in
//! place; they cost 12 bytes of RAM.
//!
//! `docs/NUMBERS.md` in the repository defines the integer arithmetic to the last bit, and
//! `docs/FORMAT.md` every byte of the file. An architecture's kernel may order the work
//! differently, but never changes a number.
//!
//! # Features
//!
//! * `f32`, `int8`, `int4` (all on by default): the formats. One that is left out takes no flash, and
//!   its models are refused with [`ModelError::Format`].
//! * `gru` (on by default): the GRU. Without it, a model with one is refused with
//!   [`ModelError::Cell`].
//! * `ngram` (on by default): n-gram embeddings and back-off tables. Without it, files of version 2, which
//!   have one, are refused with [`ModelError::Version`].
//! * `sensor` (on by default): models that read values instead of symbols, or give classes or values, and
//!   with `gru` the GRU with the reset gate before the product. Without it, files of version 3, which hold
//!   them, are refused with [`ModelError::Version`].
//! * `defmt`: errors and small types can be logged with [defmt](https://defmt.ferrous-systems.com).
//! * `export`: what writes models; for the desk, as it allocates.
//!
//! # Example
//!
//! ```
//! use lstm_core::{Aligned, Model, ModelShape, Sampler, Session, Workspace};
//!
//! # const FILE: &Aligned<[u8]> =
//! #     &Aligned(*include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny.lstm")));
//! # /*
//! // The model, in flash.
//! const FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("model.lstm"));
//! # */
//! const SHAPE: ModelShape = ModelShape::of(&FILE.0).expect("a .lstm file");
//!
//! let mut workspace = Workspace::<{ SHAPE.words() }, { SHAPE.num_symbols() }>::new();
//! let model = Model::from_bytes(&FILE.0)?;
//! let alphabet = model.alphabet();
//! let mut session = Session::new(model, &mut workspace)?;
//! let mut sampler = Sampler::new(1).with_temperature(0.8)?;
//! let mut token = alphabet.encode('\n');
//! for _ in 0..100 {
//!     token = sampler.sample(session.step(token));
//!     let _character = alphabet.decode(token);
//! }
//! # Ok::<(), lstm_core::Error>(())
//! ```
//!
//! # Where things are
//!
//! Each module imports only what stands above it in this list:
//!
//! * `bytes`, `crc`, `tables`, `scaling`: slices, checksums, constants, units of values
//! * `format`: the file: head, description, shapes
//! * `alphabet`: characters and tokens
//! * `layout`: the arrays of a file, by its shapes
//! * `kernel`: the dot products, a file for each CPU
//! * `arith`: the sums and activations of a format, a file each
//! * `ngram`: what is looked up by the last tokens
//! * `cell`: the equations, a file for each cell
//! * `validate`, `model`: every check of a file, and what it becomes
//! * `workspace`, `session`, `state`: RAM, a step, the state as bytes
//! * `sample`, `window`, `generate`, `golden`: what makes text of it
//! * `sensor`: what reads values, and makes classes and values of logits

#![no_std]
#![deny(missing_docs, clippy::undocumented_unsafe_blocks)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

/// The examples of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "export")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(not(any(feature = "f32", feature = "int8")))]
compile_error!("lstm-core needs one of the features f32, int8 and int4");

mod alphabet;
mod arith;
mod bytes;
mod cell;
mod crc;
mod error;
#[cfg(feature = "export")]
mod features;
#[cfg_attr(
    not(feature = "export"),
    allow(
        dead_code,
        unreachable_pub,
        reason = "the exporter needs more than a chip"
    )
)]
mod format;
mod generate;
mod golden;
#[cfg_attr(
    not(all(feature = "int8", feature = "int4")),
    allow(dead_code, reason = "the kernels of all formats are compiled")
)]
mod kernel;
#[cfg(feature = "__kernel-test")]
#[doc(hidden)]
pub mod kernel_test;
#[cfg_attr(
    not(feature = "export"),
    allow(
        dead_code,
        unreachable_pub,
        reason = "the exporter needs more than a chip"
    )
)]
mod layout;
mod model;
#[cfg(feature = "ngram")]
#[cfg_attr(
    not(feature = "export"),
    allow(
        dead_code,
        unreachable_pub,
        reason = "the exporter needs more than a chip"
    )
)]
mod ngram;
mod sample;
#[cfg(feature = "sensor")]
#[cfg_attr(
    not(feature = "export"),
    allow(unreachable_pub, reason = "the exporter needs more than a chip")
)]
mod scaling;
#[cfg(feature = "sensor")]
mod sensor;
mod session;
mod state;
#[cfg_attr(
    not(feature = "int8"),
    allow(dead_code, reason = "the table of the sampler alone")
)]
mod tables;
#[cfg_attr(
    not(feature = "export"),
    allow(
        dead_code,
        unreachable_pub,
        reason = "the exporter needs more than a chip"
    )
)]
mod validate;
mod window;
mod workspace;

pub use alphabet::{Alphabet, Token};
pub use error::Error;
pub use format::VERSION as FORMAT_VERSION;
#[cfg(feature = "sensor")]
pub use format::{
    Activation, DenseShape, Input, MAX_CHANNELS, MAX_DENSE_LAYERS, MAX_DENSE_WIDTH,
    MAX_VALUES_WINDOW, OutputHead, SENSOR_VERSION,
};
pub use format::{
    CellKind, Format, LayerShape, MAX_HIDDEN, MAX_INTEGER_COLUMNS, MAX_LAYERS, MAX_SYMBOLS,
    MAX_WINDOW, ModelError, ModelShape, Order,
};
pub use generate::Generator;
pub use golden::{Golden, TokenDigest};
pub use model::{Aligned, Model};
pub use rand_xoshiro::rand_core;
pub use sample::{Sampler, SamplerError, Settings};
#[cfg(feature = "sensor")]
pub use sensor::{InputError, Output, OutputGolden, SensorSession, SensorWindow, window_words};
pub use session::{Logits, Session};
pub use state::SnapshotError;
pub use window::Window;
#[cfg(feature = "sensor")]
pub use workspace::sensor_workspace_words;
pub use workspace::{Memory, Workspace, WorkspaceError, WorkspaceSlices, workspace_words};

/// What writes models, for an exporter on the desk: the types of the file, the encodings of weights,
/// and the integer arithmetic value by value.
#[cfg(feature = "export")]
pub mod export {
    #[cfg(feature = "int8")]
    pub use crate::arith::values as integer;
    pub use crate::features::Feature;
    pub use crate::format::{
        ARRAY_ALIGN, BLOCK_ROWS, COLUMN_ALIGN, DenseLayers, Description, HEAD_BYTES, Head,
        INT4_ROWS, Layers, MAGIC, MAX_DEAD_ZONE, NGRAM_VERSION, Payload, Row, SENSOR_COLUMN_ALIGN,
        SENSOR_VERSION, SensorDescription, SensorPayload, VERSION, VerifiedFile, WeightFormat,
        blocks, c_header, decode_weight, encode_file, encode_int4, encode_sensor_file,
        encode_weight, int4_words, round_up, with_head,
    };
    pub use crate::format::{
        BackoffSection, EMBEDDING_LENGTHS, EmbeddingsSection, HISTORY, List, MAX_BACKOFF,
        MAX_BACKOFF_LENGTHS, MAX_DENSE, MAX_ROW_BYTES, MAX_SHIFT, Ngrams,
    };
    pub use crate::layout::MatrixBytes;

    pub use crate::scaling::quantize_column;
    pub use crate::validate::{data_bytes, sensor_data_bytes};

    /// The look-ups of the n-gram sections, for who builds and trains them.
    #[cfg(feature = "ngram")]
    pub mod ngram {
        pub use crate::ngram::{
            Backoff, Embeddings, History, bucket, buckets, hash, place, values,
        };
    }
}
