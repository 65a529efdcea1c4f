//! The fuzz targets: each is a function of some bytes that panics where a promise is broken.
//!
//! The crate in `libfuzzer` gives them to cargo-fuzz (`cargo xtask fuzz`); the test in `tests` runs
//! the inputs in `corpus` again, with the tools of every other test. `seeds` are where a corpus
//! begins.

#[cfg(feature = "trainer")]
mod checkpoint;
mod console;
#[cfg(feature = "trainer")]
mod corpus;
mod flash;
#[cfg(feature = "trainer")]
mod import;
mod kernels;
mod model_file;
mod payload;
#[cfg(feature = "trainer")]
mod tuning;

use flash::Flash;

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
    kernels,
    console,
    #[cfg(feature = "trainer")]
    checkpoint,
    #[cfg(feature = "trainer")]
    corpus,
    #[cfg(feature = "trainer")]
    import,
];

/// The target of this name.
///
/// # Panics
///
/// There is none.
pub fn target(name: &str) -> &'static Target {
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
