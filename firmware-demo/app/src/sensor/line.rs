//! A line of numbers.

use crate::number::real;

/// What a line was.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'l> {
    /// With the numbers before it, a step.
    Step,
    /// So many numbers so far: it ends with a comma, and the next line goes on.
    GoesOn(usize),
    /// This is none, at this place, the first of which is 1.
    NoNumber { place: usize, found: &'l str },
    /// So many numbers, as many as one or more lines have.
    Count(usize),
}

/// Reads the numbers of a line into `numbers`, of which the first `filled` are there. Blanks, commas or both
/// stand between them.
pub(super) fn read<'l>(line: &'l str, numbers: &mut [f32], filled: usize) -> Line<'l> {
    let line = line.trim_ascii();
    let mut count = filled;
    for word in line.split([' ', ',']) {
        if word.is_empty() {
            continue;
        }
        let place = count + 1;
        let Some(number) = real(word) else {
            return Line::NoNumber { place, found: word };
        };
        if let Some(to) = numbers.get_mut(count) {
            *to = number;
        }
        count = place;
    }
    if count == numbers.len() {
        Line::Step
    } else if count < numbers.len() && line.ends_with(',') {
        Line::GoesOn(count)
    } else {
        Line::Count(count)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn blanks_and_commas_stand_between_numbers() {
        for line in [
            "1 -2.5 3e2",
            "1,-2.5,3e2",
            " 1, -2.5 ,\u{20}3e2 ",
            "1 -2.5 3e2,",
        ] {
            let mut numbers = [0.0; 3];
            assert_eq!(read(line, &mut numbers, 0), Line::Step, "{line}");
            assert_eq!(numbers, [1.0, -2.5, 300.0]);
        }
    }

    #[test]
    fn a_line_that_ends_with_a_comma_goes_on() {
        let mut numbers = [0.0; 3];
        assert_eq!(read("1,2,", &mut numbers, 0), Line::GoesOn(2));
        assert_eq!(read("3", &mut numbers, 2), Line::Step);
        assert_eq!(numbers, [1.0, 2.0, 3.0]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let mut numbers = [0.0; 2];
        for (line, wrong) in [
            ("1", Line::Count(1)),
            ("1 2 3", Line::Count(3)),
            ("1 2 3,", Line::Count(3)),
            (
                "1 x",
                Line::NoNumber {
                    place: 2,
                    found: "x",
                },
            ),
            (
                "nan 1",
                Line::NoNumber {
                    place: 1,
                    found: "nan",
                },
            ),
        ] {
            assert_eq!(read(line, &mut numbers, 0), wrong, "{line}");
        }
    }
}
