//! The `.lstm` of a network that reads values, and what it answers by the device's own engine.

use crate::files::error::{Error, Result};
use crate::files::progress::Progress;
use crate::kernels::pool::in_pool;
use crate::model::encode::{Data, check_name, f32_blocks};
use crate::model::file::ModelFile;
use crate::model::workspace::HeapWorkspace;
use crate::network::sensor::{
    Activation, Cell, Channel, Dense, DenseConfig, Head, LayerConfig, OutputValue, SensorConfig,
    SensorNetwork,
};
use crate::quantize::TensorError;
use crate::quantize::sensor::{
    Observed, QuantizedSensorNetwork, SENSOR_DEAD_ZONE, gate_matrices, quantize_sensor,
    rows_over_inputs,
};
use crate::sequences::{Answer, SensorScore, Sequence, Sequences, Task};
use lstm_core::export::{
    BLOCK_ROWS, DenseLayers, Layers, SensorDescription, encode_sensor_file, round_up,
};
use lstm_core::{DenseShape, Format, Input, LayerShape, Model, Order, OutputGolden, OutputHead};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

/// A network in f32 as the bytes of a `.lstm` file; `name` is for people, at most 64 bytes.
///
/// # Errors
/// A shape that the file does not hold.
pub fn encode_f32(network: &SensorNetwork, name: &str) -> Result<Vec<u8>> {
    let config = &network.config;
    let mut data = Data::default();
    data.floats(config.channels.iter().map(|channel| channel.mean));
    data.floats(config.channels.iter().map(|channel| channel.scale));
    for (index, &layer) in config.layers.iter().enumerate() {
        for matrix in gate_matrices(layer) {
            let places = matrix.rows.iter();
            let bias = |place| matrix.bias(network, index, place);
            data.floats(places.clone().map(|place| place.map_or(0.0, bias)));
            let zeros = || vec![0.0; matrix.columns(config.input_width(index), layer)];
            let weights = |place| matrix.weights(network, index, place);
            let rows = places.map(|place| place.map_or_else(zeros, weights));
            data.floats(f32_blocks(rows.collect()));
        }
        if let Some(projection) = &network.layers[index].projection {
            let padded = round_up(layer.output(), BLOCK_ROWS);
            data.floats(std::iter::repeat_n(0.0, padded));
            data.floats(f32_blocks(rows_over_inputs(projection, layer.output())));
        }
    }
    for Dense { weight, bias } in &network.dense {
        let padded = round_up(bias.len(), BLOCK_ROWS);
        data.floats((0..padded).map(|row| bias.get(row).copied().unwrap_or(0.0)));
        data.floats(f32_blocks(rows_over_inputs(weight, bias.len())));
    }
    if let Head::Values(values) = &config.head {
        data.floats(values.iter().map(|value| value.offset));
        data.floats(values.iter().map(|value| value.scale));
    }
    encode(config, Format::F32, Order::Rows4, name, &data.bytes)
}

/// A network in integers as the bytes of a `.lstm` file; `network` is what it was rounded from.
///
/// # Errors
/// A shape that the file does not hold.
pub fn encode_integers(
    network: &SensorNetwork,
    integers: &QuantizedSensorNetwork,
    name: &str,
) -> Result<Vec<u8>> {
    let config = &network.config;
    let mut data = Data::default();
    data.floats(config.channels.iter().map(|channel| channel.mean));
    data.floats(integers.input_scales(network).into_iter());
    for (_, format, matrix) in integers.matrices(network) {
        data.matrix(matrix, format);
    }
    if let Head::Values(values) = &config.head {
        data.floats(values.iter().map(|value| value.offset));
        let scales = values.iter().zip(&integers.output_scales);
        data.floats(scales.map(|(value, scale)| value.scale * scale));
    }
    let order = Order::of(integers.format, integers.dead_zone);
    encode(config, integers.format, order, name, &data.bytes)
}

fn encode(
    config: &SensorConfig,
    format: Format,
    order: Order,
    name: &str,
    data: &[u8],
) -> Result<Vec<u8>> {
    check_name(name)?;
    let size = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let shape = |layer: &LayerConfig| {
        let shape = LayerShape::new(layer.cell.device(), size(layer.hidden));
        match layer.projection {
            Some(width) => shape.project(size(width)),
            None => shape,
        }
    };
    let layers: Vec<LayerShape> = config.layers.iter().map(shape).collect();
    let dense = config.dense.iter();
    let dense = dense.map(|dense| DenseShape::new(size(dense.width), dense.activation.device()));
    let dense: Vec<DenseShape> = dense.collect();
    let lines = |names: Vec<&str>| names.join("\n");
    let channels = lines(config.channels.iter().map(|c| &c.name[..]).collect());
    let names = match &config.head {
        Head::Classes(labels) => labels.join("\n"),
        Head::Values(values) => lines(values.iter().map(|value| &value.name[..]).collect()),
    };
    let description = SensorDescription {
        name,
        input: Input::Values {
            channels: &channels,
            count: size(config.channels.len()),
        },
        window: config.window.map(size),
        backwards: config.backwards,
        format,
        order,
        layers: Layers::new(&layers)?,
        dense: DenseLayers::new(&dense)?,
        head: match &config.head {
            Head::Classes(_) => OutputHead::Classes { labels: &names },
            Head::Values(_) => OutputHead::Values { names: &names },
        },
        padding: &[],
        data,
    };
    let file = |golden| {
        encode_sensor_file(&description, golden)
            .map_err(|e| Error::failed(format!("cannot encode the model: {e}")))
    };
    let read = ModelFile::from_bytes(&file(None)?);
    // What is about to be written must be what the device accepts.
    let model = read.model()?;
    let mut workspace = HeapWorkspace::new(&model);
    let golden = OutputGolden::of_values(&mut workspace.sensor_session(&model)?);
    file(Some(golden))
}

/// A network in one format.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The format's name.
    pub name: &'static str,
    /// The model.
    pub file: ModelFile,
    /// How far rounding moved each tensor.
    pub errors: Vec<TensorError>,
}

/// A network in each format, in integers by rounding alone.
///
/// # Errors
/// A row does not fit the integers.
pub fn variants(network: &SensorNetwork, observed: &Observed) -> Result<Vec<Variant>> {
    let variant = |name, bytes: Vec<u8>, errors| Variant {
        name,
        file: ModelFile::from_bytes(&bytes),
        errors,
    };
    let float = variant(Format::F32.name(), encode_f32(network, "")?, Vec::new());
    let rounded = [Format::Int8, Format::Int4].into_iter().map(|format| {
        let (integers, errors) = quantize_sensor(network, observed, format, SENSOR_DEAD_ZONE)?;
        let bytes = encode_integers(network, &integers, "")?;
        Ok(variant(format.name(), bytes, errors))
    });
    [Ok(float)].into_iter().chain(rounded).collect()
}

impl ModelFile {
    /// How a model that reads values answers, by the device's engine. Each sequence is read from the zero state; a model with a
    /// window reads for each answer the last steps, as many as its window has.
    ///
    /// # Errors
    /// As [`Model::from_bytes`]; the model reads symbols.
    pub fn answers<'d>(&self, data: &'d Sequences, task: &Task) -> Result<SensorScore> {
        let model = self.model()?;
        let progress = Progress::new("scored", data.sequences.len());
        let answers = |sequence: &'d Sequence| {
            let found = outputs(&model, sequence, task);
            progress.add(1);
            found
        };
        let found: Result<Vec<_>> = in_pool(|| data.sequences.par_iter().map(answers).collect())?;
        let mut score = SensorScore::new(&config_of(&model).head);
        for (outputs, answer) in found?.iter().flatten() {
            score.add(outputs, *answer);
        }
        Ok(score)
    }
}

/// The shape that a model has, as one of a network; what its channels are normalized with is not told.
pub fn config_of(model: &Model<'_>) -> SensorConfig {
    let channels = model.channels().map(Channel::plain);
    let layer = |shape: &LayerShape| LayerConfig {
        cell: Cell::of_device(shape.cell),
        hidden: shape.hidden.into(),
        projection: shape.projection.map(usize::from),
    };
    let dense = |shape: &DenseShape| DenseConfig {
        width: shape.width.into(),
        activation: Activation::of_device(shape.activation),
    };
    let head = model.head();
    SensorConfig {
        channels: channels.collect(),
        layers: model.layers().iter().map(layer).collect(),
        dense: model.dense_layers().iter().map(dense).collect(),
        head: match head {
            OutputHead::Values { .. } => {
                Head::Values(head.names().map(OutputValue::plain).collect())
            }
            _ => Head::Classes(head.names().map(str::to_owned).collect()),
        },
        window: model.window(),
        backwards: model.reads_backwards(),
    }
}

/// What a model gives at each step of a sequence at which something is to be answered.
fn outputs<'s>(
    model: &Model<'_>,
    sequence: &'s Sequence,
    task: &Task,
) -> Result<Vec<(Vec<f32>, Answer<'s>)>> {
    let mut workspace = HeapWorkspace::new(model);
    let mut session = workspace.sensor_session(model)?;
    let channels = model.num_channels();
    let steps: Vec<&[f32]> = sequence.steps(channels).collect();
    let told = |output: lstm_core::Output<'_>| match model.head() {
        OutputHead::Values { .. } => output.values().collect(),
        _ => output.logits().collect(),
    };
    let failed = |e: lstm_core::InputError| Error::failed(e.to_string());
    let mut found: Vec<(Vec<f32>, Answer<'s>)> = Vec::new();
    for (step, &values) in steps.iter().enumerate() {
        let answer = task.answer(sequence, channels, step);
        let Some(window) = model.window() else {
            let output = session.step(values).map_err(failed)?;
            found.extend(answer.map(|answer| (told(output), answer)));
            continue;
        };
        let Some(answer) = answer else {
            continue;
        };
        let mut window = steps[(step + 1).saturating_sub(window)..=step].to_vec();
        if model.reads_backwards() {
            window.reverse();
        }
        session.reset();
        if let Some((last, before)) = window.split_last() {
            for values in before {
                session.advance(values).map_err(failed)?;
            }
            let output = session.step(last).map_err(failed)?;
            found.push((told(output), answer));
        }
    }
    Ok(found)
}
