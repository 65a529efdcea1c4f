//! Tables of figures, as text that people and a comparison can read.

use comfy_table::{Cell, CellAlignment};

/// Rows of cells under a head.
pub struct Table(comfy_table::Table);

impl Table {
    /// A table without rows.
    pub fn new(head: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(head);
        Table(table)
    }

    /// Adds a row, with a cell for each title of the head.
    pub fn push(&mut self, row: Vec<String>) {
        self.0.add_row(row);
    }

    /// The text: columns with numbers aligned to the right, the others to the left.
    pub fn render(mut self) -> String {
        for index in 0..self.0.column_count() {
            let cells = self.0.column_cells_iter(index).flatten();
            let alignment = match cells.map(Cell::content).any(|text| number(&text).is_some()) {
                true => CellAlignment::Right,
                false => CellAlignment::Left,
            };
            if let Some(column) = self.0.column_mut(index) {
                column.set_padding((0, 2)).set_cell_alignment(alignment);
            }
        }
        self.0.trim_fmt() + "\n"
    }
}

/// `12,345`.
pub fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// The number that [`grouped`] wrote, or any other in digits.
fn number(word: &str) -> Option<f64> {
    word.replace(',', "").parse().ok()
}

/// The lines of `found` that stand for no line of `expected`: each with the line that was probably
/// meant. Two lines are equal if their words are, and their numbers differ by no more than the
/// share `tolerance`.
pub fn differences(expected: &str, found: &str, tolerance: f64) -> Vec<String> {
    let mut differences = Vec::new();
    for line in found.lines() {
        let is_equal = |other: &str| is_near(other, line, tolerance);
        if !expected.lines().any(is_equal) {
            let common = |other: &&str| {
                let pairs = other.split_whitespace().zip(line.split_whitespace());
                pairs.take_while(|(a, b)| a == b).count()
            };
            let meant = expected.lines().max_by_key(common).unwrap_or_default();
            differences.push(format!("found    {line}\nexpected {meant}"));
        }
    }
    differences
}

fn is_near(expected: &str, found: &str, tolerance: f64) -> bool {
    let (mut expected, mut found) = (expected.split_whitespace(), found.split_whitespace());
    loop {
        let is_same = match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) => match (number(a), number(b)) {
                (Some(a), Some(b)) => (b - a).abs() <= tolerance * a.abs(),
                _ => a == b,
            },
            _ => false,
        };
        if !is_same {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_read_back() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1234567, "1,234,567"),
        ] {
            assert_eq!(grouped(value), text);
            assert_eq!(number(text), Some(value as f64));
        }
        assert_eq!(number("microbit"), None);
    }

    #[test]
    fn words_stand_left_and_numbers_right() {
        let mut table = Table::new(&["name", "n"]);
        table.push(vec!["a".into(), "1,000".into()]);
        table.push(vec!["longer".into(), "7".into()]);
        assert_eq!(
            table.render(),
            "name        n\na       1,000\nlonger      7\n"
        );
    }

    #[test]
    fn a_figure_may_move_by_the_tolerance() {
        let expected = "a  x  1,000  2.00\nb  x  1,000  2.00\n";
        let differences = |found| differences(expected, found, 0.02);
        assert_eq!(differences(expected), [""; 0]);
        assert_eq!(differences("b  x   980  2.03\n"), [""; 0]);
        assert_eq!(
            differences("b  x   979  2.00\n"),
            ["found    b  x   979  2.00\nexpected b  x  1,000  2.00"]
        );
        assert_eq!(differences("c  x  1,000  2.00\n").len(), 1);
        assert_eq!(differences("a  x  1,000\n").len(), 1);
    }
}
