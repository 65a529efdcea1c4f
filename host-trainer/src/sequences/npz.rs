//! Sequences in NumPy's `.npz`:
//!
//! | array | shape | |
//! | --- | --- | --- |
//! | `x` | `[N, T, C]` or `[T, C]` | the values |
//! | `scale` | `[]`, `[1]` or `[C]` | a value is `x * scale`; 1 where there is none |
//! | `n` | `[N]` | steps of each sequence; T where there is none |
//! | `y` | `[N]` whole numbers | classes |
//! | | `[N]` or `[N, K]` | values after the last step |
//! | | `[N, T, K]` | values of each step |
//! | `classes` | `[K]` texts | the names of the classes |
//! | `channels` | `[C]` texts | the names of the channels |

use super::{Sequence, Sequences, Target, Targets};
use crate::files::tensors::NamedTensor;
use crate::interchange::{NpzArray, read_arrays};
use lstm_core::MAX_CHANNELS;
use std::collections::BTreeMap;

pub(super) fn read(bytes: Vec<u8>) -> Result<Sequences, String> {
    let mut texts = BTreeMap::new();
    let mut arrays = BTreeMap::new();
    for (name, array) in read_arrays(bytes)? {
        match array {
            NpzArray::Numbers { tensor, is_whole } => {
                arrays.insert(name, (tensor, is_whole));
            }
            NpzArray::Texts(values) => {
                texts.insert(name, values);
            }
        }
    }
    let missing = "found no array x, expected values of shape [sequences, steps, channels]";
    let x = arrays.remove("x").ok_or(missing)?.0;
    let [count, steps, channels] = match x.shape[..] {
        [count, steps, channels] => [count, steps, channels],
        [steps, channels] => [1, steps, channels],
        _ => {
            return Err(format!(
                "array x has shape {:?}, expected [sequences, steps, channels]",
                x.shape
            ));
        }
    };
    // Without numbers the shape may be of any size.
    if count == 0 || steps == 0 || !(1..=MAX_CHANNELS).contains(&channels) {
        return Err(format!(
            "array x has shape {:?}, expected at least one sequence and one step, and 1 to {MAX_CHANNELS} channels",
            x.shape
        ));
    }
    let scale = match arrays.remove("scale").map(|scale| scale.0.values) {
        None => vec![1.0; channels],
        Some(scale) if scale.len() == 1 => scale.repeat(channels),
        Some(scale) if scale.len() == channels => scale,
        Some(scale) => {
            return Err(format!(
                "array scale has {} numbers, expected 1 or {channels}",
                scale.len()
            ));
        }
    };
    let lengths = match arrays.remove("n").map(|n| n.0.values) {
        None => vec![steps; count],
        Some(n) if n.len() == count => n.iter().map(|&n| n as usize).collect(),
        Some(n) => {
            return Err(format!("array n has {} numbers, expected {count}", n.len()));
        }
    };
    if let Some(length) = lengths.iter().find(|length| !(1..=steps).contains(*length)) {
        return Err(format!(
            "found a sequence of {length} steps in array n, expected 1 to {steps}"
        ));
    }
    let y = arrays.remove("y");
    let (mut targets, target) = targets(y, [count, steps], &lengths)?;
    if let (Targets::Classes(labels), Some(names)) = (&mut targets, texts.remove("classes")) {
        if !(labels.len()..=MAX_CHANNELS).contains(&names.len()) {
            return Err(format!(
                "found {} names in array classes, expected {} to {MAX_CHANNELS}",
                names.len(),
                labels.len()
            ));
        }
        *labels = names;
    }
    let names = texts.remove("channels").unwrap_or_default();
    let names = match names.len() {
        0 => vec![String::new(); channels],
        found if found == channels => names,
        found => {
            return Err(format!(
                "found {found} names in array channels, expected {channels}"
            ));
        }
    };
    if let Some(name) = arrays.keys().chain(texts.keys()).next() {
        return Err(format!(
            "found array {name}, expected x, scale, n, y, classes and channels"
        ));
    }
    let values = x.values.chunks_exact(steps * channels).zip(&lengths);
    let sequences = values.zip(target).map(|((values, length), target)| {
        let values = values[..length * channels].chunks_exact(channels);
        let values = values.flat_map(|step| step.iter().zip(&scale).map(|(x, scale)| x * scale));
        Sequence {
            values: values.collect(),
            target,
        }
    });
    Ok(Sequences {
        channels: names,
        sequences: sequences.collect(),
        targets,
    })
}

fn targets(
    y: Option<(NamedTensor, bool)>,
    [count, steps]: [usize; 2],
    lengths: &[usize],
) -> Result<(Targets, Vec<Target>), String> {
    let Some((tensor, is_whole)) = y else {
        return Ok((Targets::None, vec![Target::None; count]));
    };
    let wrong = || {
        format!(
            "array y has shape {:?}, expected [{count}], [{count}, values] or [{count}, {steps}, values]",
            tensor.shape
        )
    };
    let unnamed = |values: usize| match (1..=MAX_CHANNELS).contains(&values) {
        true => Ok(Targets::Values(vec![String::new(); values])),
        false => Err(wrong()),
    };
    let numbers = &tensor.values;
    match tensor.shape[..] {
        [n] if n == count && is_whole => {
            let class = |&y: &f32| match (0.0..MAX_CHANNELS as f32).contains(&y) {
                true => Ok(y as usize),
                false => Err(format!("found class {y} in array y, expected 0 to 255")),
            };
            let classes: Vec<usize> = numbers.iter().map(class).collect::<Result<_, _>>()?;
            let most = classes.iter().max().copied().unwrap_or(0);
            let labels = (0..=most).map(|class| class.to_string()).collect();
            let classes = classes.into_iter().map(Target::Class);
            Ok((Targets::Classes(labels), classes.collect()))
        }
        [n] if n == count => {
            let targets = numbers.iter().map(|&y| Target::Last(vec![y]));
            Ok((unnamed(1)?, targets.collect()))
        }
        [n, k] if n == count => {
            let targets = unnamed(k)?;
            let values = numbers.chunks_exact(k);
            Ok((targets, values.map(|y| Target::Last(y.to_vec())).collect()))
        }
        [n, t, k] if n == count && t == steps => {
            let targets = unnamed(k)?;
            let values = numbers.chunks_exact(t * k).zip(lengths);
            let values = values.map(|(y, length)| Target::Each(y[..length * k].to_vec()));
            Ok((targets, values.collect()))
        }
        _ => Err(wrong()),
    }
}
