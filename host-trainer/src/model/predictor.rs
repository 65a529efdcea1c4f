//! A `.lstm` model as a predictor, run by the device's own engine.

use crate::model::file::Session;
use crate::network::predictor::Predictor;
use lstm_core::Token;

/// A `.lstm` model run by the device's engine.
#[derive(Debug)]
pub struct ModelPredictor<'s, 'm> {
    session: Session<'m, 's>,
    logits: Vec<f32>,
}

impl<'s, 'm> ModelPredictor<'s, 'm> {
    /// A predictor that goes on from the session's state.
    pub fn new(session: Session<'m, 's>) -> Self {
        let logits = Vec::new();
        Self { session, logits }
    }
}

impl Predictor for ModelPredictor<'_, '_> {
    fn reset(&mut self) {
        self.session.reset();
    }

    fn step(&mut self, token: u8) -> &[f32] {
        self.logits.clear();
        let logits = self.session.step(Token::new(token));
        self.logits.extend(logits.iter());
        &self.logits
    }
}
