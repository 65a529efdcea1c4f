//! What is trained, as the one loop sees it.

use crate::engine::variables::values;
use crate::files::error::Result;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::network::config::LayerConfig;
use crate::network::state::State;
use crate::text::batches::{Batch, Span};
use crate::training::checkpoint::Progress;
use crate::training::metrics::Row;
use crate::training::phase::Phase;
use candle_core::{Tensor, Var};

/// Parameters that learn: what a batch costs them, what they are worth, and what becomes of them. In plain memory they
/// are a vector for each.
pub(crate) trait Task: Send + Sync {
    /// The parameters; of a network, the embedding is the first.
    fn vars(&self) -> &[Var];

    /// The layers whose states are carried from batch to batch.
    fn layers(&self) -> &[LayerConfig];

    /// The mean loss of a batch: a node of the graph, and its parts in nats. `states` goes from before the batch to after
    /// it.
    ///
    /// # Errors
    /// The shapes do not fit each other, or the device fails.
    fn loss(
        &mut self,
        turn: Turn<'_>,
        states: &mut Vec<State>,
        phase: &Phase,
        random: &mut Random,
    ) -> Result<(Tensor, Loss)>;

    /// Bits per character on the validation part with these parameters.
    ///
    /// # Errors
    /// They cannot be run.
    fn validate(&self, parameters: &[Vec<f32>], phase: &Phase) -> Result<f64>;

    /// Number of symbols that it predicts.
    fn num_symbols(&self) -> usize;

    /// For people: the unit of a validation, and what one guesses among.
    fn units(&self) -> [&'static str; 2] {
        ["bits/char", "symbols"]
    }

    /// Characters, or steps, that a batch reads.
    fn read(&self, span: &Span) -> usize {
        span.starts.len() * span.steps
    }

    /// For people: how quick a run is that reads so many characters, or steps, a second.
    fn speed(&self, per_second: f64) -> String {
        format!("{:.1}k chars/s", per_second / 1e3)
    }

    /// Writes these parameters, the best so far, where the user looks for them.
    ///
    /// # Errors
    /// The disk refuses.
    fn keep(&self, parameters: &[Vec<f32>]) -> Result<()>;

    /// Notes what a validation of the parameters as they are now found; gives what is to be printed.
    ///
    /// # Errors
    /// The disk refuses.
    fn report(
        &mut self,
        report: &Report,
        parameters: &[Vec<f32>],
        phase: &Phase,
        progress: &mut Progress,
    ) -> Result<String>;

    /// A copy of the parameters in plain memory.
    ///
    /// # Errors
    /// The device fails.
    fn parameters(&self) -> Result<Vec<Vec<f32>>> {
        Ok(values(self.vars())?)
    }
}

/// What the next batch is of.
pub(crate) struct Turn<'t> {
    /// The number of the material among those that are read in turn.
    pub(crate) number: usize,
    /// Its tokens; none of sequences.
    pub(crate) tokens: &'t [u8],
    /// Where the batch is in it.
    pub(crate) span: Span,
}

impl Turn<'_> {
    /// The characters of a text.
    pub(crate) fn batch(self) -> Batch {
        Batch::at(self.tokens, self.span.starts, self.span.steps)
    }
}

/// What a validation found.
pub(crate) struct Report {
    /// The row of metrics.
    pub(crate) row: Row,
    /// Mean divergence from a teacher since the last validation, in nats.
    pub(crate) teacher_nats: f64,
    /// Whether it is the best so far.
    pub(crate) is_best: bool,
}
