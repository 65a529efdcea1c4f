//! What a name in a graph stands for.

use super::constant::Constant;
use super::data::{Axes, Axis};
use super::message::ValueInfo;
use std::rc::Rc;

/// What a name in a graph stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Constant(Constant),
    /// What the input has become.
    Data(Data),
    /// The last outputs of several layers, after each other.
    Outputs(Vec<Data>),
    /// An input of the graph beside the first: a state, or numbers that the file has not got.
    Given(String),
    /// The cell state of a layer at its end.
    State(Rc<str>),
    /// What cannot run here, and why.
    Refused(Rc<str>),
}

/// What the input has become.
#[derive(Clone, Debug)]
pub(super) struct Data {
    /// The last step; `None` for the input itself.
    pub(super) step: Option<usize>,
    pub(super) axes: Axes,
    /// The axis of the steps, by its place in the input, once a layer has told; `None` within where it has one step.
    pub(super) time: Option<Option<usize>>,
    pub(super) answers: Answers,
    /// What has been made of it, if it is the number of a character.
    pub(super) token: Option<Token>,
}

/// When a layer's output is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    EachStep,
    /// At the last of so many steps.
    AtTheEnd(Option<usize>),
}

/// What has been made of the number of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Nothing.
    Same,
    /// No, or 0, whatever the character.
    Never,
    /// Yes, or 1, whatever the character.
    Always,
    /// A number that no character has.
    Other,
}

impl Data {
    /// What the axis of the numbers of a step may be in the graph's input, by its place, the likeliest first; `None` where
    /// a step is one number, or one character, and has no axis.
    pub(super) fn features(input: &ValueInfo) -> Vec<Option<usize>> {
        let tensor = input.r#type.as_ref().and_then(|t| t.tensor.as_ref());
        // Whole numbers are characters.
        let is_text = tensor.is_some_and(|t| t.element == 6 || t.element == 7);
        match lengths(input).len() {
            0 => vec![None],
            // Three axes are of values that are whole.
            rank if is_text && rank > 2 => vec![None, Some(rank - 1)],
            _ if is_text => vec![None],
            // Channels, and then steps.
            3 => vec![Some(2), Some(1)],
            rank @ (1 | 2) => vec![Some(rank - 1), None],
            rank => vec![Some(rank - 1)],
        }
    }

    /// The graph's input, with the numbers of a step along this axis.
    ///
    /// # Errors
    /// Its axes are not those of a series.
    pub(super) fn of(input: &ValueInfo, features: Option<usize>) -> Result<Self, String> {
        let lengths = lengths(input);
        if lengths.is_empty() || lengths.len() > 4 {
            return Err(format!(
                "the input {} has {} axes, expected those of series, steps and values",
                input.name,
                lengths.len()
            ));
        }
        let axes = lengths
            .iter()
            .enumerate()
            .map(|(place, &length)| match length {
                Some(1) => Axis::One,
                length if features != Some(place) => Axis::Input(place, length),
                length => Axis::Features(length),
            });
        Ok(Self {
            step: None,
            axes: Axes(axes.collect()),
            time: None,
            answers: Answers::EachStep,
            token: None,
        })
    }

    /// The same numbers without an axis of one of them.
    pub(super) fn without(&self, at: usize) -> Self {
        let mut data = self.clone();
        data.axes.0.remove(at);
        data
    }
}

/// The lengths of the axes of an input, as far as they are known.
fn lengths(input: &ValueInfo) -> Vec<Option<usize>> {
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor.as_ref());
    match tensor.and_then(|t| t.shape.as_ref()) {
        Some(shape) => {
            let axes = shape.axes.iter();
            axes.map(|axis| usize::try_from(axis.value).ok().filter(|&n| n > 0))
                .collect()
        }
        None => vec![None; 3],
    }
}
