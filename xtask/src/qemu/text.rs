/// What every line of the firmware itself starts with, to tell it from the text of the model.
const REMARK: u8 = b'#';

/// Tells the characters of the text from the lines of the firmware before it.
pub(super) struct Text {
    limit: Option<usize>,
    pub(super) chars: usize,
    /// The line of the firmware before the text, as far as it has come.
    first_line: Vec<u8>,
    in_text: bool,
}

impl Text {
    pub(super) fn new(limit: Option<usize>) -> Self {
        Text {
            limit,
            chars: 0,
            first_line: Vec::new(),
            in_text: false,
        }
    }

    /// How many characters are asked for.
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    pub(super) fn is_complete(&self) -> bool {
        self.limit.is_some_and(|limit| self.chars >= limit)
    }

    pub(super) fn was_refused(&self) -> bool {
        self.in_text && self.first_line.starts_with(b"# no model")
    }

    /// The part of these bytes that comes before the limit.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        for (i, &byte) in bytes.iter().enumerate() {
            if !self.in_text {
                self.first_line.push(byte);
                self.in_text = byte == b'\n' || self.first_line[0] != REMARK;
                continue;
            }
            let starts_a_character = byte & 0xC0 != 0x80;
            if starts_a_character && self.is_complete() {
                return &bytes[..i];
            }
            self.chars += usize::from(starts_a_character);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of a stream that arrives in pieces, and how many characters were counted.
    fn shown(stream: &str, piece: usize, limit: Option<usize>) -> (String, usize) {
        let mut text = Text::new(limit);
        let mut shown = Vec::new();
        for bytes in stream.as_bytes().chunks(piece) {
            shown.extend_from_slice(text.take(bytes));
        }
        (String::from_utf8_lossy(&shown).into_owned(), text.chars)
    }

    #[test]
    fn the_banner_is_shown_and_not_counted() {
        for piece in 1..20 {
            let stream = "# model a, int8\nto be\n#";
            assert_eq!(shown(stream, piece, None), (stream.to_owned(), 7));
            let cut = ("# model a, int8\nto".to_owned(), 2);
            assert_eq!(shown(stream, piece, Some(2)), cut);
        }
    }

    #[test]
    fn a_character_of_several_bytes_counts_once_and_stays_whole() {
        for piece in 1..8 {
            let cut = ("#\n\u{e9}\u{2014}".to_owned(), 2);
            assert_eq!(shown("#\n\u{e9}\u{2014}xyz", piece, Some(2)), cut);
        }
    }

    #[test]
    fn a_refusal_is_told_from_text() {
        let mut text = Text::new(Some(1));
        text.take(b"# no model runs: not");
        assert!(!text.was_refused());
        text.take(b" a .lstm file\n");
        assert!(text.was_refused());
        assert!(!text.is_complete());
    }
}
