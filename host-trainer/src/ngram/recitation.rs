//! How much of a text stands word for word in other texts.
//!
//! The text becomes a suffix automaton (Blumer et al. 1985), which holds all of its runs of characters; the others
//! are read through it once, whatever they repeat (Chang and Lawler 1994).

use std::ops::Range;

/// The lengths of the runs whose share is told.
pub const RUN_LENGTHS: [usize; 2] = [16, 24];

/// What a text repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Recitation {
    /// Of all runs of 16 and of 24 characters of the text, the share that the sources have too; 0 where the text is
    /// shorter.
    pub shares: [f64; 2],
    /// The place in the text of the longest run that a source has too, the first of those as long.
    pub longest: Range<usize>,
}

impl Recitation {
    /// Of `text` from `sources`. What a text says that was written without the sources, such as the held-out parts of
    /// their corpus, tells how much is to be expected.
    pub fn new(text: &[u8], sources: &[&[u8]]) -> Self {
        let automaton = SuffixAutomaton::new(text);
        Self {
            shares: RUN_LENGTHS.map(|length| automaton.share(length, text, sources)),
            longest: automaton.longest(text, sources),
        }
    }
}

/// A state that does not exist.
const NONE: u32 = u32::MAX;

/// The smallest automaton that reads all runs of a text. A state stands for runs that end at the same places.
struct SuffixAutomaton {
    num_symbols: usize,
    /// `[states][num_symbols]`.
    next: Vec<u32>,
    /// The state of the longest suffix that ends at more places; of the first state itself.
    suffix: Vec<u32>,
    /// Length of the longest run of a state.
    length: Vec<usize>,
}

impl SuffixAutomaton {
    fn new(text: &[u8]) -> Self {
        let num_symbols = text.iter().max().map_or(0, |&token| usize::from(token) + 1);
        let mut automaton = Self {
            num_symbols,
            next: vec![NONE; num_symbols],
            suffix: vec![0],
            length: vec![0],
        };
        let mut last = 0;
        for &token in text {
            last = automaton.append(last, usize::from(token));
        }
        automaton
    }

    /// Makes room for a state like another, and of another length.
    fn add(&mut self, like: Option<u32>, length: usize) -> u32 {
        let state = self.length.len() as u32;
        match like {
            None => self
                .next
                .extend(std::iter::repeat_n(NONE, self.num_symbols)),
            Some(like) => {
                let from = like as usize * self.num_symbols;
                self.next.extend_from_within(from..from + self.num_symbols);
            }
        }
        self.suffix
            .push(like.map_or(0, |like| self.suffix[like as usize]));
        self.length.push(length);
        state
    }

    /// The text becomes longer by a token; `last` is the state of all of it. Gives the new one.
    fn append(&mut self, last: u32, token: usize) -> u32 {
        let state = self.add(None, self.length[last as usize] + 1);
        let mut from = last;
        while self.after(from, token) == NONE {
            self.set(from, token, state);
            if from == 0 {
                return state;
            }
            from = self.suffix[from as usize];
        }
        let found = self.after(from, token);
        let length = self.length[from as usize] + 1;
        if self.length[found as usize] == length {
            self.suffix[state as usize] = found;
            return state;
        }
        // The shorter runs of this state end at one place more now.
        let shorter = self.add(Some(found), length);
        self.suffix[found as usize] = shorter;
        self.suffix[state as usize] = shorter;
        while self.after(from, token) == found {
            self.set(from, token, shorter);
            if from == 0 {
                break;
            }
            from = self.suffix[from as usize];
        }
        state
    }

    fn after(&self, state: u32, token: usize) -> u32 {
        self.next[state as usize * self.num_symbols + token]
    }

    fn set(&mut self, state: u32, token: usize, next: u32) {
        self.next[state as usize * self.num_symbols + token] = next;
    }

    /// Reads a source. At each token, tells `visit` the length of the longest run of the text that ends there, but
    /// not beyond `most`, and its state.
    fn read(&self, source: &[u8], most: usize, mut visit: impl FnMut(u32, usize)) {
        let (mut state, mut length) = (0u32, 0);
        for &token in source {
            let token = usize::from(token);
            if token >= self.num_symbols {
                (state, length) = (0, 0);
                visit(state, length);
                continue;
            }
            while state != 0 && self.after(state, token) == NONE {
                state = self.suffix[state as usize];
                length = self.length[state as usize];
            }
            if self.after(state, token) != NONE {
                state = self.after(state, token);
                length = most.min(length + 1);
            }
            while self.length[self.suffix[state as usize] as usize] >= length.max(1) {
                state = self.suffix[state as usize];
            }
            visit(state, length);
        }
    }

    /// The share of the runs of `length` characters of `text` that the sources have too.
    fn share(&self, length: usize, text: &[u8], sources: &[&[u8]]) -> f64 {
        let mut is_found = vec![false; self.length.len()];
        for source in sources {
            self.read(source, length, |state, found| {
                is_found[state as usize] |= found == length;
            });
        }
        let (mut runs, mut found) = (0, 0);
        self.read(text, length, |state, read| {
            runs += usize::from(read == length);
            found += usize::from(read == length && is_found[state as usize]);
        });
        found as f64 / f64::from(u32::try_from(runs.max(1)).unwrap_or(u32::MAX))
    }

    fn longest(&self, text: &[u8], sources: &[&[u8]]) -> Range<usize> {
        let mut longest = 0;
        for source in sources {
            self.read(source, text.len(), |_, length| {
                longest = longest.max(length)
            });
        }
        let mut is_found = vec![false; self.length.len()];
        for source in sources {
            self.read(source, longest, |state, length| {
                is_found[state as usize] |= length == longest;
            });
        }
        let (mut place, mut first) = (0, None);
        self.read(text, longest, |state, length| {
            place += 1;
            if first.is_none() && length == longest && is_found[state as usize] {
                first = Some(place - longest..place);
            }
        });
        first.unwrap_or(0..0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;

    /// The same by comparing everything with everything.
    fn by_definition(text: &[u8], sources: &[&[u8]]) -> Recitation {
        let has = |run: &[u8]| {
            sources
                .iter()
                .any(|s| s.windows(run.len()).any(|w| w == run))
        };
        let share = |length| {
            let runs: Vec<&[u8]> = text.windows(length).collect();
            runs.iter().filter(|run| has(run)).count() as f64 / runs.len().max(1) as f64
        };
        let of_length = |length| (0..=text.len() - length).map(move |at| at..at + length);
        let mut all = (1..=text.len()).rev().flat_map(of_length);
        Recitation {
            shares: RUN_LENGTHS.map(share),
            longest: all.find(|run| has(&text[run.clone()])).unwrap_or(0..0),
        }
    }

    #[test]
    fn runs_are_those_of_the_definition() {
        let mut random = Random::new(5);
        for symbols in [1, 2, 3, 9] {
            for _ in 0..20 {
                let mut draw = |most: usize, symbols: usize| -> Vec<u8> {
                    let length = random.below(most + 1);
                    (0..length).map(|_| random.below(symbols) as u8).collect()
                };
                let mut source = draw(300, symbols);
                let other = draw(100, symbols + 1);
                let mut text = draw(60, symbols);
                text.extend(source.iter().skip(20).take(40));
                source.extend(draw(9, symbols));
                let sources = [&source[..], &other];
                let found = Recitation::new(&text, &sources);
                assert_eq!(found, by_definition(&text, &sources), "{text:?} {source:?}");
            }
        }
    }

    #[test]
    fn a_copy_is_recited_from_end_to_end_and_other_letters_not_at_all() {
        let text: Vec<u8> = (0..100_000u32).map(|i| (i * i % 251) as u8).collect();
        let copy = Recitation::new(&text[500..20_000], &[&text]);
        assert_eq!((copy.shares, copy.longest), ([1.0, 1.0], 0..19_500));
        let same = [7; 5000];
        let monotonous = Recitation::new(&same, &[&[7; 100_000]]);
        assert_eq!(
            (monotonous.shares, monotonous.longest),
            ([1.0, 1.0], 0..5000)
        );
        let nothing = Recitation::new(&[1; 50], &[&[2; 50], &[]]);
        assert_eq!((nothing.shares, nothing.longest), ([0.0, 0.0], 0..0));
        assert_eq!(Recitation::new(&[], &[&text]).longest, 0..0);
    }
}
