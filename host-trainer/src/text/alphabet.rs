//! The alphabet: which characters a network knows, and their numbers.

use crate::files::error::{Error, Result};

/// A token is one byte, so an alphabet holds at most this many symbols.
pub const MAX_SYMBOLS: usize = 256;

/// How the alphabet is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlphabetKind {
    /// 27 symbols: a to z with case folded, and a space for everything else.
    Letters,
    /// Every character that the corpus holds, as it is.
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

    /// The distinct characters of `text`: the space first if there is one, then by code point.
    ///
    /// # Errors
    /// More than 256 distinct characters, or fewer than 2.
    pub fn from_text(text: &str) -> Result<Self> {
        let distinct: std::collections::BTreeSet<char> = text.chars().collect();
        if !(2..=MAX_SYMBOLS).contains(&distinct.len()) {
            return Err(Error::bad_input(format!(
                "found {} different characters, expected 2 to {MAX_SYMBOLS} (--alphabet letters folds \
                 everything to 27)",
                distinct.len()
            )));
        }
        let space = distinct.contains(&' ').then_some(' ');
        let others = distinct.iter().copied().filter(|&c| c != ' ');
        Ok(Self {
            symbols: space.into_iter().chain(others).collect(),
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
    fn at_most_256_symbols() {
        let text =
            |n: u32| -> String { (0..n).filter_map(|i| char::from_u32(0x4e00 + i)).collect() };
        assert_eq!(Alphabet::from_text(&text(256)).unwrap().len(), 256);
        let error = Alphabet::from_text(&text(257)).unwrap_err().to_string();
        assert!(error.contains("257 different characters"), "{error}");
        let full = Alphabet::from_text(&text(256)).unwrap();
        assert_eq!(full.encode(&text(256)).last(), Some(&255));
    }
}
