//! What a network is to answer at each step of a sequence.

use super::{Sequence, Sequences, Target, Targets};
use crate::files::error::{Error, Result};
use crate::network::sensor::{Head, SensorConfig};

/// What a network is to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Its class of each class of the file, at the last step.
    Classify(Vec<usize>),
    /// The values of the file, at the last step or at each.
    Values,
    /// So many of the next step's first channels, at each step but the last.
    Next(usize),
}

/// What is to be answered at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'a> {
    /// The class.
    Class(usize),
    /// The values, in the user's units.
    Values(&'a [f32]),
}

/// What a network of this shape is to answer of these sequences; with `next`, its values are those of the next step.
///
/// # Errors
/// The network's inputs or outputs are not those of the file.
pub fn task(config: &SensorConfig, data: &Sequences, next: bool) -> Result<Task> {
    let bad = |text: String| Err(Error::bad_input(text));
    let (found, expected) = (data.channels.len(), config.channels.len());
    if found != expected {
        return bad(format!(
            "found data of {found} channels, expected {expected} for this network"
        ));
    }
    match (&config.head, &data.targets, next) {
        (Head::Classes(_), _, true) => bad(
            "found a network that gives classes, expected one that gives values for --next".into(),
        ),
        (Head::Values(values), _, true) if values.len() > expected => bad(format!(
            "found a network that gives {} values, expected at most {expected}, its channels, for --next",
            values.len()
        )),
        (Head::Values(values), _, true) => Ok(Task::Next(values.len())),
        (Head::Classes(own), Targets::Classes(labels), false) => {
            let own_place = |label: &String| own.iter().position(|own| own == label);
            let by_name: Option<Vec<usize>> = labels.iter().map(own_place).collect();
            let fits = labels.len() <= own.len() && (are_numbers(labels) || are_numbers(own));
            let by_number = fits.then(|| (0..labels.len()).collect());
            match by_name.or(by_number) {
                Some(classes) => Ok(Task::Classify(classes)),
                None => bad(format!(
                    "found classes {}, expected those of the network: {}",
                    labels.join(", "),
                    own.join(", ")
                )),
            }
        }
        (Head::Values(values), Targets::Values(names), false) if values.len() == names.len() => {
            Ok(Task::Values)
        }
        (head, targets, false) => {
            let found = match targets {
                Targets::None => "no targets".to_owned(),
                Targets::Classes(labels) => format!("{} classes", labels.len()),
                Targets::Values(names) => format!("{} values", names.len()),
            };
            let expected = match head {
                Head::Classes(labels) => format!("{} classes", labels.len()),
                Head::Values(values) => format!("{} values (or --next)", values.len()),
            };
            bad(format!("found data with {found}, expected {expected}"))
        }
    }
}

/// Whether names are the numbers from 0 on: none that a person gave.
pub fn are_numbers(labels: &[String]) -> bool {
    let mut labels = labels.iter().enumerate();
    labels.all(|(number, label)| *label == number.to_string())
}

impl Task {
    /// What is to be answered at a step of a sequence of so many channels, if anything is.
    pub fn answer<'s>(
        &self,
        sequence: &'s Sequence,
        channels: usize,
        step: usize,
    ) -> Option<Answer<'s>> {
        let steps = sequence.values.len() / channels;
        let is_last = step + 1 == steps;
        match (self, &sequence.target) {
            (Task::Classify(classes), Target::Class(class)) => {
                is_last.then(|| Answer::Class(classes[*class]))
            }
            (Task::Values, Target::Last(values)) => is_last.then_some(Answer::Values(values)),
            (Task::Values, Target::Each(values)) => {
                let width = values.len() / steps;
                Some(Answer::Values(&values[step * width..][..width]))
            }
            (Task::Next(width), _) => {
                let next = sequence.values.get((step + 1) * channels..)?;
                next.get(..*width).map(Answer::Values)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(target: Target) -> Sequence {
        let values = (0..6).map(|x| x as f32).collect();
        Sequence { values, target }
    }

    #[test]
    fn a_class_is_asked_for_at_the_last_step_alone() {
        let task = Task::Classify(vec![5, 3]);
        let sequence = sequence(Target::Class(1));
        let answers = [0, 1, 2].map(|step| task.answer(&sequence, 2, step));
        assert_eq!(answers, [None, None, Some(Answer::Class(3))]);
    }

    #[test]
    fn values_of_the_next_step_are_asked_for_at_all_but_the_last() {
        let sequence = sequence(Target::None);
        let answers = [0, 1, 2].map(|step| Task::Next(1).answer(&sequence, 2, step));
        let expected = [
            Some(Answer::Values(&[2.0])),
            Some(Answer::Values(&[4.0])),
            None,
        ];
        assert_eq!(answers, expected);
        let each = self::sequence(Target::Each(vec![7.0, 8.0, 9.0]));
        assert_eq!(
            Task::Values.answer(&each, 2, 1),
            Some(Answer::Values(&[8.0]))
        );
    }
}
