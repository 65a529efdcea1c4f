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
    /// In UTF-8.
    symbols: &'m [u8],
    len: u16,
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
        Self::from_utf8(symbols.as_bytes(), fold_case)
    }

    /// As [`Alphabet::new`], from UTF-8.
    pub(crate) fn from_utf8(symbols: &'m [u8], fold_case: bool) -> Result<Self, Error> {
        let (mut len, mut distinct) = (0, true);
        let mut rest = Chars(symbols);
        while let Some(symbol) = rest.next() {
            distinct &= Chars(rest.0).position_of(symbol).is_none();
            len += 1;
        }
        if len == 0 || len > MAX_SYMBOLS || !distinct {
            return Err(Error::Alphabet { found: len });
        }
        Ok(Alphabet {
            symbols,
            len: len as u16,
            fold_case,
        })
    }

    /// The number of symbols, 1 to 256.
    #[allow(clippy::len_without_is_empty, reason = "an alphabet is never empty")]
    pub fn len(&self) -> usize {
        self.len.into()
    }

    /// The symbols in the order of their tokens.
    pub fn symbols(&self) -> &'m str {
        core::str::from_utf8(self.symbols).unwrap_or_default()
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
        let index = Chars(self.symbols).position_of(character);
        Token(index.unwrap_or(0) as u8)
    }

    /// The character of a token; the character of token 0 if the alphabet has no such token.
    pub fn decode(&self, token: Token) -> char {
        // ASCII alphabets, the usual ones, need no walk through the symbols.
        if self.symbols.len() == self.len() {
            let symbol = self.symbols.get(token.index());
            return symbol.or(self.symbols.first()).map_or(' ', |&s| s.into());
        }
        let mut symbols = Chars(self.symbols);
        let zero = symbols.next().unwrap_or(' ');
        let mut symbol = zero;
        for _ in 0..token.index() {
            symbol = symbols.next().unwrap_or(zero);
        }
        symbol
    }
}

/// The characters of UTF-8; what is left is empty in the end, or else no UTF-8. As
/// [`core::str::Chars`], with a check and in less code.
pub(crate) struct Chars<'a>(pub(crate) &'a [u8]);

impl Chars<'_> {
    #[inline(never)]
    pub(crate) fn next(&mut self) -> Option<char> {
        let (&first, mut rest) = self.0.split_first()?;
        // Bytes that follow, the least code of so many, and the bits of the first byte.
        let (more, least, bits) = match first {
            0..0x80 => (0, 0, first),
            0xc0..0xe0 => (1, 0x80, first & 0x1f),
            0xe0..0xf0 => (2, 0x800, first & 0xf),
            0xf0..0xf8 => (3, 0x1_0000, first & 7),
            _ => return None,
        };
        let mut code = u32::from(bits);
        for _ in 0..more {
            let (&byte, next) = rest.split_first()?;
            if byte & 0xc0 != 0x80 {
                return None;
            }
            code = code << 6 | u32::from(byte & 0x3f);
            rest = next;
        }
        let symbol = char::from_u32(code).filter(|_| code >= least)?;
        self.0 = rest;
        Some(symbol)
    }

    /// How many characters come before this one.
    #[inline(never)]
    fn position_of(mut self, character: char) -> Option<usize> {
        let mut index = 0;
        while self.next()? != character {
            index += 1;
        }
        Some(index)
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
    fn characters_are_those_of_core() {
        let same = |bytes: &[u8]| {
            let valid = core::str::from_utf8(bytes);
            let mut found = Chars(bytes);
            match valid {
                Ok(text) => {
                    assert!(text.chars().all(|c| found.next() == Some(c)), "{bytes:x?}");
                    assert!(found.0.is_empty(), "{bytes:x?}");
                }
                Err(_) => {
                    while found.next().is_some() {}
                    assert!(!found.0.is_empty(), "{bytes:x?}");
                }
            }
        };
        // Every first byte, and every kind of the others.
        let kinds = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xe0, 0xf4, 0xff,
        ];
        // Miri takes some of each.
        let kinds = || kinds.into_iter().step_by(if cfg!(miri) { 3 } else { 1 });
        for first in (0..=0xff).step_by(if cfg!(miri) { 0x30 } else { 1 }) {
            same(&[first]);
            for second in kinds() {
                same(&[first, second]);
                for third in kinds() {
                    same(&[first, second, third]);
                    for fourth in kinds() {
                        same(&[first, second, third, fourth]);
                    }
                }
            }
        }
        for symbol in ('\0'..=char::MAX).step_by(if cfg!(miri) { 9973 } else { 97 }) {
            same(symbol.encode_utf8(&mut [0; 4]).as_bytes());
        }
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
