//! What decides a fine-tuning.

/// How to tune.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Passes over the training part.
    pub epochs: f64,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Share of the teacher in the loss, 0 to 1.
    pub teacher: f32,
    /// Rows of a batch.
    pub batch: usize,
    /// Seed of every random choice.
    pub seed: u64,
}
