//! Characters in, tokens through the network, characters out.

use crate::{Error, MAX_SYMBOLS};

/// A symbol's number in its alphabet, the currency of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token(u8);

impl Token {
    /// The token with this number. A number outside a model's alphabet stands for its symbol 0.
    pub const fn new(index: u8) -> Self {
        Token(index)
    }

    /// The number.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The symbols of a model, borrowed from its file.
///
/// Symbol 0 stands for every character that the alphabet lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alphabet<'m> {
    symbols: &'m str,
    len: usize,
    fold_case: bool,
}

impl<'m> Alphabet<'m> {
    /// The alphabet of these symbols, in order; with `fold_case`, ASCII capitals are read as small
    /// letters.
    ///
    /// # Errors
    ///
    /// [`Error::Alphabet`] unless there are 1 to 256 symbols, all different.
    pub fn new(symbols: &'m str, fold_case: bool) -> Result<Self, Error> {
        let len = symbols.chars().count();
        let mut rest = symbols.chars();
        let mut distinct = true;
        while let Some(symbol) = rest.next() {
            distinct &= rest.clone().all(|other| other != symbol);
        }
        if len == 0 || len > MAX_SYMBOLS || !distinct {
            return Err(Error::Alphabet { found: len });
        }
        Ok(Alphabet {
            symbols,
            len,
            fold_case,
        })
    }

    /// The number of symbols, 1 to 256.
    #[allow(clippy::len_without_is_empty, reason = "an alphabet is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The symbols in the order of their tokens.
    pub fn symbols(&self) -> &'m str {
        self.symbols
    }

    /// Whether ASCII capitals are read as small letters.
    pub fn fold_case(&self) -> bool {
        self.fold_case
    }

    /// The token of a character; token 0 if the alphabet lacks it.
    pub fn encode(&self, character: char) -> Token {
        let character = if self.fold_case {
            character.to_ascii_lowercase()
        } else {
            character
        };
        let index = self.symbols.chars().position(|s| s == character);
        Token(index.unwrap_or(0) as u8)
    }

    /// The character of a token; the character of token 0 if the alphabet has no such token.
    pub fn decode(&self, token: Token) -> char {
        let nth = |index: usize| {
            // ASCII alphabets, the usual ones, need no walk through the string.
            if self.symbols.len() == self.len {
                self.symbols.as_bytes().get(index).map(|&b| b as char)
            } else {
                self.symbols.chars().nth(index)
            }
        };
        nth(token.index()).or_else(|| nth(0)).unwrap_or(' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: &str = " abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn letters_fold_and_everything_else_is_a_space() {
        let alphabet = Alphabet::new(LETTERS, true).unwrap();
        assert_eq!(alphabet.len(), 27);
        assert_eq!(alphabet.encode('T').index(), 20);
        assert_eq!(alphabet.encode('t').index(), 20);
        assert_eq!(alphabet.encode('\n').index(), 0);
        assert_eq!(alphabet.encode('é').index(), 0);
        assert_eq!(alphabet.decode(Token::new(20)), 't');
        assert_eq!(alphabet.decode(Token::new(27)), ' ');
    }

    #[test]
    fn symbols_beyond_ascii_round_trip() {
        let alphabet = Alphabet::new(" aéß\n", false).unwrap();
        for (i, c) in " aéß\n".chars().enumerate() {
            assert_eq!(alphabet.encode(c).index(), i);
            assert_eq!(alphabet.decode(Token::new(i as u8)), c);
        }
        assert_eq!(alphabet.encode('A').index(), 0);
    }

    #[test]
    fn empty_doubled_and_oversized_alphabets_are_refused() {
        assert_eq!(Alphabet::new("", false), Err(Error::Alphabet { found: 0 }));
        assert_eq!(
            Alphabet::new("aba", false),
            Err(Error::Alphabet { found: 3 })
        );
        let many: std::string::String = ('\u{100}'..='\u{200}').collect();
        assert_eq!(
            Alphabet::new(&many, false),
            Err(Error::Alphabet { found: 257 })
        );
    }
}
