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
    /// The last outputs of several layers, behind each other.
    Outputs(Vec<Data>),
    /// An input of the graph beside the first: a state, or numbers that the file has not got.
    Given(String),
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
}

/// When a layer's output is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    EachStep,
    /// At the last of so many steps.
    AtTheEnd(Option<usize>),
}

impl Data {
    /// The graph's first input.
    ///
    /// # Errors
    /// Its axes are not those of a series.
    pub(super) fn of(input: &ValueInfo) -> Result<Self, String> {
        let tensor = input.r#type.as_ref().and_then(|t| t.tensor.as_ref());
        let (element, shape) = tensor.map_or((0, None), |t| (t.element, t.shape.as_ref()));
        let lengths: Vec<Option<usize>> = match shape {
            Some(shape) => {
                let axes = shape.axes.iter();
                axes.map(|axis| usize::try_from(axis.value).ok().filter(|&n| n > 0))
                    .collect()
            }
            None => vec![None; 3],
        };
        // Whole numbers are characters.
        let is_text = element == 6 || element == 7;
        let outer = lengths.len() - usize::from(!is_text && !lengths.is_empty());
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
                length if place < outer => Axis::Input(place, length),
                length => Axis::Features(length),
            });
        Ok(Self {
            step: None,
            axes: Axes(axes.collect()),
            time: None,
            answers: Answers::EachStep,
        })
    }

    /// The same numbers without an axis of one of them.
    pub(super) fn without(&self, at: usize) -> Self {
        let mut data = self.clone();
        data.axes.0.remove(at);
        data
    }
}
