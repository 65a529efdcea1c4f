//! Samplers.
#![allow(unsafe_code, reason = "C's names")]

use lstm_core::{Sampler, Settings};

use crate::{
    error::{Error, Status, status},
    object::{ErrorMemory, SamplerMemory},
    pointer::Out,
    report::report,
};

/// A sampler at temperature 1 over all symbols, with the random numbers of a seed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sampler_init(sampler: *mut SamplerMemory, seed: u64) -> Status {
    status(Out(sampler).make("sampler", || Ok(Sampler::new(seed))))
}

/// Changes the settings, and leaves the random numbers as they are: temperature 0, which always takes
/// the likeliest, or 0.01 to 100; `top_k` 1 to 256, 256 for all; `top_p` above 0, to 1 for all. Where one is refused,
/// nothing changes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_sampler_set(
    sampler: *mut SamplerMemory,
    temperature: f32,
    top_k: usize,
    top_p: f32,
    error: *mut ErrorMemory,
) -> Status {
    let sampler = Out(sampler).content("sampler");
    report(set(sampler, temperature, top_k, top_p), Out(error))
}

/// Changes the settings of a sampler.
pub(crate) fn set(
    sampler: Result<&mut Sampler, Error>,
    temperature: f32,
    top_k: usize,
    top_p: f32,
) -> Result<(), Error> {
    let settings = Settings {
        temperature,
        top_k,
        top_p,
    };
    Ok(sampler?.set(settings)?)
}
