//! A session.

use lstm_core::Token;
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{Tokens, checked, matrix, raised, refused, saved};
use crate::model::Model;
use crate::output::Output;
use crate::room::OwnedSession;
use crate::sampler::Sampler;

/// A model that reads text, with its state.
///
/// Steps one by one and all at once give the same bits, those of the chip.
#[pyclass(module = "lstm_mcu")]
pub(crate) struct Session(OwnedSession);

#[pymethods]
impl Session {
    #[new]
    fn new(model: &Model) -> PyResult<Self> {
        OwnedSession::at_zero(&model.0).map(Self).map_err(raised)
    }

    /// The model.
    #[getter]
    fn model(&self) -> Model {
        Model(self.0.borrow_owner().shared())
    }

    /// Feeds a token, and gives the logits of the next, float32 [num_outputs]. A token from outside the alphabet counts
    /// as token 0.
    fn step<'py>(&mut self, py: Python<'py>, token: u8) -> Bound<'py, PyArray1<f32>> {
        self.0.with_dependent_mut(|_, session| {
            PyArray1::from_iter(py, session.step(Token::new(token)).iter())
        })
    }

    /// Feeds tokens, [T], and gives the logits after each, float32 [T, num_outputs].
    fn run<'py>(
        &mut self,
        py: Python<'py>,
        tokens: Tokens<'py>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let tokens = checked(&tokens)?;
        let columns = self.0.borrow_owner().model().num_outputs();
        let mut logits = Vec::with_capacity(tokens.len() * columns);
        py.detach(|| {
            self.0.with_dependent_mut(|_, session| {
                for &token in &tokens {
                    logits.extend(session.step(token).iter());
                }
            });
        });
        matrix(py, logits, tokens.len(), columns)
    }

    /// Feeds tokens, [T], without computing logits.
    fn advance(&mut self, py: Python<'_>, tokens: Tokens<'_>) -> PyResult<()> {
        let tokens = checked(&tokens)?;
        py.detach(|| {
            self.0.with_dependent_mut(|_, session| {
                tokens.iter().for_each(|&token| session.advance(token));
            });
        });
        Ok(())
    }

    /// Feeds a token, and draws the next.
    fn sample(&mut self, token: u8, sampler: &mut Sampler) -> usize {
        self.0.with_dependent_mut(|_, session| {
            sampler.0.sample(session.step(Token::new(token))).index()
        })
    }

    /// Feeds a token, and gives what the logits mean, of a model that gives classes or values.
    fn answer(&mut self, token: u8) -> Output {
        self.0.with_dependent_mut(|room, session| {
            let output = session.step(Token::new(token));
            Output::of(room.model(), &room.model().output(output))
        })
    }

    /// Back to the zero state.
    fn reset(&mut self) {
        self.0.with_dependent_mut(|_, session| session.reset());
    }

    /// The state as bytes. They mean the same on every chip.
    fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let session = self.0.borrow_dependent();
        saved(py, session.state_bytes(), |state| session.save(state))
    }

    /// Takes back a state that save gave, here or on a chip. Where it is refused, nothing changes.
    fn restore(&mut self, state: &[u8]) -> PyResult<()> {
        let restore = self
            .0
            .with_dependent_mut(|_, session| session.restore(state));
        restore.map_err(refused)
    }
}
