//! Runs a character-level LSTM on a microcontroller: `no_std`, no heap, no panic, no `unsafe` in
//! the portable build.
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
//!    so nothing after it can fail. Weights are never copied.
//! 2. [`Workspace`] is the only RAM: its size is a constant that [`workspace_words`] computes.
//! 3. [`Session`] borrows both. [`Session::step`] feeds one [`Token`] and gives the [`Logits`] of
//!    the next one. The state stays in the workspace: N single steps equal one run of N steps,
//!    bit for bit. [`Session::save`] and [`Session::restore`] make a value of it.
//! 4. [`Sampler`] picks the next token from the logits: greedy, temperature, top-k, top-p, seeded.
//!    Its arithmetic is integer, so a seed gives the same text on every chip.
//! 5. [`Generator`] joins the two. [`Generator::save`] makes a snapshot of everything that the
//!    coming text depends on; another chip takes it back and goes on to the same text.
//!
//! Context is given in one of two ways. *Stateful*: each character is fed once, and the state
//! carries what came before. *Window*: [`Window`] keeps the last characters and runs them again
//! from a zero state for each new one, as a network trained on windows may expect.
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
//! The lean cell ([`Cell::Lean`]) couples the forget gate, `f = 1 - i` (Greff et al. 2015), and has
//! no rows for it. A layer of either kind may have a recurrent projection (Sak et al. 2014): then
//! `h' = P (o * tanh(c'))`, narrower than `c`.
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
//! | cell `c` | `[H]` | f32 | i16, Q4.11, saturating |
//! | hidden `h` | `[H]` | f32 | i8, in units of 1/127; projected, in units of 1/16 |
//! | logits | `[vocab]` | f32 | i32, Q12 |
//!
//! `docs/NUMBERS.md` in the repository defines the integer arithmetic to the last bit, and
//! `docs/FORMAT.md` every byte of the file. An architecture's kernel may order the work
//! differently, but never changes a number.
//!
//! Each format is a feature (`f32`, `int8`, `int4`; all are on by default). A format that is left out
//! takes no flash, and its models are refused with [`Error::Format`].
//!
//! # Example
//!
//! ```
//! # fn run(file: &[u8]) -> Result<(), lstm_core::Error> {
//! use lstm_core::{Format, LayerShape, Model, Sampler, Session, Workspace, workspace_words};
//!
//! // Room for one int8 layer of up to 256 units and an alphabet of up to 64 symbols.
//! const WORDS: usize = workspace_words(Format::Int8, &[LayerShape::lstm(256)]);
//! let mut workspace = Workspace::<WORDS, 64>::new();
//!
//! let model = Model::from_bytes(file)?;
//! let alphabet = model.alphabet();
//! let mut session = Session::new(&model, &mut workspace)?;
//! let mut sampler = Sampler::new(1).temperature(0.8)?;
//! let mut token = alphabet.encode('\n');
//! for _ in 0..100 {
//!     token = sampler.sample(session.step(token));
//!     let _character = alphabet.decode(token);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! A cell is a function in `cell.rs` over the [`numbers`](self#the-numbers) of a format; a format
//! is a file in `numbers/`; the dot products of a CPU are a file in `kernel/`.

#![no_std]
#![deny(missing_docs, clippy::undocumented_unsafe_blocks)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

#[cfg(test)]
extern crate std;

#[cfg(not(any(feature = "f32", feature = "int8")))]
compile_error!("lstm-core needs one of the features f32, int8 and int4");

mod alphabet;
mod cell;
mod crc;
mod decode;
mod error;
pub mod format;
pub use format as file;
mod arith;
mod generate;
mod golden;
#[cfg(feature = "int8")]
pub mod integer;
#[cfg_attr(
    not(all(feature = "int8", feature = "int4")),
    allow(dead_code, reason = "the kernels of all formats are compiled")
)]
mod kernel;
#[cfg(feature = "kernel-test")]
#[doc(hidden)]
pub mod kernel_test;
mod model;

mod sample;
mod session;
pub mod snapshot;
mod state;
#[cfg_attr(
    not(feature = "int8"),
    allow(dead_code, reason = "the table of the sampler alone")
)]
mod tables;
mod window;
mod workspace;

pub use alphabet::{Alphabet, Token};
pub use error::Error;
pub use format::{Cell, Format, LayerShape};
pub use generate::{Generator, MAX_WINDOW};
pub use golden::{Golden, TokenDigest};
pub use model::{Aligned, Model};
pub use sample::{Sampler, Settings};
pub use session::{Logits, Session};
pub use window::Window;
pub use workspace::{Workspace, workspace_words};

/// The most layers that a model may stack.
pub const MAX_LAYERS: usize = 4;

/// The most symbols that an alphabet may hold: a [`Token`] is one byte.
pub const MAX_SYMBOLS: usize = 256;
