//! A sampler.

use host_trainer::model::generate::TEMPERATURE;
use lstm_core::Sampler as Engine;
use pyo3::prelude::*;

use crate::convert::refused;

/// Draws tokens from logits, in integers: a seed gives the same on every chip.
///
/// temperature: 0 takes the likeliest always, 1 follows the model. top_k and top_p choose among the likeliest symbols only.
#[pyclass(module = "lstm_mcu")]
pub(crate) struct Sampler(pub(crate) Engine);

/// The sampler of a text, at the temperature that the command `generate` has.
pub(crate) fn of_text(seed: u64) -> PyResult<Engine> {
    let sampler = Engine::new(seed).with_temperature(TEMPERATURE);
    sampler.map_err(refused)
}

/// The sampler with those of the settings that are given.
pub(crate) fn with(
    sampler: Engine,
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
) -> PyResult<Engine> {
    let mut settings = sampler.settings();
    settings.temperature = temperature.unwrap_or(settings.temperature);
    settings.top_k = top_k.unwrap_or(settings.top_k);
    settings.top_p = top_p.unwrap_or(settings.top_p);
    let mut sampler = sampler;
    sampler.set(settings).map_err(refused)?;
    Ok(sampler)
}

#[pymethods]
impl Sampler {
    #[new]
    #[pyo3(signature = (seed=1, *, temperature=None, top_k=None, top_p=None))]
    fn new(
        seed: u64,
        temperature: Option<f32>,
        top_k: Option<usize>,
        top_p: Option<f32>,
    ) -> PyResult<Self> {
        with(Engine::new(seed), temperature, top_k, top_p).map(Self)
    }

    /// Changes the settings that are given, and leaves the random numbers as they are.
    #[pyo3(signature = (*, temperature=None, top_k=None, top_p=None))]
    fn set(
        &mut self,
        temperature: Option<f32>,
        top_k: Option<usize>,
        top_p: Option<f32>,
    ) -> PyResult<()> {
        self.0 = with(self.0.clone(), temperature, top_k, top_p)?;
        Ok(())
    }

    /// The seed that the random numbers came from.
    #[getter]
    fn seed(&self) -> u64 {
        self.0.seed()
    }

    /// The temperature; 1 unless given.
    #[getter]
    fn temperature(&self) -> f32 {
        self.0.settings().temperature
    }

    /// How many of the likeliest symbols it chooses among; 256, all, unless given.
    #[getter]
    fn top_k(&self) -> usize {
        self.0.settings().top_k
    }

    /// The probability that the symbols have together which it chooses among; 1 unless given.
    #[getter]
    fn top_p(&self) -> f32 {
        self.0.settings().top_p
    }
}
