//! A generator.

use host_trainer::model::snapshot;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{raised, refused, saved};
use crate::model::Model;
use crate::room::OwnedGenerator;
use crate::sampler::{of_text, with};

/// A model that writes: each character that is drawn is the next that is fed. It is an iterator over characters, without
/// end.
///
/// The settings are those of Model.generate.
#[pyclass(module = "lstm_mcu")]
pub(crate) struct Generator(OwnedGenerator);

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
        let sampler = with(of_text(seed)?, temperature, top_k, top_p)?;
        OwnedGenerator::at_zero(&model.0, sampler, window).map(Self)
    }

    /// The model.
    #[getter]
    fn model(&self) -> Model {
        Model(self.0.borrow_owner().shared())
    }

    /// Reads a text. A character that the alphabet lacks is read as symbol 0.
    fn read(&mut self, text: &str) {
        self.0.read(text);
    }

    /// Writes the next `length` characters.
    fn write(&mut self, py: Python<'_>, length: usize) -> PyResult<String> {
        self.0.write(py, length)
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
