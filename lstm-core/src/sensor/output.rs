use crate::sample::weights;
use crate::scaling::Scaling;
use crate::{Logits, Model};

impl<'m> Model<'m> {
    /// What the logits of a [`Session`](crate::Session) with this model mean. A
    /// [`SensorSession`](crate::SensorSession) gives it itself.
    pub fn output<'s>(&self, logits: Logits<'s>) -> Output<'s>
    where
        'm: 's,
    {
        Output::new(logits, self.value_scaling())
    }
}

/// What a step gives: classes with their probabilities, or values in the user's units.
///
/// ```
/// use lstm_core::Output;
///
/// fn show(output: &Output<'_>, labels: &[&str]) -> String {
///     let class = output.class();
///     format!("{} {:.2}", labels[class], output.probability(class))
/// }
/// ```
#[derive(Debug)]
pub struct Output<'s> {
    logits: Logits<'s>,
    scaling: Scaling<'s>,
}

impl<'s> Output<'s> {
    pub(super) fn new(logits: Logits<'s>, scaling: Scaling<'s>) -> Self {
        Output { logits, scaling }
    }

    /// The number of classes or values.
    #[allow(
        clippy::len_without_is_empty,
        reason = "a model gives at least one value"
    )]
    pub fn len(&self) -> usize {
        self.logits.len()
    }

    /// The class with the largest logit, the first of equals.
    pub fn class(&self) -> usize {
        self.logits.best()
    }

    /// The logits as real numbers.
    pub fn logits(&self) -> impl Iterator<Item = f32> + Clone + '_ {
        self.logits.iter()
    }

    /// The logits in Q12, as [`Logits::into_q12`]; a sampler takes [`Output::into_logits`].
    pub fn into_q12(self) -> &'s mut [i32] {
        self.logits.into_q12()
    }

    /// The logits, for a [`Sampler`](crate::Sampler).
    pub fn into_logits(self) -> Logits<'s> {
        self.logits
    }

    /// The probability of a class, the softmax of the logits; 0 for a class that there is not.
    pub fn probability(&self, class: usize) -> f32 {
        self.probabilities().nth(class).unwrap_or(0.0)
    }

    /// The probabilities of all classes.
    pub fn probabilities(&self) -> impl Iterator<Item = f32> + '_ {
        let max = self.logits.iter().fold(f32::NEG_INFINITY, f32::max);
        let weights = self.logits.iter().map(move |logit| libm::expf(logit - max));
        let sum = weights.clone().fold(0.0, |sum, weight| sum + weight);
        weights.map(move |weight| weight / sum)
    }

    /// The probability of a class in Q15, in integers only, equal on every chip; 0 for a class that
    /// there is not. `docs/NUMBERS.md` in the repository defines it.
    pub fn probability_q15(&self, class: usize) -> u16 {
        self.probabilities_q15().nth(class).unwrap_or(0)
    }

    /// The probabilities of all classes in Q15.
    pub fn probabilities_q15(&self) -> impl Iterator<Item = u16> + '_ {
        let weights = weights(self.logits.q12());
        let sum = weights.clone().fold(0, u32::wrapping_add).max(1);
        // A weight is below 2^16 and the sum below 2^24.
        weights.map(move |weight| ((weight << 15).wrapping_add(sum / 2) / sum) as u16)
    }

    /// The values in the user's units; the logits of a model that gives classes or symbols.
    pub fn values(&self) -> impl Iterator<Item = f32> + '_ {
        self.scaling.in_units(self.logits.iter())
    }
}
