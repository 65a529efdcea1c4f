//! How well a text is predicted.

use crate::files::table::table;
use crate::network::predictor::Predictor;
use crate::text::corpus::{Corpus, Split};

/// Characters before a part that are read first, so that the state is carried into it.
pub const WARM_UP: usize = 512;

/// How well a text was predicted.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Score {
    /// Characters that were scored.
    pub characters: usize,
    /// Mean of -log2 of the probability given to each.
    pub bits_per_char: f64,
}

impl Score {
    /// 2 to the bits: the number of equally likely characters it is like choosing among.
    pub fn perplexity(&self) -> f64 {
        self.bits_per_char.exp2()
    }
}

/// Reads `warm_up` and then scores every character of `tokens`, the state carried throughout.
/// Without a warm-up the first character is only read: nothing stands before it.
pub fn bits_per_char(predictor: &mut dyn Predictor, warm_up: &[u8], tokens: &[u8]) -> Score {
    predictor.reset();
    for &token in warm_up.split_last().map_or(&[][..], |(_, before)| before) {
        predictor.step(token);
    }
    let (mut last, scored) = match (warm_up.last(), tokens.split_first()) {
        (Some(&last), _) => (last, tokens),
        (None, Some((&first, rest))) => (first, rest),
        (None, None) => (0, tokens),
    };
    let mut nats = 0.0;
    for &token in scored {
        nats += surprise(predictor.step(last), token);
        last = token;
    }
    let characters = scored.len();
    let bits_per_char = nats / std::f64::consts::LN_2 / characters.max(1) as f64;
    Score {
        characters,
        bits_per_char,
    }
}

/// -ln of the probability of `token` under softmax of `logits`.
fn surprise(logits: &[f32], token: u8) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|&z| f64::from(z - max).exp()).sum();
    total.ln() - f64::from(logits[usize::from(token)] - max)
}

/// Scores one part, with the state carried from the text before it.
pub fn score_split(predictor: &mut dyn Predictor, corpus: &Corpus, split: Split) -> Score {
    bits_per_char(
        predictor,
        corpus.before(split, WARM_UP),
        corpus.split(split),
    )
}

/// The score of each part.
pub fn scores(mut predictor: impl Predictor, corpus: &Corpus, splits: &[Split]) -> Vec<Score> {
    let score = |&split| score_split(&mut predictor, corpus, split);
    splits.iter().map(score).collect()
}

/// A table with a line for each part.
pub fn score_table(splits: &[Split], scores: &[Score]) -> String {
    let row = |(split, score): (&Split, &Score)| {
        [
            split.name().to_owned(),
            score.characters.to_string(),
            format!("{:.4}", score.bits_per_char),
            format!("{:.4}", score.perplexity()),
        ]
    };
    let heads = ["part", "characters", "bits/char", "perplexity"];
    table(&heads, &[0], splits.iter().zip(scores).map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Predicts every symbol of four with the same probability.
    struct Uniform([f32; 4], usize);

    impl Predictor for Uniform {
        fn reset(&mut self) {
            self.1 = 0;
        }
        fn step(&mut self, _: u8) -> &[f32] {
            self.1 += 1;
            &self.0
        }
    }

    #[test]
    fn four_equal_choices_are_two_bits() {
        let mut uniform = Uniform([0.5; 4], 9);
        let score = bits_per_char(&mut uniform, &[1, 2], &[3, 0, 1]);
        assert_eq!((score.characters, uniform.1), (3, 4));
        assert!((score.bits_per_char - 2.0).abs() < 1e-9);
        assert!((score.perplexity() - 4.0).abs() < 1e-6);
        assert_eq!(bits_per_char(&mut uniform, &[], &[3, 0, 1]).characters, 2);
    }
}
