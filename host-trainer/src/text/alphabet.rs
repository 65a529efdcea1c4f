//! The alphabet: which characters a network knows, and their numbers.

use crate::files::error::{Error, Result};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A token is one byte, so an alphabet holds at most this many symbols.
pub const MAX_SYMBOLS: usize = 256;

/// How the alphabet is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlphabetKind {
    /// 27 symbols: a to z with case folded, and a space for everything else.
    Letters,
    /// Every character that the corpus holds, as it is; of more than 256, the most frequent.
    Text,
}

/// An ordered set of up to 256 characters; a token is an index into it.
///
/// ```
/// use host_trainer::text::alphabet::Alphabet;
/// let letters = Alphabet::letters();
/// assert_eq!(letters.encode("Be!"), [2, 5, 0]);
/// assert_eq!(letters.decode(&[2, 5, 0]), "be ");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alphabet {
    /// Symbol `i` is the character of token `i`. Characters outside become token 0.
    pub symbols: Vec<char>,
    /// Whether ASCII capitals are looked up as small letters, as on the device.
    pub fold_case: bool,
}

impl Alphabet {
    /// Token 0 is everything that is not a letter and is shown as a space; 1 to 26 are a to z.
    pub fn letters() -> Self {
        Self {
            symbols: std::iter::once(' ').chain('a'..='z').collect(),
            fold_case: true,
        }
    }

    /// The characters of `text` but its control characters, which would move a terminal's cursor; the end
    /// of a line and the tab are kept. The space stands first if there is one, then all by code point. Of
    /// more than 256, the most frequent.
    ///
    /// # Errors
    /// Fewer than 2.
    pub fn from_text(text: &str) -> Result<Self> {
        let mut counts: BTreeMap<char, usize> = BTreeMap::new();
        for character in text.chars().filter(|&c| is_shown(c)) {
            *counts.entry(character).or_default() += 1;
        }
        if counts.len() < 2 {
            return Err(Error::bad_input(format!(
                "found {} different characters, expected at least 2",
                counts.len()
            )));
        }
        let mut symbols: Vec<(char, usize)> = counts.into_iter().collect();
        // A stable sort: of two as frequent, the one with the lower code point.
        symbols.sort_by_key(|&(_, count)| Reverse(count));
        symbols.truncate(MAX_SYMBOLS);
        let mut symbols: Vec<char> = symbols.into_iter().map(|(symbol, _)| symbol).collect();
        symbols.sort_by_key(|&symbol| (symbol != ' ', symbol));
        Ok(Self {
            symbols,
            fold_case: false,
        })
    }

    /// The alphabet of `kind` for `text`.
    ///
    /// # Errors
    /// As [`Alphabet::from_text`].
    pub fn choose(kind: AlphabetKind, text: &str) -> Result<Self> {
        match kind {
            AlphabetKind::Letters => Ok(Self::letters()),
            AlphabetKind::Text => Self::from_text(text),
        }
    }

    /// Number of symbols.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether there are no symbols at all.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// One token a character; a character that is not in the alphabet becomes token 0.
    pub fn encode(&self, text: &str) -> Vec<u8> {
        let tokens = self.look_up(text);
        tokens.map(|token| token.unwrap_or(0)).collect()
    }

    /// How many characters are not in the alphabet.
    pub fn unknown(&self, text: &str) -> usize {
        self.look_up(text).filter(Option::is_none).count()
    }

    fn look_up(&self, text: &str) -> impl Iterator<Item = Option<u8>> {
        let numbers: std::collections::HashMap<char, u8> = (0..=u8::MAX)
            .zip(&self.symbols)
            .map(|(token, &symbol)| (symbol, token))
            .collect();
        let fold = |c: char| {
            if self.fold_case {
                c.to_ascii_lowercase()
            } else {
                c
            }
        };
        text.chars().map(move |c| numbers.get(&fold(c)).copied())
    }

    /// One character a token.
    ///
    /// # Panics
    /// A token outside the alphabet.
    pub fn decode(&self, tokens: &[u8]) -> String {
        tokens
            .iter()
            .map(|&t| self.symbols[usize::from(t)])
            .collect()
    }
}

/// Whether a character is no command to a terminal.
fn is_shown(character: char) -> bool {
    !character.is_control() || matches!(character, '\n' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_fold_case_and_map_the_rest_to_zero() {
        let a = Alphabet::letters();
        assert_eq!(a.len(), 27);
        assert_eq!(a.encode("THE Sonnets\n1.é"), {
            let mut t = vec![20, 8, 5, 0, 19, 15, 14, 14, 5, 20, 19];
            t.extend([0, 0, 0, 0]);
            t
        });
        assert_eq!(a.decode(&[0, 1, 26]), " az");
        // The Kelvin sign has a small k in Unicode, but the device folds ASCII alone.
        assert_eq!(a.encode("k\u{212a}K"), [11, 0, 11]);
        assert_eq!(a.unknown("k\u{212a}K Z\n"), 2);
    }

    #[test]
    fn text_keeps_every_character_with_the_space_first() {
        let a = Alphabet::from_text("b a\nB é").unwrap();
        assert_eq!(a.symbols, [' ', '\n', 'B', 'a', 'b', 'é']);
        assert_eq!(a.decode(&a.encode("b a\nB é")), "b a\nB é");
        assert_eq!(a.encode("z"), [0]);
        assert_eq!(Alphabet::from_text("ba").unwrap().symbols, ['a', 'b']);
    }

    #[test]
    fn the_256_most_frequent_symbols() {
        let text =
            |n: u32| -> String { (0..n).filter_map(|i| char::from_u32(0x4e00 + i)).collect() };
        let full = Alphabet::from_text(&text(256)).unwrap();
        assert_eq!(full.len(), 256);
        assert_eq!(full.encode(&text(256)).last(), Some(&255));
        // The first is the rarest of 300, and the next 43 are as rare as those that are kept.
        let more = text(300) + &text(300)["\u{4e00}".len()..];
        let most = Alphabet::from_text(&more).unwrap();
        assert_eq!(most.symbols, text(257).chars().skip(1).collect::<Vec<_>>());
        assert_eq!(most.unknown(&more), 1 + 2 * 43);
    }

    #[test]
    fn a_terminal_is_never_commanded() {
        let text = "red \x1b[31m\u{9b}0m\0\x7f\n\tend";
        let alphabet = Alphabet::from_text(text).unwrap();
        assert_eq!(
            alphabet.decode(&alphabet.encode(text)),
            "red  [31m 0m  \n\tend"
        );
    }
}
