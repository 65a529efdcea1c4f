//! What the last dense layer answers.

use crate::interchange::plan::{Dense, End, Piece};
use crate::network::sensor::{Activation, Head, OutputValue};

/// What a person says the answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Classes of these labels; one label that is a number is their number.
    Classes(Vec<String>),
    /// Values of these names.
    Values(Vec<String>),
}

/// The dense layers, the last with an answer that needs no activation, and what it is.
pub(super) fn head(
    mut dense: Vec<Dense>,
    answer: Option<&Answer>,
    notes: &mut Vec<String>,
) -> Result<(Vec<Dense>, Head), String> {
    let Some(last) = dense.last_mut() else {
        return Err(
            "found no dense layer behind the recurrent layers, expected one to four".into(),
        );
    };
    let (outputs, end) = (last.bias.values.len(), last.end);
    last.end = End::Untold;
    let name = last.name.clone();
    let labels = |classes: usize| match answer {
        Some(Answer::Classes(labels)) => labels_of(labels, classes),
        _ => Ok((0..classes).map(|class| class.to_string()).collect()),
    };
    let head = match (end, answer) {
        (End::Softmax, Some(Answer::Values(_))) => {
            return Err(format!(
                "layer {name} gives probabilities by softmax, expected --classes and not --values"
            ));
        }
        (End::Softmax, _) => {
            if answer.is_none() {
                notes.push(format!(
                    "the file does not name its {outputs} classes: taken as 0 to {} (--classes A,B,.. names them)",
                    outputs.saturating_sub(1)
                ));
            }
            Head::Classes(labels(outputs)?)
        }
        (End::Of(Activation::Sigmoid), None | Some(Answer::Classes(_))) if outputs == 1 => {
            notes.push(format!(
                "layer {name} gives one probability by a sigmoid: taken as that of the second of two classes"
            ));
            *last = of_two_classes(last);
            Head::Classes(labels(2)?)
        }
        (End::Untold | End::Of(Activation::Linear), Some(Answer::Classes(told))) => {
            let classes = match (outputs, labels_of(told, 2)) {
                (1, Ok(two)) => {
                    notes.push(format!(
                        "layer {name} gives one number: taken as the logit of the second class, {}",
                        two[1]
                    ));
                    *last = of_two_classes(last);
                    2
                }
                _ => outputs,
            };
            Head::Classes(labels(classes)?)
        }
        (End::Untold, None) => {
            return Err(format!(
                "the file does not tell what the {outputs} outputs of layer {name} are, expected --classes A,B,.. (or \
                 --classes {outputs}) or --values NAME,.."
            ));
        }
        (End::Of(Activation::Linear), None) => Head::Values(values(&[], outputs)?),
        (End::Untold | End::Of(Activation::Linear), Some(Answer::Values(names))) => {
            Head::Values(values(names, outputs)?)
        }
        (End::Of(activation), Some(Answer::Classes(_))) => {
            return Err(format!(
                "layer {name} has activation {}, of which each output stands alone, expected softmax for classes (or \
                 --values)",
                activation_name(activation)
            ));
        }
        (End::Of(activation), answer) => {
            notes.push(format!(
                "layer {name} answers through {}: the identity follows it as the last dense layer",
                activation_name(activation)
            ));
            last.end = end;
            dense.push(Dense::identity(&name, outputs, End::Untold)?);
            match answer {
                Some(Answer::Values(names)) => Head::Values(values(names, outputs)?),
                _ => Head::Values(values(&[], outputs)?),
            }
        }
    };
    Ok((dense, head))
}

fn labels_of(told: &[String], classes: usize) -> Result<Vec<String>, String> {
    match told {
        [number] if number.parse() == Ok(classes) => {
            Ok((0..classes).map(|class| class.to_string()).collect())
        }
        labels if labels.len() == classes => Ok(labels.to_vec()),
        labels => Err(format!(
            "found {} in --classes, expected {classes} labels",
            labels.join(",")
        )),
    }
}

fn values(names: &[String], outputs: usize) -> Result<Vec<OutputValue>, String> {
    if !names.is_empty() && names.len() != outputs {
        return Err(format!(
            "found {} in --values, expected {outputs} names",
            names.join(",")
        ));
    }
    let name = |at: usize| names.get(at).cloned().unwrap_or_default();
    Ok((0..outputs)
        .map(|at| OutputValue::plain(name(at)))
        .collect())
}

/// A logit z of one class is that of the second of two, [0, z].
fn of_two_classes(dense: &Dense) -> Dense {
    let pair = |piece: &Piece, shape: Vec<usize>| Piece {
        shape,
        values: piece.values.iter().flat_map(|&z| [0.0, z]).collect(),
        from: format!("zeros and {}", piece.from),
    };
    Dense {
        name: dense.name.clone(),
        weight: pair(&dense.weight, vec![dense.weight.shape[0], 2]),
        bias: pair(&dense.bias, vec![2]),
        end: dense.end,
        is_identity: false,
    }
}

/// As `--activation` has it.
pub(super) fn activation_name(activation: Activation) -> &'static str {
    match activation {
        Activation::Linear => "linear",
        Activation::Relu => "relu",
        Activation::Tanh => "tanh",
        Activation::Sigmoid => "sigmoid",
    }
}
