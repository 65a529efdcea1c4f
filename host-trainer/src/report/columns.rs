//! Texts side by side, with a mark where each parts from the first.

use crate::files::error::{Error, Result};
use std::iter::repeat_n;
use textwrap::core::display_width;

/// Columns of a page that no terminal shows.
pub const WIDTH: usize = 100;
/// The narrowest column of text.
const NARROWEST: usize = 12;
/// Between two columns.
const GAP: &str = "  ";
/// Stands before the first character that differs from the first text.
const MARK: char = '»';

/// A page of `width` columns: a title over each text, the texts, and where they part.
///
/// # Errors
/// The width is too small for so many texts.
pub fn side_by_side(texts: &[(String, String)], width: usize) -> Result<String> {
    let Some(((name, first), others)) = texts.split_first() else {
        return Ok(String::new());
    };
    let gaps = GAP.len() * others.len();
    let column = width.saturating_sub(gaps) / texts.len();
    if column < NARROWEST {
        return Err(Error::bad_input(format!(
            "found {width} columns for {} texts, expected at least {}",
            texts.len(),
            NARROWEST * texts.len() + gaps
        )));
    }
    let parts: Vec<Option<usize>> = others
        .iter()
        .map(|(_, text)| parting(first, text))
        .collect();
    let marked = parts.iter().zip(others).map(|(&at, (_, text))| match at {
        Some(at) => {
            let (before, after): (String, String) = (
                text.chars().take(at).collect(),
                text.chars().skip(at).collect(),
            );
            format!("{before}{MARK}{after}")
        }
        None => text.clone(),
    });
    let columns: Vec<Vec<String>> = std::iter::once(first.clone())
        .chain(marked)
        .zip(texts)
        .map(|(text, (title, _))| {
            let rule = repeat_n('-', column).collect();
            let mut lines = vec![title.clone(), rule];
            lines.extend(wrap(&text, column));
            lines
        })
        .collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut page = String::new();
    for row in 0..rows {
        let cells = columns.iter().map(|lines| {
            let line = lines.get(row).map_or("", String::as_str);
            let padding = column.saturating_sub(display_width(line));
            line.to_owned() + &" ".repeat(padding)
        });
        let line = cells.collect::<Vec<_>>().join(GAP);
        page += &format!("{}\n", line.trim_end());
    }
    page += "\n";
    for (at, (other, _)) in parts.iter().zip(others) {
        page += &match at {
            Some(at) => format!("{other} parts from {name} after {at} characters, at {MARK}\n"),
            None => format!("{other} writes the same as {name}\n"),
        };
    }
    Ok(page)
}

/// How many characters two texts begin with in common; `None` if they are equal.
pub(crate) fn parting(a: &str, b: &str) -> Option<usize> {
    if a == b {
        return None;
    }
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    Some(same.count())
}

/// Lines of at most `width` columns; a control character, which could move the cursor, is a space.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let shown = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    let text: String = text.chars().map(shown).collect();
    let lines = textwrap::wrap(&text, width).into_iter();
    lines.map(|line| line.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(texts: &[(&str, &str)], width: usize) -> String {
        let own = |(a, b): &(&str, &str)| (a.to_string(), b.to_string());
        let texts: Vec<_> = texts.iter().map(own).collect();
        side_by_side(&texts, width).unwrap()
    }

    #[test]
    fn texts_stand_in_columns_with_a_mark_where_they_part() {
        let found = page(
            &[
                ("f32", "shall I compare thee\nto a"),
                ("int8", "shall I compare thee\nto a"),
                ("int4", "shall I come then to\u{1b} a"),
            ],
            40,
        );
        let expected = "\
f32           int8          int4
------------  ------------  ------------
shall I       shall I       shall I
compare thee  compare thee  com»e then
to a          to a          to  a

int8 writes the same as f32
int4 parts from f32 after 11 characters, at »
";
        assert_eq!(found, expected);
    }

    #[test]
    fn no_line_is_wider_than_the_page() {
        let long = "a".repeat(300) + " " + &"bé 漢".repeat(90);
        for width in [26, 27, 80, 211] {
            let found = page(&[("f32", &long), ("int8", &long[..200])], width);
            assert!(
                found
                    .lines()
                    .take_while(|l| !l.is_empty())
                    .all(|l| display_width(l) <= width)
            );
        }
        let texts = [("a".into(), String::new()), ("b".into(), String::new())];
        let error = side_by_side(&texts, 25).unwrap_err().to_string();
        assert_eq!(error, "found 25 columns for 2 texts, expected at least 26");
    }
}
