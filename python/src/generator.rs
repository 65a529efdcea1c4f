//! A generator.

use std::sync::Arc;

use host_trainer::model::file::encode;
use host_trainer::model::generate::TEMPERATURE;
use host_trainer::model::snapshot;
use host_trainer::model::workspace;
use host_trainer::network::predictor::context;
use lstm_core::Sampler;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{raised, refused, saved};
use crate::model::Model;
use crate::room::{OwnedGenerator, Room, Verified};
use crate::sampler::with;

/// A model that writes: each character that is drawn is the next that is fed. It is an iterator over characters, without
/// end.
///
/// The settings are those of Model.generate.
#[pyclass(module = "lstm_mcu")]
pub(crate) struct Generator(OwnedGenerator);

/// The sampler of a text, at the temperature that the command `generate` has.
pub(crate) fn sampler(seed: u64) -> PyResult<Sampler> {
    let sampler = Sampler::new(seed).with_temperature(TEMPERATURE);
    sampler.map_err(refused)
}

/// A generator in its room; `window` as asked for, where 0 carries the state, or the model's own.
pub(crate) fn owned(
    model: &Arc<Verified>,
    sampler: Sampler,
    window: Option<usize>,
) -> PyResult<OwnedGenerator> {
    OwnedGenerator::try_new(Room::of(model), |room| {
        let session = room.session().map_err(raised)?;
        let generator = match context(window, room.model().window()) {
            None => workspace::Generator::stateful(session, sampler),
            Some(length) => workspace::Generator::windowed(session, sampler, length),
        };
        generator.map_err(refused)
    })
}

impl Generator {
    pub(crate) fn new_with(
        model: &Arc<Verified>,
        sampler: Sampler,
        window: Option<usize>,
    ) -> PyResult<Self> {
        owned(model, sampler, window).map(Self)
    }
}

#[pymethods]
impl Generator {
    #[new]
    #[pyo3(signature = (model, *, seed=1, temperature=None, top_k=None, top_p=None, window=None))]
    fn new(
        model: &Model,
        seed: u64,
        temperature: Option<f32>,
        top_k: Option<usize>,
        top_p: Option<f32>,
        window: Option<usize>,
    ) -> PyResult<Self> {
        let sampler = with(sampler(seed)?, temperature, top_k, top_p)?;
        Self::new_with(&model.0, sampler, window)
    }

    /// The model.
    #[getter]
    fn model(&self) -> Model {
        Model(self.0.borrow_owner().shared())
    }

    /// Reads a text. A character that the alphabet lacks is read as symbol 0.
    pub(crate) fn read(&mut self, text: &str) {
        self.0.with_dependent_mut(|room, generator| {
            let tokens = encode(room.model(), text);
            tokens.into_iter().for_each(|token| generator.prime(token));
        });
    }

    /// Writes the next `length` characters.
    pub(crate) fn write(&mut self, py: Python<'_>, length: usize) -> PyResult<String> {
        /// Characters from one look for Ctrl-C to the next.
        const LOOK: usize = 1000;
        let mut text = String::new();
        let mut left = length;
        while left > 0 {
            let count = left.min(LOOK);
            py.detach(|| {
                self.0.with_dependent_mut(|room, generator| {
                    let alphabet = room.model().alphabet();
                    let tokens = generator.by_ref().take(count);
                    text.extend(tokens.map(|token| alphabet.decode(token)));
                });
            });
            left -= count;
            py.check_signals()?;
        }
        Ok(text)
    }

    /// Writes the next token.
    fn next_token(&mut self) -> usize {
        self.0
            .with_dependent_mut(|_, generator| generator.next_token().index())
    }

    /// What the last token was drawn from: a weight for each symbol, uint32 [num_outputs], in proportion to its
    /// probability. None at temperature 0, where nothing is drawn.
    fn weights<'py>(&mut self, py: Python<'py>) -> Option<Bound<'py, PyArray1<u32>>> {
        self.0.with_dependent_mut(|_, generator| {
            generator
                .weights()
                .map(|weights| PyArray1::from_slice(py, weights))
        })
    }

    /// How many characters it has written.
    #[getter]
    fn written(&self) -> u64 {
        self.0.borrow_dependent().written()
    }

    /// Changes the settings that are given, from the next character on.
    #[pyo3(signature = (*, temperature=None, top_k=None, top_p=None))]
    fn set(
        &mut self,
        temperature: Option<f32>,
        top_k: Option<usize>,
        top_p: Option<f32>,
    ) -> PyResult<()> {
        self.0.with_dependent_mut(|_, generator| {
            let sampler = with(generator.sampler().clone(), temperature, top_k, top_p)?;
            *generator.sampler_mut() = sampler;
            Ok(())
        })
    }

    /// Back to the zero state, with the same settings and the random numbers of a seed from their start.
    #[pyo3(signature = (seed=1))]
    fn reset(&mut self, seed: u64) {
        self.0.with_dependent_mut(|_, generator| {
            generator.restart(generator.sampler().clone().with_seed(seed));
        });
    }

    /// All that the coming text depends on, as bytes. They mean the same on every chip.
    fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let generator = self.0.borrow_dependent();
        saved(py, generator.snapshot_bytes(), |snapshot| {
            generator.save(snapshot)
        })
    }

    /// Takes back what save gave, here or on a chip: the text goes on to the same letter. Where it is refused, nothing
    /// changes.
    fn restore(&mut self, snapshot: &[u8]) -> PyResult<()> {
        let restored = self
            .0
            .with_dependent_mut(|_, generator| generator.restore(snapshot));
        restored.map_err(refused)
    }

    /// The same as the line that the console of a board takes, ":load ...".
    fn save_line(&self) -> PyResult<String> {
        snapshot::save(self.0.borrow_dependent()).map_err(raised)
    }

    /// Takes back a line of save_line, or of a board's ":save".
    fn restore_line(&mut self, line: &str) -> PyResult<()> {
        let restored = self
            .0
            .with_dependent_mut(|_, generator| snapshot::restore(generator, line));
        restored.map_err(raised)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&mut self) -> char {
        self.0.with_dependent_mut(|room, generator| {
            room.model().alphabet().decode(generator.next_token())
        })
    }
}
