//! Finds a network of values in another framework's file.

mod head;
mod names;
mod normalization;

pub use head::Answer;
pub use normalization::MeanAndStd;

use super::contents::Contents;
use super::context::{Context, Reads};
use super::network::{Tensors, keep};
use super::plan::{Dense, End, Input, Normalization, Numbers, Piece, Plan, Recurrent};
use super::told::Told;
use crate::files::error::{Error, Result};
use crate::network::sensor::{
    Activation, Channel, DenseConfig, LayerConfig, SensorConfig, SensorNetwork,
};
use lstm_core::MAX_VALUES_WINDOW;
use names::Named;
use std::borrow::Cow;
use std::path::Path;

/// What a person says of a network of values where its file does not.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The activations of the dense layers before the last: one of all, or one each.
    pub activations: Vec<Activation>,
    /// What the answer is.
    pub answer: Option<Answer>,
    /// How the input is normalized.
    pub normalization: Option<MeanAndStd>,
    /// The names of the channels.
    pub channels: Vec<String>,
    /// Steps of a window; 0 for a state that is carried.
    pub window: Option<usize>,
}

/// A network, and where each of its tensors came from.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// The network.
    pub network: SensorNetwork,
    /// A line for each tensor of the network.
    pub map: Vec<String>,
    /// What a person should know of the way it was found.
    pub notes: Vec<String>,
}

/// What the network of a file reads. One with an embedding reads characters. One without reads values, unless it may be
/// given its characters as 1 among zeros: one dense layer of as many outputs as there are inputs and `symbols`.
pub fn reads(contents: &Contents, told: &Told, symbols: usize) -> Reads {
    if let Some(reads) = contents.reads {
        return reads;
    }
    let is_one_hot = |plan: &Plan| {
        let is_plain = matches!(plan.input, Input::Values(None));
        let widths = [plan.inputs(), plan.outputs()];
        is_plain && plan.dense.len() == 1 && widths == [Some(symbols); 2]
    };
    let may_be_text = match &contents.plan {
        Some(Ok(plan)) => is_one_hot(plan),
        Some(Err(_)) if contents.not_text.is_some() => false,
        Some(Err(_)) | None => match named(contents, told) {
            // It is refused as it always was.
            Err(_) => true,
            Ok((named, tensors, _)) if named.has_embedding(&tensors) => true,
            Ok((named, tensors, _)) => {
                let plan = named.plan(&tensors, &contents.order, told);
                plan.is_ok_and(|plan| is_one_hot(&plan))
            }
        },
    };
    match may_be_text {
        true => Reads::Characters,
        false => Reads::Values,
    }
}

/// Finds the network; `path` only names it in errors.
///
/// # Errors
/// The file is not of one to four recurrent layers and one to four dense layers of sizes that fit each other, or holds
/// a number that is not finite, or does not tell what `settings` do not tell either.
pub fn find(path: &Path, contents: &Contents, told: &Told, settings: &Settings) -> Result<Mapped> {
    let bad = |e: String| Error::bad_input(format!("{}: {e}", path.display()));
    let (plan, notes) = plan(contents, told).map_err(bad)?;
    let mut mapped = build(plan, settings).map_err(bad)?;
    mapped.notes.splice(0..0, notes);
    Ok(mapped)
}

/// What the names say, of the tensors that a person has not left out, with a note of those that are.
fn named<'c>(
    contents: &'c Contents,
    told: &Told,
) -> Result<(Named, Cow<'c, Tensors>, Vec<String>), String> {
    let (kept, notes) = keep(contents, told)?;
    let tensors = kept.map_or(Cow::Borrowed(&contents.tensors), Cow::Owned);
    let named = Named::sort(&tensors)?;
    Ok((named, tensors, notes))
}

fn plan(contents: &Contents, told: &Told) -> Result<(Plan, Vec<String>), String> {
    if let Some(plan) = &contents.plan {
        if !told.order.is_empty() || !told.ignore.is_empty() {
            return Err(
                "the file tells all its layers, expected no --order and no --ignore".into(),
            );
        }
        return plan.clone().map(|plan| (plan, Vec::new()));
    }
    let (named, tensors, notes) = named(contents, told)?;
    if contents.reads == Some(Reads::Characters) || named.has_embedding(&tensors) {
        return Err(
            "found an embedding, which looks up characters, expected a network of values".into(),
        );
    }
    Ok((named.plan(&tensors, &contents.order, told)?, notes))
}

fn build(mut plan: Plan, settings: &Settings) -> Result<Mapped, String> {
    plan.check_widths()?;
    let mut notes = std::mem::take(&mut plan.notes);
    let Input::Values(normalization) = plan.input else {
        return Err(
            "found an embedding, which looks up characters, expected a network of values".into(),
        );
    };
    let Some(first) = plan.layers.first() else {
        return Err("found no recurrent layer, expected one to four".into());
    };
    let inputs = first.w_ih.shape[0];
    let channels = channels(inputs, normalization, settings, &mut notes)?;
    let (dense, head) = head::head(plan.dense, settings.answer.as_ref(), &mut notes)?;
    let dense = activations(dense, &settings.activations, &mut notes)?;
    let config = SensorConfig {
        channels,
        layers: plan.layers.iter().map(config_of).collect(),
        dense: dense[..dense.len() - 1]
            .iter()
            .map(|(dense, activation)| DenseConfig {
                width: dense.bias.values.len(),
                activation: *activation,
            })
            .collect(),
        head,
        window: window(plan.context, settings.window, &mut notes)?,
        backwards: plan.backwards,
    };
    if config.backwards && config.window.is_none() {
        return Err(
            "found go_backwards in a network that answers each step, expected one that answers at the end of a window \
             (--window N): a chip has not the values that are still to come"
                .into(),
        );
    }
    config.check().map_err(|e| e.to_string())?;
    let mut pieces = Vec::new();
    for layer in plan.layers {
        let columns = layer.cell.gates() * layer.hidden;
        pieces.extend([layer.w_ih, layer.w_hh, layer.bias]);
        if layer.cell.has_recurrent_bias() {
            let piece = layer.recurrent_bias;
            pieces.push(piece.unwrap_or_else(|| Piece::zeros(columns)));
        }
        pieces.extend(layer.projection);
    }
    pieces.extend(
        dense
            .into_iter()
            .flat_map(|(dense, _)| [dense.weight, dense.bias]),
    );
    let (mut map, mut values) = (Vec::new(), Vec::new());
    for ((name, shape), piece) in config.shapes().into_iter().zip(pieces) {
        piece.expect(&shape)?;
        if let Some(at) = piece.values.iter().position(|x| !x.is_finite()) {
            return Err(format!(
                "tensor {} holds {} at {at}, expected finite numbers",
                piece.from, piece.values[at]
            ));
        }
        map.push(piece.line(&name));
        values.push(piece.values);
    }
    Ok(Mapped {
        network: SensorNetwork::from_parameters(config, values),
        map,
        notes,
    })
}

fn config_of(layer: &Recurrent) -> LayerConfig {
    LayerConfig {
        cell: layer.cell,
        hidden: layer.hidden,
        projection: layer.projection.as_ref().map(|_| layer.output()),
    }
}

/// The channels, each with its mean and its scale.
fn channels(
    inputs: usize,
    normalization: Option<Normalization>,
    settings: &Settings,
    notes: &mut Vec<String>,
) -> Result<Vec<Channel>, String> {
    let of_all = |what: &str, values: &[f32]| match values.len() {
        1 => Ok(vec![values[0]; inputs]),
        n if n == inputs => Ok(values.to_vec()),
        n => Err(format!(
            "{what} has {n} numbers, expected {inputs}, one a channel"
        )),
    };
    let told = match &settings.normalization {
        None => None,
        Some(told) => {
            let scale: Vec<f32> = told.std.iter().map(|std| 1.0 / std).collect();
            Some((
                of_all("mean of --normalize", &told.mean)?,
                of_all("std of --normalize", &scale)?,
            ))
        }
    };
    let (mean, scale) = match (normalization, told) {
        (None, None) => {
            notes.push(
                "nothing normalizes the input: taken as it is (--normalize FILE gives the mean and the deviation of \
                 each channel)"
                    .into(),
            );
            (vec![0.0; inputs], vec![1.0; inputs])
        }
        (None, Some(told)) => told,
        (Some(found), told) => {
            let Normalization { mean, scale, from } = found;
            let missing: Vec<&str> = [&mean, &scale]
                .into_iter()
                .filter_map(|numbers| match numbers {
                    Numbers::Missing(name) => Some(&name[..]),
                    Numbers::Given(_) => None,
                })
                .collect();
            match (&missing[..], &told) {
                ([], None) => notes.push(format!("{from} normalizes the input")),
                ([], Some(_)) => {
                    return Err(format!(
                        "found --normalize, and {from} in the file, expected one of them"
                    ));
                }
                (names, None) => {
                    return Err(format!(
                        "the numbers {} of the normalization are not in the file, expected --normalize FILE with the \
                         mean and the std of each channel",
                        names.join(", ")
                    ));
                }
                (names, Some(_)) => notes.push(format!(
                    "the numbers {} of the normalization are not in the file: taken from --normalize",
                    names.join(", ")
                )),
            }
            let given = |what: &str, numbers: Numbers, told: Option<Vec<f32>>| {
                let numbers = match numbers {
                    Numbers::Given(numbers) => of_all(&format!("{what} of {from}"), &numbers)?,
                    Numbers::Missing(_) => return Ok(told.unwrap_or_default()),
                };
                let is_same = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-3 * a.abs().max(b.abs());
                match &told {
                    Some(told) if !numbers.iter().zip(told).all(is_same) => Err(format!(
                        "{what} of {from} is {numbers:?}, expected that of --normalize, {told:?}"
                    )),
                    _ => Ok(numbers),
                }
            };
            let (told_mean, told_scale) = told.unzip();
            (
                given("mean", mean, told_mean)?,
                given("scale", scale, told_scale)?,
            )
        }
    };
    let names = &settings.channels;
    if !names.is_empty() && names.len() != inputs {
        return Err(format!(
            "found {} names in --channels, expected {inputs}, one a channel",
            names.len()
        ));
    }
    let name = |at: usize| names.get(at).cloned().unwrap_or_default();
    let channels = mean.into_iter().zip(scale).enumerate();
    let channels = channels.map(|(at, (mean, scale))| Channel {
        name: name(at),
        mean,
        scale,
    });
    Ok(channels.collect())
}

/// The dense layers with their activations; that of the last is none.
fn activations(
    dense: Vec<Dense>,
    told: &[Activation],
    notes: &mut Vec<String>,
) -> Result<Vec<(Dense, Activation)>, String> {
    let hidden = dense.len() - 1;
    let untold = |dense: &&Dense| dense.end == End::Untold;
    let untold = dense[..hidden].iter().filter(untold).count();
    if !told.is_empty() && untold == 0 {
        return Err(format!(
            "found --activation, and {hidden} dense layers before the last whose activation the file does not tell none \
             of, expected no --activation"
        ));
    }
    if told.len() > 1 && told.len() != untold {
        return Err(format!(
            "found {} activations in --activation, expected {untold}, one for each dense layer before the last",
            told.len()
        ));
    }
    if told.is_empty() && untold > 0 {
        notes.push(
            "the file does not tell the activation of the dense layers before the last: taken as relu (--activation \
             gives another)"
                .into(),
        );
    }
    let mut next = told.iter().copied().cycle();
    let mut ended = Vec::new();
    for (at, dense) in dense.into_iter().enumerate() {
        let activation = match dense.end {
            _ if at == hidden => Activation::Linear,
            End::Of(activation) => activation,
            End::Untold => next.next().unwrap_or(Activation::Relu),
            End::Softmax => {
                return Err(format!(
                    "layer {} has softmax before the last dense layer, expected linear, relu, tanh or sigmoid",
                    dense.name
                ));
            }
        };
        ended.push((dense, activation));
    }
    Ok(ended)
}

/// The steps that the network is given each time; `None` where it carries its state.
fn window(
    context: Context,
    told: Option<usize>,
    notes: &mut Vec<String>,
) -> Result<Option<usize>, String> {
    let window = match (told, context) {
        (Some(0), _) | (None, Context::Carried) => None,
        (Some(window), _) | (None, Context::Window(window)) => Some(window),
        (None, Context::Untold) => {
            notes.push(
                "the file does not tell whether the network was trained on windows from a zero state (--window N): \
                 taken as one that carries its state and answers each step"
                    .into(),
            );
            None
        }
        (None, Context::WindowOfUntoldLength) => {
            notes.push(
                "the network answers at the end of series whose length the file does not tell (--window N): taken as \
                 one that answers each step; give it the zero state where a series begins"
                    .into(),
            );
            None
        }
    };
    match window {
        Some(window) if window > MAX_VALUES_WINDOW => Err(format!(
            "found a window of {window} steps, expected at most {MAX_VALUES_WINDOW} (--window N gives another)"
        )),
        window => Ok(window),
    }
}
