//! What is taken off a count, for what was not seen.

use crate::files::error::Result;
use crate::kernels::pool::in_pool;
use crate::ngram::occurrences::Occurrences;
use crate::text::alphabet::MAX_SYMBOLS;
use lstm_core::export::HISTORY;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// Counts that have a discount of their own: 1, 2, and 3 or more.
const KINDS: usize = 3;

/// The discounts where a text is too short to tell.
const USUAL: [f32; KINDS] = [0.75, 1.0, 1.25];

/// What is taken off a count of 1, of 2 and of more, after contexts of each length: the discounts of modified
/// Kneser-Ney smoothing (Chen and Goodman 1999). With n1 to n4 the numbers of different (context, token) that
/// were seen once to four times, and Y = n1 / (n1 + 2 n2), they are
///
/// ```text
/// 1 - 2 Y n2 / n1        2 - 3 Y n3 / n2        3 - 4 Y n4 / n3
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Discounts([[f32; KINDS]; HISTORY + 1]);

impl Discounts {
    /// Of contexts of up to `max_length` tokens. Texts of any weight are counted once.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(crate) fn new(occurrences: &Occurrences, max_length: usize) -> Result<Self> {
        let lengths = 0..=max_length.min(HISTORY);
        let of_length = |length| estimate(numbers(occurrences, length));
        let found: Vec<[f32; KINDS]> =
            in_pool(|| lengths.into_par_iter().map(of_length).collect())?;
        let mut discounts = Self([USUAL; HISTORY + 1]);
        discounts.0[..found.len()].copy_from_slice(&found);
        Ok(discounts)
    }

    /// For counts after contexts of so many tokens.
    pub(crate) fn of_length(&self, length: usize) -> Discount {
        Discount(self.0[length])
    }
}

/// The discounts of one length of context.
#[derive(Clone, Copy)]
pub(crate) struct Discount([f32; KINDS]);

impl Discount {
    /// What is taken off this count, which is 1 or more.
    pub(crate) fn of(self, count: u32) -> f32 {
        self.0[(count as usize).clamp(1, KINDS) - 1]
    }
}

/// n1 to n4.
fn numbers(occurrences: &Occurrences, length: usize) -> [u32; KINDS + 1] {
    let mut numbers = [0; KINDS + 1];
    let mut counts = [0u32; MAX_SYMBOLS];
    let runs = occurrences
        .sorted()
        .chunk_by(|&a, &b| a.shares_context(b, length));
    for run in runs {
        for occurrence in run {
            counts[usize::from(occurrence.token())] += 1;
        }
        for occurrence in run {
            let count = std::mem::take(&mut counts[usize::from(occurrence.token())]);
            // 0 where the token was met before.
            if let Some(number) = (count as usize)
                .checked_sub(1)
                .and_then(|i| numbers.get_mut(i))
            {
                *number += 1;
            }
        }
    }
    numbers
}

fn estimate(numbers: [u32; KINDS + 1]) -> [f32; KINDS] {
    if numbers.contains(&0) {
        return USUAL;
    }
    let n = numbers.map(f64::from);
    let y = n[0] / (n[0] + 2.0 * n[1]);
    std::array::from_fn(|i| {
        let count = (i + 1) as f64;
        let discount = count - (count + 1.0) * y * n[i + 1] / n[i];
        // A text that repeats itself gives odd ones.
        discount.clamp(0.1, count) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ngram::occurrences::Text;

    #[test]
    fn discounts_are_those_of_the_formula() {
        // Y = 0.5.
        assert_eq!(estimate([100, 50, 20, 10]), [0.5, 1.4, 2.0]);
        assert_eq!(estimate([100, 50, 20, 0]), USUAL);
        assert_eq!(estimate([1, 1000, 1, 1])[0], 0.1);
    }

    #[test]
    fn different_successors_are_counted_by_how_often_they_were_seen() {
        // Behind 1: three times 2, twice 3, once 4; and once or twice something after those.
        let tokens = [1, 2, 1, 2, 1, 2, 1, 3, 1, 3, 1, 4];
        let text = |weight| Text {
            tokens: &tokens,
            weight,
        };
        for weight in [1, 7] {
            let occurrences = Occurrences::new(5, &[text(weight)]).unwrap();
            // Of no context: six times 1, three times 2, twice 3, once 4.
            assert_eq!(numbers(&occurrences, 0), [1, 1, 1, 0]);
            // Behind 0 once 1, after 1 as above, after 2 three times 1, after 3 twice 1.
            assert_eq!(numbers(&occurrences, 1), [2, 2, 2, 0]);
        }
        let discount = Discount([0.5, 1.5, 2.5]);
        assert_eq!(
            [1, 2, 3, 99].map(|count| discount.of(count)),
            [0.5, 1.5, 2.5, 2.5]
        );
    }
}
