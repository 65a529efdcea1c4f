//! The fuzz targets: each is a function of some bytes that panics where a promise is broken.
//!
//! The crate in `libfuzzer` gives them to cargo-fuzz; the test in `tests` runs the inputs in `corpus`
//! again, with the tools of every other test. `seeds` are where a corpus begins. As a control, [`plant`] puts
//! a bug into what each target tests; cargo-fuzz does so with the feature `planted`. The README has
//! the command lines.

#[cfg(feature = "trainer")]
mod checkpoint;
#[path = "../../../lstm-core/tests/common/mod.rs"]
mod common;
mod console;
#[cfg(feature = "trainer")]
mod corpus;
mod flash;
mod image;
#[cfg(feature = "trainer")]
mod import;
#[cfg(feature = "inputs")]
pub mod inputs;
mod kernels;
mod model_file;
mod ngrams;
mod payload;
mod sensor_model;
mod sensor_steps;
#[cfg(feature = "trainer")]
mod sequences;

use flash::Flash;
use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Runs an input.
    pub run: fn(&[u8]),
    /// Inputs to begin with, which reach far.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// The zip file of the inputs that are kept for it.
    pub fn archive(&self) -> PathBuf {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        corpus.join(self.name).with_extension("zip")
    }
}

macro_rules! targets {
    ($($(#[$attribute:meta])? $name:ident,)*) => {
        &[$(
            $(#[$attribute])?
            Target {
                name: stringify!($name),
                run: $name::run,
                seeds: $name::seeds,
            },
        )*]
    };
}

/// All of them.
pub const TARGETS: &[Target] = targets![
    model_file,
    payload,
    sensor_model,
    sensor_steps,
    ngrams,
    kernels,
    console,
    image,
    #[cfg(feature = "trainer")]
    checkpoint,
    #[cfg(feature = "trainer")]
    corpus,
    #[cfg(feature = "trainer")]
    import,
    #[cfg(feature = "trainer")]
    sequences,
];

thread_local! {
    static PLANTED: Cell<bool> = const { Cell::new(false) };
}

/// Puts a bug into what each target tests, on this thread.
pub fn plant() {
    PLANTED.set(true);
}

/// Whether there is a bug to be found.
fn is_planted() -> bool {
    PLANTED.get()
}

/// The target of this name, for cargo-fuzz: with a bug if the feature `planted` is on.
///
/// # Panics
///
/// There is none.
pub fn target(name: &str) -> &'static Target {
    if cfg!(feature = "planted") {
        plant();
    }
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("no fuzz target {name}"))
}

/// Checks what every message to a user keeps.
fn assert_one_line(error: &dyn std::error::Error) {
    let message = error.to_string();
    assert!(
        !message.is_empty() && !message.contains(char::is_control),
        "{message:?}"
    );
}
