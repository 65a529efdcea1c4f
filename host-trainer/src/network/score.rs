//! How well a text is predicted. A long one is cut into pieces, which all threads read at once.

use crate::files::error::Result;
use crate::files::progress::Progress;
use crate::files::table::table;
use crate::kernels::pool::in_pool;
use crate::network::parameters::Network;
use crate::network::predictor::{InContext, NetworkPredictor, Predictor};
use crate::text::corpus::{Corpus, Split};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::ops::Range;

/// Characters before a piece that are read first, so that the state is carried into it.
const WARM_UP: usize = 512;
/// The fewest characters of a piece of a longer text: its warm-up is a small share of it.
const PIECE: usize = 16_384;

/// How much of a part is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Where the part is longer, [`SAMPLE`] characters in [`SAMPLE_PIECES`] pieces, evenly apart.
    Sample,
}

/// Characters of [`Extent::Sample`].
pub const SAMPLE: usize = 32_768;
/// Pieces of [`Extent::Sample`].
pub const SAMPLE_PIECES: usize = 8;

impl Extent {
    /// The pieces of a part of so many characters.
    fn pieces(self, characters: usize) -> Vec<Range<usize>> {
        if self == Self::Sample && characters > SAMPLE {
            let length = SAMPLE / SAMPLE_PIECES;
            let start = |piece| piece * characters / SAMPLE_PIECES;
            let piece = |piece| start(piece)..start(piece) + length;
            return (0..SAMPLE_PIECES).map(piece).collect();
        }
        let pieces = (characters / PIECE).max(1);
        let bound = |piece| piece * characters / pieces;
        (0..pieces).map(|i| bound(i)..bound(i + 1)).collect()
    }
}

/// How well a text was predicted.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Score {
    /// Characters that were scored.
    pub characters: usize,
    /// Mean of -log2 of the probability given to each.
    pub bits_per_char: f64,
}

impl Score {
    /// Of some pieces together.
    fn of(found: &[Surprise]) -> Self {
        let characters = found.iter().map(|piece| piece.characters).sum();
        let nats: f64 = found.iter().map(|piece| piece.nats).sum();
        Self {
            characters,
            bits_per_char: nats / std::f64::consts::LN_2 / (characters.max(1) as f64),
        }
    }

    /// 2 to the bits: the number of equally likely characters it is like choosing among.
    pub fn perplexity(&self) -> f64 {
        self.bits_per_char.exp2()
    }
}

/// A part of a text that one predictor reads.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'t> {
    /// As [`InContext::new`] has it.
    window: Option<usize>,
    /// What stands before it.
    warm_up: &'t [u8],
    tokens: &'t [u8],
}

/// What a predictor found of a piece.
#[derive(Clone, Copy, Debug)]
pub struct Surprise {
    /// Characters that were scored.
    characters: usize,
    /// The sum of -ln of the probability given to each.
    nats: f64,
}

impl Piece<'_> {
    /// Reads the warm-up and then scores every character, the state carried throughout, or in windows.
    /// Without a warm-up the first character is only read: nothing stands before it.
    pub fn read(&self, predictor: impl Predictor) -> Surprise {
        let mut predictor = InContext::new(predictor, self.window);
        predictor.reset();
        for &token in self
            .warm_up
            .split_last()
            .map_or(&[][..], |(_, before)| before)
        {
            predictor.step(token);
        }
        let (mut last, scored) = match (self.warm_up.last(), self.tokens.split_first()) {
            (Some(&last), _) => (last, self.tokens),
            (None, Some((&first, rest))) => (first, rest),
            (None, None) => (0, self.tokens),
        };
        let mut nats = 0.0;
        for &token in scored {
            nats += surprise(predictor.step(last), token);
            last = token;
        }
        Surprise {
            characters: scored.len(),
            nats,
        }
    }
}

/// The score of a text from a zero state, in one piece; `window` as in [`InContext::new`].
pub fn score_text(predictor: impl Predictor, window: Option<usize>, tokens: &[u8]) -> Score {
    let piece = Piece {
        window,
        warm_up: &[],
        tokens,
    };
    Score::of(&[piece.read(predictor)])
}

/// -ln of the probability of `token` under softmax of `logits`.
fn surprise(logits: &[f32], token: u8) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|&z| f64::from(z - max).exp()).sum();
    total.ln() - f64::from(logits[usize::from(token)] - max)
}

/// The score of each part, with the state carried from the text before it, or in windows as
/// [`InContext::new`] has them. `read` gives each piece to a predictor, on any thread; the number of
/// threads changes no bit.
///
/// # Errors
/// As of `read`.
pub fn scores(
    read: impl Fn(Piece<'_>) -> Result<Surprise> + Sync,
    window: Option<usize>,
    corpus: &Corpus,
    splits: &[Split],
    extent: Extent,
) -> Result<Vec<Score>> {
    let tokens = &corpus.tokens[..];
    let parts = splits.iter().map(|split| split.range(tokens.len()));
    let parts: Vec<(usize, Vec<Range<usize>>)> = parts
        .map(|part| (part.start, extent.pieces(part.len())))
        .collect();
    let pieces = parts.iter().flat_map(|(_, pieces)| pieces);
    let progress = Progress::new("scored", pieces.map(Range::len).sum());
    // A window needs no more before it than itself.
    let warm_up = window.map_or(WARM_UP, |window| window.min(WARM_UP));
    let score = |(start, pieces): (usize, Vec<Range<usize>>)| {
        let found: Result<Vec<Surprise>> = pieces
            .into_par_iter()
            .map(|piece| {
                let (start, end) = (start + piece.start, start + piece.end);
                let found = read(Piece {
                    window,
                    warm_up: &tokens[start.saturating_sub(warm_up)..start],
                    tokens: &tokens[start..end],
                });
                progress.add(piece.len());
                found
            })
            .collect();
        found.map(|found| Score::of(&found))
    };
    in_pool(|| parts.into_iter().map(score).collect())?
}

/// The score of each part by a network in f32, as [`scores`].
///
/// # Errors
/// There are none.
pub fn network_scores(
    network: &Network,
    window: Option<usize>,
    corpus: &Corpus,
    splits: &[Split],
    extent: Extent,
) -> Result<Vec<Score>> {
    let read = |piece: Piece<'_>| Ok(piece.read(NetworkPredictor::new(network)));
    scores(read, window, corpus, splits, extent)
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
    use crate::text::alphabet::Alphabet;

    /// Predicts every symbol of four with the same probability.
    struct Uniform<'s>([f32; 4], &'s mut usize);

    impl Predictor for Uniform<'_> {
        fn reset(&mut self) {
            *self.1 = 0;
        }
        fn step(&mut self, _: u8) -> &[f32] {
            *self.1 += 1;
            &self.0
        }
    }

    #[test]
    fn four_equal_choices_are_two_bits() {
        let mut steps = 9;
        let piece = Piece {
            window: None,
            warm_up: &[1, 2],
            tokens: &[3, 0, 1],
        };
        let score = Score::of(&[piece.read(Uniform([0.5; 4], &mut steps))]);
        assert_eq!((score.characters, steps), (3, 4));
        assert!((score.bits_per_char - 2.0).abs() < 1e-9);
        assert!((score.perplexity() - 4.0).abs() < 1e-6);
        let score = score_text(Uniform([0.5; 4], &mut steps), None, &[3, 0, 1]);
        assert_eq!(score.characters, 2);
    }

    #[test]
    fn pieces_tile_a_part_or_are_spread_over_it() {
        for characters in [0, 1, PIECE, 2 * PIECE - 1, SAMPLE, SAMPLE + 1, 1_000_003] {
            let mut next = 0;
            for piece in Extent::Whole.pieces(characters) {
                assert_eq!(piece.start, next);
                next = piece.end;
            }
            assert_eq!(next, characters);
            let sample = Extent::Sample.pieces(characters);
            let length: usize = sample.iter().map(Range::len).sum();
            assert_eq!(length, characters.min(SAMPLE));
            assert!(sample.is_sorted_by(|a, b| a.end <= b.start));
            assert!(sample.last().unwrap().end <= characters);
        }
        // Cut only where two pieces are long enough.
        assert_eq!(Extent::Whole.pieces(2 * PIECE - 1).len(), 1);
    }

    /// Surprised by nothing but the character that it has just read.
    struct Echo([f32; 27]);

    impl Predictor for Echo {
        fn reset(&mut self) {
            self.0.fill(0.0);
        }
        fn step(&mut self, token: u8) -> &[f32] {
            self.0.fill(0.0);
            self.0[usize::from(token)] = 10.0;
            &self.0
        }
    }

    #[test]
    fn pieces_on_threads_score_as_one_piece() {
        let alphabet = Alphabet::letters();
        let tokens: Vec<u8> = (0..60 * PIECE).map(|i| (i / 3 % 27) as u8).collect();
        let corpus = Corpus { alphabet, tokens };
        let read = |piece: Piece<'_>| Ok(piece.read(Echo([0.0; 27])));
        let splits = [Split::Train, Split::Test];
        let scores = scores(read, None, &corpus, &splits, Extent::Whole).unwrap();
        let whole = score_text(Echo([0.0; 27]), None, corpus.split(Split::Train));
        // The first character of the text is only read.
        assert_eq!(scores[0].characters, whole.characters);
        assert!((scores[0].bits_per_char - whole.bits_per_char).abs() < 1e-9);
        assert_eq!(scores[1].characters, 3 * PIECE);
    }
}
