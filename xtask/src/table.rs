//! Tables of figures, as text that people and a comparison can read.

/// Columns of text, aligned.
pub struct Table {
    /// The head first.
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(head: &[&str]) -> Self {
        let head = head.iter().map(|&title| title.to_owned()).collect();
        Table { rows: vec![head] }
    }

    /// Adds a row, with a cell for each title of the head.
    pub fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// The text: words to the left, numbers to the right.
    pub fn render(&self) -> String {
        let column = |k: usize| self.rows.iter().filter_map(move |row| row.get(k));
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (k, cell) in row.iter().enumerate() {
                let width = column(k).map(String::len).max().unwrap_or(0);
                if column(k).skip(1).any(|cell| number(cell).is_some()) {
                    line += &format!("{cell:>width$}  ");
                } else {
                    line += &format!("{cell:width$}  ");
                }
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
