//! Characters in, tokens through the network, characters out.

use crate::format::{MAX_SYMBOLS, ModelError};

/// A symbol's number in its alphabet: what the network reads and writes.
///
/// ```
/// use lstm_core::{Alphabet, Token};
///
/// let alphabet = Alphabet::new(" abc", false)?;
/// assert_eq!(alphabet.encode('c'), Token::new(3));
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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
///
/// ```
/// use lstm_core::Alphabet;
///
/// let alphabet = Alphabet::new(" abc", true)?;
/// let token = alphabet.encode('B');
/// assert_eq!((token.index(), alphabet.decode(token)), (2, 'b'));
/// assert_eq!(alphabet.encode('?').index(), 0);
/// # Ok::<(), lstm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alphabet<'m> {
    symbols: &'m str,
    len: u16,
    fold_case: bool,
}

impl<'m> Alphabet<'m> {
    /// The alphabet of these symbols, in order; with `fold_case`, ASCII capitals are read as small
    /// letters.
    ///
    /// # Errors
    ///
    /// [`ModelError::Alphabet`] unless there are 1 to 256 symbols, all different.
    pub fn new(symbols: &'m str, fold_case: bool) -> Result<Self, ModelError> {
        let found = count(symbols);
        // Counted first: to compare each with all others takes the square of their number.
        if found == 0 || found > MAX_SYMBOLS || has_repetition(symbols) {
            return Err(ModelError::Alphabet { found });
        }
        Ok(Alphabet {
            symbols,
            len: found as u16,
            fold_case,
        })
    }

    /// That of a model that reads no symbols.
    #[cfg(feature = "sensor")]
    pub(crate) const NONE: Self = Alphabet {
        symbols: "",
        len: 0,
        fold_case: false,
    };

    /// The number of symbols, 1 to 256; 0 in a model that reads values.
    #[allow(clippy::len_without_is_empty, reason = "an alphabet is never empty")]
    pub fn len(&self) -> usize {
        self.len.into()
    }

    /// The symbols in the order of their tokens.
    pub fn symbols(&self) -> &'m str {
        self.symbols
    }

    /// Whether ASCII capitals are read as small letters.
    pub fn fold_case(&self) -> bool {
        self.fold_case
    }

    /// The token of a character; `None` if the alphabet lacks it.
    pub fn find(&self, character: char) -> Option<Token> {
        let character = if self.fold_case {
            character.to_ascii_lowercase()
        } else {
            character
        };
        let index = self.symbols.chars().position(|c| c == character);
        index.map(|index| Token(index as u8))
    }

    /// The token of a character; token 0 if the alphabet lacks it.
    pub fn encode(&self, character: char) -> Token {
        self.find(character).unwrap_or_default()
    }

    /// The character of a token; the character of token 0 if the alphabet has no such token.
    pub fn decode(&self, token: Token) -> char {
        // ASCII alphabets, the usual ones, need no walk through the symbols.
        let bytes = self.symbols.as_bytes();
        if bytes.len() == self.len() {
            let symbol = bytes.get(token.index()).or(bytes.first());
            return symbol.map_or(' ', |&symbol| symbol.into());
        }
        let mut symbols = self.symbols.chars();
        let zero = symbols.clone().next();
        symbols.nth(token.index()).or(zero).unwrap_or(' ')
    }
}

/// The number of symbols. The library's `count` is faster, and four times as large.
fn count(symbols: &str) -> usize {
    symbols.chars().fold(0, |count, _| count + 1)
}

fn has_repetition(symbols: &str) -> bool {
    let mut rest = symbols.chars();
    while let Some(symbol) = rest.next() {
        if rest.clone().any(|other| other == symbol) {
            return true;
        }
    }
    false
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
        assert_eq!(
            Alphabet::new("", false),
            Err(ModelError::Alphabet { found: 0 })
        );
        assert_eq!(
            Alphabet::new("aba", false),
            Err(ModelError::Alphabet { found: 3 })
        );
        let many: std::string::String = ('\u{100}'..='\u{200}').collect();
        assert_eq!(
            Alphabet::new(&many, false),
            Err(ModelError::Alphabet { found: 257 })
        );
    }

    /// Were each compared with all others, this would not end.
    #[test]
    #[cfg_attr(miri, ignore = "a million characters")]
    fn the_number_of_symbols_is_checked_before_they_are_compared() {
        let all: std::string::String = ('\0'..=char::MAX).collect();
        let found = all.chars().count();
        let refused = Err(ModelError::Alphabet { found });
        assert_eq!(Alphabet::new(&all, false), refused);
    }
}
