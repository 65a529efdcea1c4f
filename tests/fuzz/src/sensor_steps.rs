//! The input is a network of integers that reads values, and values: the engine, with this CPU's kernels, gives the
//! numbers of docs/NUMBERS.md over plain weights, step by step, with a saved state, and on windows.

use crate::common::reference::Int8Reference;
use crate::common::sensors::{Head, Int8SensorNet};
use crate::common::{Int8Plain, Plan};
use crate::{Flash, is_planted};
use arbitrary::{Result, Unstructured};
use lstm_core::{
    Activation, CellKind, DenseShape, Format, LayerShape, MAX_DENSE_LAYERS, MAX_LAYERS, Model,
    Output, SensorSession, SensorWindow, WorkspaceSlices,
};

/// Steps of the longest window.
const WINDOW: usize = 4;

pub(crate) fn run(data: &[u8]) {
    let _: Result<()> = compare(&mut Unstructured::new(data));
}

fn compare(input: &mut Unstructured<'_>) -> Result<()> {
    let net = network(input)?;
    let file = net.file();
    let flash = Flash::new(&file, 0);
    let model = Model::from_bytes(flash.bytes()).expect("a sound network");
    let [mut ram, mut other] = [Ram::of(&model), Ram::of(&model)];
    let mut session = ram.session(model);
    let steps = (0..input.int_in_range(2..=3 * WINDOW)?).map(|_| step(input, net.net.channels));
    let steps: Vec<Vec<f32>> = steps.collect::<Result<_>>()?;

    let mut reference = Int8Reference::new(&net.net);
    let mut columns = Vec::new();
    let mut state = vec![0; session.state_bytes()];
    for (index, values) in steps.iter().enumerate() {
        columns.push(columns_of(&net, values));
        let found = q12(session.step(&given(&net, values)).expect("its channels"));
        assert_eq!(found, reference.step_columns(&columns[index]));
        if index == steps.len() / 2 {
            session.save(&mut state).expect("room for the state");
            session = other.session(model);
            session.restore(&state).expect("a state that was saved");
        }
    }

    let (length, stride) = (input.int_in_range(1..=WINDOW)?, input.int_in_range(1..=3)?);
    let mut words = vec![0xffff_ffff; model.window_words(length)];
    let mut window = SensorWindow::new(&model, &mut words, length, stride).expect("its room");
    for (count, values) in (1..).zip(&steps) {
        let found = window.push(&mut session, &given(&net, values));
        let is_run = count >= length && (count - length).is_multiple_of(stride);
        let expected = is_run.then(|| {
            let mut steps: Vec<_> = columns[count - length..count].iter().collect();
            if net.backwards {
                steps.reverse();
            }
            let mut reference = Int8Reference::new(&net.net);
            let outputs = steps
                .into_iter()
                .map(|columns| reference.step_columns(columns));
            outputs.last().expect("at least one step")
        });
        assert_eq!(found.expect("its channels").map(q12), expected);
    }
    Ok(())
}

/// The RAM of a session, filled with what another may have left.
struct Ram {
    words: Vec<u32>,
    logits: Vec<u32>,
}

impl Ram {
    fn of(model: &Model<'_>) -> Self {
        Ram {
            words: vec![0xaaaa_aaaa; model.workspace_words()],
            logits: vec![0xbbbb_bbbb; model.num_outputs()],
        }
    }

    fn session<'s, 'm>(&'s mut self, model: Model<'m>) -> SensorSession<'m, WorkspaceSlices<'s>> {
        let memory = WorkspaceSlices::new(&mut self.words, &mut self.logits);
        SensorSession::new(model, memory).expect("room for a model of values")
    }
}

fn q12(output: Output<'_>) -> Vec<i64> {
    let logits = output.into_q12();
    logits.iter().map(|&logit| logit.into()).collect()
}

/// What the engine is given of a step.
fn given(net: &Int8SensorNet, values: &[f32]) -> Vec<f32> {
    let mut values = values.to_vec();
    // The last value is lost: it counts as its mean.
    if is_planted() {
        values.pop();
        values.extend(net.channel_scaling[0].last());
    }
    values
}

/// docs/NUMBERS.md, "Values".
fn columns_of(net: &Int8SensorNet, values: &[f32]) -> Vec<i8> {
    let [means, scales] = &net.channel_scaling;
    let scaled = values.iter().zip(means).zip(scales);
    let column = |u: f32| match u.is_nan() {
        true => 0,
        false => u.round().clamp(-127.0, 127.0) as i8,
    };
    scaled
        .map(|((x, mean), scale)| column((x - mean) * scale))
        .collect()
}

/// Any floats, and often small ones.
fn step(input: &mut Unstructured<'_>, channels: usize) -> Result<Vec<f32>> {
    let mut value = || match input.ratio(1, 8)? {
        true => input.arbitrary(),
        false => Ok(f32::from(input.arbitrary::<i8>()?) / 32.0),
    };
    (0..channels).map(|_| value()).collect()
}

fn network(input: &mut Unstructured<'_>) -> Result<Int8SensorNet> {
    let format = *input.choose(&[Format::Int8, Format::Int4])?;
    let shapes = (0..input.int_in_range(1..=MAX_LAYERS)?).map(|_| layer(input));
    let shapes = shapes.collect::<Result<_>>()?;
    let dense = (0..input.int_in_range(0..=MAX_DENSE_LAYERS)?).map(|_| dense(input));
    let dense = dense.collect::<Result<_>>()?;
    let head = *input.choose(&[Head::Classes, Head::Values])?;
    let plan = Plan {
        vocab: 0,
        channels: width(input)?,
        shapes,
        dense,
        outputs: 2 + width(input)?,
    };
    let seed: u16 = input.arbitrary()?;
    let mut net = Int8SensorNet::random_plan(format, &plan, head, seed.into());
    net.backwards = input.ratio(1, 4)?;
    if net.backwards {
        net.window = Some(1);
    }
    // Sums as large as they can be.
    if input.ratio(1, 4)? {
        net.net.matrices_mut().for_each(fill);
    }
    Ok(net)
}

/// Each weight becomes the largest of the matrix.
fn fill(matrix: &mut Int8Plain) {
    let most = matrix.weights.iter().flatten().copied().max();
    let weights = matrix.weights.iter_mut().flatten();
    weights.for_each(|weight| *weight = most.unwrap_or(0));
}

fn layer(input: &mut Unstructured<'_>) -> Result<LayerShape> {
    let cells = [
        CellKind::Lstm,
        CellKind::Cifg,
        CellKind::Gru,
        CellKind::GruResetBefore,
    ];
    let cell = *input.choose(&cells)?;
    let hidden = width(input)? as u16;
    let layer = LayerShape::new(cell, hidden);
    match cell != CellKind::GruResetBefore && input.ratio(1, 4)? {
        true => Ok(layer.project(input.int_in_range(1..=hidden)?)),
        false => Ok(layer),
    }
}

fn dense(input: &mut Unstructured<'_>) -> Result<DenseShape> {
    let activations = [
        Activation::Linear,
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
    ];
    let activation = *input.choose(&activations)?;
    Ok(DenseShape::new(width(input)? as u16, activation))
}

/// Mostly a few; now and then more than a kernel takes at a time.
fn width(input: &mut Unstructured<'_>) -> Result<usize> {
    let most = match input.int_in_range(0..=15u8)? {
        0 => 70,
        1..=3 => 20,
        _ => 6,
    };
    input.int_in_range(1..=most)
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let bytes = |seed: u32| (0..120u32).map(move |i| (i * i * 11 + seed * 41 * (i + 1)) as u8);
    (0..32).map(|seed| bytes(seed).collect()).collect()
}
