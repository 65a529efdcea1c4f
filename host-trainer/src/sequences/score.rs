//! How well a network answers.

use super::Answer;
use crate::files::table::table;
use crate::network::sensor::Head;
use serde::Serialize;

/// How well a network answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SensorScore {
    /// Of classes.
    Classes {
        /// Their names.
        labels: Vec<String>,
        /// Answers by the true class, then the class that was told.
        confusion: Vec<Vec<usize>>,
    },
    /// Of values, for each of them.
    Values(Vec<ValueScore>),
}

/// How well a value is told, in the user's units.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ValueScore {
    /// Its name.
    pub name: String,
    /// Answers.
    pub count: usize,
    /// Sum of the squared errors.
    pub squares: f64,
    /// Sum of the errors, without their signs.
    pub absolutes: f64,
    /// Sum of the values, and of their squares.
    pub sums: [f64; 2],
}

impl ValueScore {
    /// Mean squared error.
    pub fn mse(&self) -> f64 {
        self.squares / self.count.max(1) as f64
    }

    /// Mean absolute error.
    pub fn mae(&self) -> f64 {
        self.absolutes / self.count.max(1) as f64
    }

    /// The share of the value's variance that is told.
    pub fn explained(&self) -> f64 {
        let count = self.count.max(1) as f64;
        let mean = self.sums[0] / count;
        let variance = self.sums[1] / count - mean * mean;
        1.0 - self.mse() / variance
    }
}

impl SensorScore {
    /// No answers yet.
    pub fn new(head: &Head) -> Self {
        match head {
            Head::Classes(labels) => Self::Classes {
                labels: labels.clone(),
                confusion: vec![vec![0; labels.len()]; labels.len()],
            },
            Head::Values(values) => Self::Values(
                values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| ValueScore {
                        name: match &value.name[..] {
                            "" => index.to_string(),
                            name => name.to_owned(),
                        },
                        ..ValueScore::default()
                    })
                    .collect(),
            ),
        }
    }

    /// Counts an answer: the outputs of the network, which are logits of classes, or values in the user's units.
    pub fn add(&mut self, outputs: &[f32], expected: Answer<'_>) {
        match (self, expected) {
            (Self::Classes { confusion, .. }, Answer::Class(class)) => {
                confusion[class][largest(outputs)] += 1;
            }
            (Self::Values(scores), Answer::Values(values)) => {
                for ((score, &found), &value) in scores.iter_mut().zip(outputs).zip(values) {
                    let error = f64::from(found) - f64::from(value);
                    let value = f64::from(value);
                    score.count += 1;
                    score.squares += error * error;
                    score.absolutes += error.abs();
                    score.sums[0] += value;
                    score.sums[1] += value * value;
                }
            }
            _ => unreachable!("a task asks for what its network gives"),
        }
    }

    /// Answers so far.
    pub fn count(&self) -> usize {
        match self {
            Self::Classes { confusion, .. } => confusion.iter().flatten().sum(),
            Self::Values(scores) => scores.first().map_or(0, |score| score.count),
        }
    }

    /// The share of right answers; `None` for values.
    pub fn accuracy(&self) -> Option<f64> {
        let Self::Classes { confusion, .. } = self else {
            return None;
        };
        let right: usize = confusion.iter().enumerate().map(|(i, row)| row[i]).sum();
        Some(right as f64 / self.count().max(1) as f64)
    }

    /// The mean squared error of all values together; `None` for classes.
    pub fn mse(&self) -> Option<f64> {
        let Self::Values(scores) = self else {
            return None;
        };
        Some(scores.iter().map(ValueScore::mse).sum::<f64>() / scores.len().max(1) as f64)
    }

    /// One figure for people.
    pub fn figure(&self) -> String {
        match (self.accuracy(), self.mse()) {
            (Some(accuracy), _) => format!("{:.2} % right", 100.0 * accuracy),
            (None, Some(mse)) => format!("MSE {}", significant(mse)),
            (None, None) => String::new(),
        }
    }

    /// The whole as a table: how often each class was told for each, or the errors of each value.
    pub fn table(&self) -> String {
        match self {
            Self::Classes { labels, confusion } => {
                let mut heads = vec!["is \\ told"];
                heads.extend(labels.iter().map(String::as_str));
                heads.push("right");
                let rows = labels.iter().zip(confusion).enumerate();
                let rows = rows.map(|(class, (label, row))| {
                    let share = 100.0 * row[class] as f64 / row.iter().sum::<usize>().max(1) as f64;
                    let mut cells = vec![label.clone()];
                    cells.extend(row.iter().map(usize::to_string));
                    cells.push(format!("{share:.1} %"));
                    cells
                });
                table(&heads, &[0], rows)
            }
            Self::Values(scores) => {
                let heads = ["value", "answers", "MSE", "MAE", "of the variance told"];
                let rows = scores.iter().map(|score| {
                    [
                        score.name.clone(),
                        score.count.to_string(),
                        significant(score.mse()),
                        significant(score.mae()),
                        format!("{:.2} %", 100.0 * score.explained()),
                    ]
                });
                table(&heads, &[0], rows)
            }
        }
    }
}

/// The first of the largest.
pub fn largest(outputs: &[f32]) -> usize {
    let mut best = 0;
    for (index, output) in outputs.iter().enumerate() {
        if *output > outputs[best] {
            best = index;
        }
    }
    best
}

/// Four digits.
fn significant(x: f64) -> String {
    match x.abs() {
        0.001..1e5 => format!(
            "{x:.*}",
            (3 - x.abs().log10().floor() as i32).clamp(0, 6) as usize
        ),
        _ => format!("{x:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::sensor::OutputValue;

    #[test]
    fn answers_are_counted_by_class() {
        let head = Head::Classes(vec!["a".into(), "b".into()]);
        let mut score = SensorScore::new(&head);
        score.add(&[0.0, 1.0], Answer::Class(1));
        score.add(&[2.0, 1.0], Answer::Class(1));
        // The first of equals.
        score.add(&[1.0, 1.0], Answer::Class(0));
        assert_eq!(score.accuracy(), Some(2.0 / 3.0));
        let SensorScore::Classes { confusion, .. } = &score else {
            unreachable!("made of classes");
        };
        assert_eq!(confusion, &[vec![1, 0], vec![1, 1]]);
    }

    #[test]
    fn errors_of_values_are_those_of_the_definitions() {
        let head = Head::Values(vec![OutputValue::plain("v")]);
        let mut score = SensorScore::new(&head);
        score.add(&[1.0], Answer::Values(&[2.0]));
        score.add(&[7.0], Answer::Values(&[4.0]));
        let SensorScore::Values(values) = &score else {
            unreachable!("made of values");
        };
        assert_eq!((values[0].mse(), values[0].mae()), (5.0, 2.0));
        assert_eq!(values[0].explained(), 1.0 - 5.0 / 1.0);
    }
}
