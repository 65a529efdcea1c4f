//! Every character of the texts with what stands before it, sorted: all counts are runs of this list.

use crate::files::error::{Error, Result};
use crate::kernels::pool::in_pool;
use crate::text::alphabet::MAX_SYMBOLS;
use lstm_core::export::HISTORY;
use rayon::slice::ParallelSliceMut;
use std::ops::Range;

/// The contiguous parts of equal length that each text is cut into, for cross-fitting.
pub const PARTS: usize = 8;

/// A text that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Text<'t> {
    /// The tokens, in the order of reading.
    pub tokens: &'t [u8],
    /// How often each occurrence counts. What is met once stays as uncertain as it is.
    pub weight: u32,
}

/// Where part `part` of a text of so many tokens lies.
pub fn part_range(length: usize, part: usize) -> Range<usize> {
    let bound = |part| part * length / PARTS;
    bound(part)..bound(part + 1)
}

/// The part of a text of so many tokens in which a position lies.
pub fn part_of(length: usize, position: usize) -> usize {
    let after = |part: &usize| position < part_range(length, *part).end;
    (0..PARTS).find(after).unwrap_or(PARTS - 1)
}

/// A token of a text, the 12 tokens before it, and where it is from.
///
/// From the upper bits down: the tokens before, the newest first, a byte each; the token; the part; the
/// text. So in order of their numbers, occurrences after the same context stand side by side, whatever
/// the context's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Occurrence(u128);

impl Occurrence {
    fn new(history: u128, token: u8, part: usize, text: usize) -> Self {
        let low = u128::from(token) << 24 | (part as u128) << 16 | text as u128;
        Self(history << 32 | low)
    }

    /// The token before which `age` others stand between it and the occurrence: 0 for the newest.
    pub(crate) fn before(self, age: usize) -> u8 {
        (self.0 >> (120 - 8 * age)) as u8
    }

    /// The tokens before, the newest first.
    pub(crate) fn history(self) -> [u8; HISTORY] {
        std::array::from_fn(|age| self.before(age))
    }

    /// Whether the `length` tokens before are the same.
    pub(crate) fn shares_context(self, other: Self, length: usize) -> bool {
        length == 0 || (self.0 ^ other.0) >> (128 - 8 * length) == 0
    }

    /// What occurs.
    pub(crate) fn token(self) -> u8 {
        (self.0 >> 24) as u8
    }

    fn part(self) -> usize {
        (self.0 >> 16) as usize & 0xff
    }

    /// Index of its text.
    pub(crate) fn text(self) -> usize {
        self.0 as usize & 0xffff
    }
}

/// All occurrences in some texts.
#[derive(Clone, Debug)]
pub struct Occurrences {
    num_symbols: usize,
    /// By text.
    weights: Vec<u32>,
    sorted: Vec<Occurrence>,
}

impl Occurrences {
    /// Of texts in an alphabet of so many symbols. Before the start of a text stand tokens 0, as in the
    /// zero state of a session. Takes 16 bytes a character.
    ///
    /// # Errors
    /// A token is not in the alphabet; more texts, or more occurrences by their weights, than can be
    /// counted.
    pub fn new(num_symbols: usize, texts: &[Text<'_>]) -> Result<Self> {
        check(num_symbols, texts)?;
        let mut sorted = Vec::with_capacity(texts.iter().map(|text| text.tokens.len()).sum());
        for (index, text) in texts.iter().enumerate() {
            let mut history = 0u128;
            for part in 0..PARTS {
                for &token in &text.tokens[part_range(text.tokens.len(), part)] {
                    sorted.push(Occurrence::new(history, token, part, index));
                    history = u128::from(token) << 88 | history >> 8;
                }
            }
        }
        // Equal ones are the same number, so the order is one whatever the threads do.
        in_pool(|| sorted.par_sort_unstable())?;
        Ok(Self {
            num_symbols,
            weights: texts.iter().map(|text| text.weight).collect(),
            sorted,
        })
    }

    /// Those outside a part, of all texts.
    #[must_use]
    pub fn without(&self, part: usize) -> Self {
        let others = self.sorted.iter().filter(|found| found.part() != part);
        Self {
            sorted: others.copied().collect(),
            weights: self.weights.clone(),
            ..*self
        }
    }

    /// Number of symbols of the alphabet.
    pub fn num_symbols(&self) -> usize {
        self.num_symbols
    }

    /// Characters, each counted once.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    pub(crate) fn sorted(&self) -> &[Occurrence] {
        &self.sorted
    }

    /// How often an occurrence counts.
    pub(crate) fn weight(&self, occurrence: Occurrence) -> u32 {
        self.weights[occurrence.text()]
    }
}

/// Refuses what cannot be counted.
fn check(num_symbols: usize, texts: &[Text<'_>]) -> Result<()> {
    if !(1..=MAX_SYMBOLS).contains(&num_symbols) {
        return Err(Error::bad_input(format!(
            "found an alphabet of {num_symbols} symbols, expected 1 to {MAX_SYMBOLS}"
        )));
    }
    if texts.len() > 1 << 16 {
        let found = texts.len();
        return Err(Error::bad_input(format!(
            "found {found} texts to count, expected at most {}",
            1 << 16
        )));
    }
    let weighed = |text: &Text<'_>| text.tokens.len() as u64 * u64::from(text.weight);
    let total: u64 = texts.iter().map(weighed).sum();
    if total > u64::from(u32::MAX) {
        return Err(Error::bad_input(format!(
            "found {total} characters to count, each as often as its text counts, expected at most {}",
            u32::MAX
        )));
    }
    for text in texts {
        if let Some(&token) = text.tokens.iter().find(|&&t| usize::from(t) >= num_symbols) {
            return Err(Error::bad_input(format!(
                "found token {token} in a text to count, expected tokens below {num_symbols}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tokens: &[u8]) -> Text<'_> {
        Text { tokens, weight: 1 }
    }

    #[test]
    fn an_occurrence_holds_what_stands_before_it() {
        let tokens: Vec<u8> = (0..40).map(|i| (i * i % 7) as u8).collect();
        let found = Occurrences::new(7, &[text(&[]), text(&tokens)]).unwrap();
        assert_eq!(found.len(), tokens.len());
        assert!(found.sorted().is_sorted());
        let expected = |at: usize| {
            let history: [u8; HISTORY] =
                std::array::from_fn(|age| at.checked_sub(age + 1).map_or(0, |at| tokens[at]));
            (history, tokens[at], part_of(tokens.len(), at), 1)
        };
        let mut expected: Vec<_> = (0..tokens.len()).map(expected).collect();
        expected.sort();
        let fields = |x: &Occurrence| (x.history(), x.token(), x.part(), x.text());
        let found: Vec<_> = found.sorted().iter().map(fields).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn parts_tile_a_text_and_without_leaves_one_out() {
        for length in [0, 1, 7, 8, 1000, 1003] {
            let mut next = 0;
            for part in 0..PARTS {
                let range = part_range(length, part);
                assert_eq!(range.start, next);
                next = range.end;
                assert!(range.into_iter().all(|at| part_of(length, at) == part));
            }
            assert_eq!(next, length);
        }
        let tokens = [1; 100];
        let all = Occurrences::new(2, &[text(&tokens)]).unwrap();
        let left: Vec<usize> = (0..PARTS).map(|part| all.without(part).len()).collect();
        assert_eq!(left.iter().sum::<usize>(), 700);
        assert!(all.without(3).sorted().iter().all(|x| x.part() != 3));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let refused = |symbols, text| Occurrences::new(symbols, &[text]).unwrap_err().to_string();
        let found = refused(3, text(&[1, 3]));
        assert_eq!(
            found,
            "found token 3 in a text to count, expected tokens below 3"
        );
        let heavy = Text {
            tokens: &[0; 2],
            weight: u32::MAX,
        };
        assert!(refused(3, heavy).contains("8589934590"));
        assert!(refused(0, text(&[])).contains("0 symbols"));
    }
}
