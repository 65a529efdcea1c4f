//! A model.

use std::path::PathBuf;
use std::sync::Arc;

use host_trainer::model::describe::facts;
use host_trainer::model::file::{ModelFile, encode};
use host_trainer::model::generate::PROMPT;
use host_trainer::network::predictor::context;
use lstm_core::{Golden, OutputGolden, OutputHead, Sampler};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::convert::{Tokens, checked, raised, refused};
use crate::room::{OwnedGenerator, OwnedSensorSession, OwnedSession, Verified};
use crate::sampler::{of_text, with};

/// A model of a .lstm file, checked once: every check that the chip makes.
///
/// Model(data) takes the bytes of a file, Model.load(path) reads one. ValueError tells what is wrong with it.
#[pyclass(frozen, module = "lstm_mcu")]
pub(crate) struct Model(pub(crate) Arc<Verified>);

impl Model {
    fn of(file: ModelFile) -> PyResult<Self> {
        let verified = Verified::try_new(file, |file| file.model()).map_err(refused)?;
        Ok(Model(Arc::new(verified)))
    }

    fn engine(&self) -> &lstm_core::Model<'_> {
        self.0.borrow_dependent()
    }
}

#[pymethods]
impl Model {
    #[new]
    fn new(data: &[u8]) -> PyResult<Self> {
        Self::of(ModelFile::from_bytes(data))
    }

    /// Reads a .lstm file.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        Self::of(ModelFile::load(&path).map_err(raised)?)
    }

    /// The bytes of the file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.borrow_owner().bytes())
    }

    /// The name that the exporter gave.
    #[getter]
    fn name(&self) -> &str {
        self.engine().name()
    }

    /// The number format: "f32", "int8" or "int4".
    #[getter]
    fn format(&self) -> &'static str {
        self.engine().format().name()
    }

    /// The symbols in the order of their tokens; "" if the model reads values.
    #[getter]
    fn symbols(&self) -> &str {
        self.engine().alphabet().symbols()
    }

    /// Whether capitals are read as small letters.
    #[getter]
    fn fold_case(&self) -> bool {
        self.engine().alphabet().fold_case()
    }

    /// The characters or steps of the windows that it was trained on; None if it carries its state.
    #[getter]
    fn window(&self) -> Option<usize> {
        self.engine().window()
    }

    /// The channels of a model that reads values; 0 if it reads text.
    #[getter]
    fn num_channels(&self) -> usize {
        self.engine().num_channels()
    }

    /// The names of the channels, some or all of them "".
    #[getter]
    fn channels(&self) -> Vec<&str> {
        self.engine().channels().collect()
    }

    /// What a step gives: "symbols", "classes" or "values".
    #[getter]
    fn gives(&self) -> &'static str {
        match self.engine().head() {
            OutputHead::Symbols => "symbols",
            OutputHead::Classes { .. } => "classes",
            OutputHead::Values { .. } => "values",
        }
    }

    /// The labels of the classes, or the names of the values.
    #[getter]
    fn labels(&self) -> Vec<&str> {
        self.engine().head().names().collect()
    }

    /// How many logits a step gives: one for each symbol, class or value.
    #[getter]
    fn num_outputs(&self) -> usize {
        self.engine().num_outputs()
    }

    /// The CRC-32 of the file, which names the model in saved states.
    #[getter]
    fn checksum(&self) -> u32 {
        self.engine().checksum()
    }

    /// The digest in the file of what the model must give on every chip; None if the file has none.
    #[getter]
    fn golden(&self) -> Option<u32> {
        self.engine().golden()
    }

    /// That digest as it is found here: equal to `golden` if the model is run right.
    fn golden_digest(&self, py: Python<'_>) -> PyResult<u32> {
        py.detach(|| {
            let model = self.engine();
            if model.head() == OutputHead::Symbols {
                let mut generator = OwnedGenerator::at_zero(&self.0, Sampler::new(1), None)?;
                return Ok(generator.with_dependent_mut(|_, generator| Golden::digest(generator)));
            }
            if model.num_channels() > 0 {
                let mut session = OwnedSensorSession::at_zero(&self.0).map_err(raised)?;
                return Ok(session.with_dependent_mut(|_, s| OutputGolden::of_values(s)));
            }
            let mut session = OwnedSession::at_zero(&self.0).map_err(raised)?;
            Ok(session.with_dependent_mut(|_, session| OutputGolden::of_symbols(session)))
        })
    }

    /// What there is to know of it, for people: what it costs on each chip, its layers, its numbers.
    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for (what, value) in facts(self.engine()) {
            all.set_item(what, value)?;
        }
        Ok(all)
    }

    /// The tokens of a text, uint8 [T]: symbol 0 stands for a character that the alphabet lacks.
    fn encode<'py>(&self, py: Python<'py>, text: &str) -> Bound<'py, PyArray1<u8>> {
        let tokens = encode(self.engine(), text).into_iter();
        PyArray1::from_iter(py, tokens.map(|token| token.index() as u8))
    }

    /// The text of tokens, [T].
    fn decode(&self, tokens: Tokens<'_>) -> PyResult<String> {
        let alphabet = self.engine().alphabet();
        let tokens = checked(&tokens)?.into_iter();
        Ok(tokens.map(|token| alphabet.decode(token)).collect())
    }

    /// The next `length` characters after a prompt, which is not among them.
    ///
    /// A seed gives the same text on every chip. The prompt is a line break unless given. temperature: 0 takes the
    /// likeliest always, 1 follows the model, 0.8 unless given. top_k and top_p choose among the likeliest symbols only.
    /// window: read so many characters again for each new one; 0 carries the state; the model's own unless given.
    #[pyo3(signature = (length, prompt=None, *, seed=1, temperature=None, top_k=None, top_p=None, window=None))]
    #[expect(clippy::too_many_arguments, reason = "they have names in Python")]
    fn generate(
        &self,
        py: Python<'_>,
        length: usize,
        prompt: Option<&str>,
        seed: u64,
        temperature: Option<f32>,
        top_k: Option<usize>,
        top_p: Option<f32>,
        window: Option<usize>,
    ) -> PyResult<String> {
        let sampler = with(of_text(seed)?, temperature, top_k, top_p)?;
        let mut generator = OwnedGenerator::at_zero(&self.0, sampler, window)?;
        generator.read(prompt.unwrap_or(PROMPT));
        generator.write(py, length)
    }

    /// Bits per character of a text: the mean of -log2 of the probability that the model gives to each character, but for
    /// the first, which is only read. window as in generate.
    #[pyo3(signature = (text, *, window=None))]
    fn score(&self, py: Python<'_>, text: &str, window: Option<usize>) -> PyResult<f64> {
        let window = context(window, self.engine().window());
        let score = py.detach(|| self.0.borrow_owner().score_text(window, text));
        Ok(score.map_err(raised)?.bits_per_char)
    }

    fn __repr__(&self) -> String {
        let model = self.engine();
        format!(
            "<Model {:?}, {}, {} bytes, checksum {:08x}>",
            model.name(),
            model.format(),
            model.file_bytes(),
            model.checksum()
        )
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> (Bound<'py, pyo3::types::PyType>, (Bound<'py, PyBytes>,)) {
        (slf.get_type(), (slf.get().to_bytes(slf.py()),))
    }
}
