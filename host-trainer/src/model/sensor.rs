//! The `.lstm` of a network that reads values, and what it answers by the device's own engine.

use crate::files::error::{Error, Result};
use crate::files::progress::Progress;
use crate::kernels::pool::in_pool;
use crate::model::encode::{Data, check_name};
use crate::model::file::ModelFile;
use crate::model::workspace::{HeapWorkspace, SensorSession};
use crate::network::sensor::{
    Activation, Cell, Channel, Dense, DenseConfig, Head, LayerConfig, OutputValue, SensorConfig,
    SensorNetwork,
};
use crate::quantize::TensorError;
use crate::quantize::sensor::{
    Observed, QuantizedSensorNetwork, SENSOR_DEAD_ZONE, SensorFormat, gate_matrices,
    quantize_sensor, rows_over_inputs,
};
use crate::sequences::{Answer, SensorScore, Sequence, Sequences, Task};
use lstm_core::export::{
    BLOCK_ROWS, DenseLayers, Layers, SENSOR_COLUMN_ALIGN, SensorDescription, encode_sensor_file,
    round_up, sensor_data_bytes,
};
use lstm_core::{
    DenseShape, Format, Input, InputError, LayerShape, Model, Order, OutputGolden, OutputHead,
};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

/// A network in f32 as the bytes of a `.lstm` file; `name` is for people, at most 64 bytes.
///
/// # Errors
/// A shape that the file does not hold.
pub fn encode_f32(network: &SensorNetwork, name: &str) -> Result<Vec<u8>> {
    let config = &network.config;
    let mut data = Data::new(SENSOR_COLUMN_ALIGN);
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
            data.f32_blocks(rows.collect());
        }
        if let Some(projection) = &network.layers[index].projection {
            let padded = round_up(layer.output(), BLOCK_ROWS);
            data.floats(std::iter::repeat_n(0.0, padded));
            data.f32_blocks(rows_over_inputs(projection, layer.output()));
        }
    }
    for Dense { weight, bias } in &network.dense {
        let padded = round_up(bias.len(), BLOCK_ROWS);
        data.floats((0..padded).map(|row| bias.get(row).copied().unwrap_or(0.0)));
        data.f32_blocks(rows_over_inputs(weight, bias.len()));
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
    let mut data = Data::new(SENSOR_COLUMN_ALIGN);
    data.floats(config.channels.iter().map(|channel| channel.mean));
    data.floats(integers.input_scales(network).into_iter());
    for (_, format, matrix) in integers.matrices(network) {
        data.matrix(matrix, format);
    }
    if let Head::Values(values) = &config.head {
        data.floats(values.iter().map(|value| value.offset));
        let scales = integers.output_scales();
        let scales = values.iter().zip(scales);
        data.floats(scales.map(|(value, scale)| value.scale * scale));
    }
    let order = Order::of(integers.format, integers.dead_zone);
    encode(config, integers.format, order, name, &data.bytes)
}

/// The bytes of a `.lstm` file whose numbers are all zero: as large as any of this shape, with names of this length.
///
/// # Errors
/// A shape that the file does not hold.
pub fn encode_zeros(config: &SensorConfig, format: Format) -> Result<Vec<u8>> {
    let order = Order::of(format, SENSOR_DEAD_ZONE);
    let bytes = with_description(config, (format, order), "", &[], |description| {
        Ok(sensor_data_bytes(description)?)
    })?;
    encode(config, format, order, "", &vec![0; bytes])
}

fn encode(
    config: &SensorConfig,
    format: Format,
    order: Order,
    name: &str,
    data: &[u8],
) -> Result<Vec<u8>> {
    check_name(name)?;
    let file = |golden| {
        with_description(config, (format, order), name, data, |description| {
            encode_sensor_file(description, golden)
                .map_err(|e| Error::failed(format!("cannot encode the model: {e}")))
        })
    };
    let read = ModelFile::from_bytes(&file(None)?);
    // What is about to be written must be what the device accepts.
    let model = read.model()?;
    let mut workspace = HeapWorkspace::new(&model);
    let golden = OutputGolden::of_values(&mut workspace.sensor_session(&model)?);
    file(Some(golden))
}

/// Gives a network as the file describes it to a function; a size that does not fit becomes one that is refused.
fn with_description<T>(
    config: &SensorConfig,
    (format, order): (Format, Order),
    name: &str,
    data: &[u8],
    use_it: impl FnOnce(&SensorDescription<'_>) -> Result<T>,
) -> Result<T> {
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
    use_it(&SensorDescription {
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
    })
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
        let format = SensorFormat::new(network, observed, format, SENSOR_DEAD_ZONE)?;
        let (integers, errors) = quantize_sensor(network, observed, &format)?;
        let bytes = encode_integers(network, &integers, "")?;
        Ok(variant(format.format().name(), bytes, errors))
    });
    [Ok(float)].into_iter().chain(rounded).collect()
}

impl ModelFile {
    /// How a model that reads values answers, by the device's engine. Each sequence is read from the zero state; a model with a
    /// window reads for each answer the last steps, as many as its window has, and answers nothing before there are so many.
    ///
    /// # Errors
    /// As [`Model::from_bytes`]; the model reads symbols.
    pub fn answers(&self, data: &Sequences, task: &Task) -> Result<SensorScore> {
        let mut score = SensorScore::new(&config_of(&self.model()?).head);
        for (outputs, answer) in self.outputs(data, task)? {
            score.add(&outputs, answer);
        }
        Ok(score)
    }

    /// What it gives wherever something is to be answered, as [`ModelFile::answers`]: logits of classes, or values in the user's
    /// units.
    ///
    /// # Errors
    /// As there.
    pub fn outputs<'d>(
        &self,
        data: &'d Sequences,
        task: &Task,
    ) -> Result<Vec<(Vec<f32>, Answer<'d>)>> {
        let model = self.model()?;
        let progress = Progress::new("scored", data.sequences.len());
        let answers = |sequence: &'d Sequence| {
            let found = outputs(&model, sequence, task);
            progress.add(1);
            found
        };
        let found: Result<Vec<_>> = in_pool(|| data.sequences.par_iter().map(answers).collect())?;
        Ok(found?.into_iter().flatten().collect())
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
    let failed = |e: InputError| Error::failed(e.to_string());
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
        let Some(first) = (step + 1).checked_sub(window) else {
            continue;
        };
        let window = &steps[first..=step];
        let output = read_window(&mut session, window).map_err(failed)?;
        found.extend(output.map(|output| (told(output), answer)));
    }
    Ok(found)
}

/// What a model gives after a window of steps, `[T][C]` in the user's units, read from the zero state, backwards where
/// the model reads so; nothing for no step.
///
/// # Errors
/// A step has more or fewer values than the model has channels.
pub fn read_window<'s>(
    session: &'s mut SensorSession<'_, '_>,
    steps: &[&[f32]],
) -> std::result::Result<Option<lstm_core::Output<'s>>, InputError> {
    let mut window = steps.to_vec();
    if session.model().reads_backwards() {
        window.reverse();
    }
    session.reset();
    let Some((last, before)) = window.split_last() else {
        return Ok(None);
    };
    for values in before {
        session.advance(values)?;
    }
    session.step(last).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;
    use crate::network::sensor::Forward;
    use crate::quantize::sensor::observe;
    use crate::sequences::{Target, Targets};

    /// A network of random weights whose numbers are of the size that trained ones have.
    fn network(
        layers: Vec<LayerConfig>,
        dense: &[(usize, Activation)],
        head: Head,
    ) -> SensorNetwork {
        let config = SensorConfig {
            channels: (0..3)
                .map(|c| Channel {
                    name: format!("c{c}"),
                    mean: 5.0 * c as f32,
                    scale: 0.5 + c as f32,
                })
                .collect(),
            layers,
            dense: (dense.iter())
                .map(|&(width, activation)| DenseConfig { width, activation })
                .collect(),
            head,
            window: None,
            backwards: false,
        };
        let random = &mut Random::new(9);
        let values = config.shapes().into_iter();
        let values = values.map(|(_, shape)| {
            let limit = 1.5 / (shape[0] as f32).sqrt();
            random.uniform_vec(shape.iter().product(), limit)
        });
        let values = values.collect();
        SensorNetwork::from_parameters(config, values)
    }

    fn data(config: &SensorConfig) -> Sequences {
        let random = &mut Random::new(3);
        let sequence = |_| {
            let steps = (0..40).flat_map(|_| {
                let units = random.uniform_vec(config.channels.len(), 2.0);
                let values = units.into_iter().zip(&config.channels);
                values
                    .map(|(u, c)| u / c.scale + c.mean)
                    .collect::<Vec<_>>()
            });
            Sequence {
                values: steps.collect(),
                target: Target::None,
            }
        };
        Sequences {
            channels: vec![String::new(); config.channels.len()],
            sequences: (0..10).map(sequence).collect(),
            targets: Targets::None,
        }
    }

    fn networks() -> Vec<SensorNetwork> {
        let classes = |n: usize| Head::Classes((0..n).map(|n| n.to_string()).collect());
        let value = |scale| OutputValue {
            name: String::new(),
            offset: -2.0,
            scale,
        };
        let projected = LayerConfig {
            cell: Cell::Cifg,
            hidden: 17,
            projection: Some(6),
        };
        let new = LayerConfig::new;
        vec![
            network(vec![new(Cell::Lstm, 13)], &[], classes(3)),
            network(
                vec![new(Cell::Gru, 10), new(Cell::GruResetBefore, 9)],
                &[],
                classes(5),
            ),
            network(
                vec![new(Cell::GruResetBefore, 11), projected, new(Cell::Lstm, 5)],
                &[(12, Activation::Relu), (7, Activation::Tanh)],
                Head::Values(vec![value(300.0), value(0.01)]),
            ),
            network(
                vec![projected],
                &[
                    (8, Activation::Sigmoid),
                    (9, Activation::Linear),
                    (6, Activation::Relu),
                ],
                Head::Values(vec![value(1.0)]),
            ),
        ]
    }

    /// What the engine gives at each step of all sequences, as the network has it.
    fn engine(network: &SensorNetwork, file: &[u8], data: &Sequences) -> Vec<Vec<f32>> {
        let file = ModelFile::from_bytes(file);
        let model = file.model().unwrap();
        let mut workspace = HeapWorkspace::new(&model);
        let mut session = workspace.sensor_session(&model).unwrap();
        let mut found = Vec::new();
        for sequence in &data.sequences {
            session.reset();
            for values in sequence.steps(3) {
                let output = session.step(values).unwrap();
                found.push(match &network.config.head {
                    Head::Classes(_) => output.logits().collect(),
                    Head::Values(values) => {
                        let found = output.values().zip(values);
                        found
                            .map(|(y, value)| (y - value.offset) / value.scale)
                            .collect()
                    }
                });
            }
        }
        found
    }

    fn plain(network: &SensorNetwork, data: &Sequences) -> Vec<Vec<f32>> {
        let mut forward = Forward::new(network);
        let mut found = Vec::new();
        for sequence in &data.sequences {
            forward.reset();
            found.extend(
                sequence
                    .steps(3)
                    .map(|values| forward.step(values).to_vec()),
            );
        }
        found
    }

    /// The largest difference, and the largest number.
    fn compare(found: &[Vec<f32>], expected: &[Vec<f32>]) -> (f32, f32) {
        assert_eq!(found.len(), expected.len());
        let pairs = found.iter().flatten().zip(expected.iter().flatten());
        pairs.fold((0.0, 0.0), |(difference, largest), (f, e)| {
            (
                f32::max(difference, (f - e).abs()),
                f32::max(largest, e.abs()),
            )
        })
    }

    /// As a chip, which says nothing before its window is full.
    #[test]
    fn nothing_is_answered_before_there_is_a_window() {
        let mut network = networks().remove(0);
        network.config.window = Some(30);
        let file = ModelFile::from_bytes(&encode_f32(&network, "n").unwrap());
        let sequence = |steps: usize| Sequence {
            values: vec![0.5; 3 * steps],
            target: Target::Class(1),
        };
        let data = Sequences {
            channels: vec![String::new(); 3],
            sequences: [29, 30, 31, 1].map(sequence).into(),
            targets: Targets::Classes(["0", "1", "2"].map(String::from).into()),
        };
        assert_eq!(data.shorter_than(30), 2);
        let score = file.answers(&data, &Task::Classify(vec![0, 1, 2])).unwrap();
        assert_eq!(score.count(), 2);
    }

    #[test]
    fn zeros_are_as_many_bytes_as_any_numbers() {
        for network in networks() {
            let observed = observe(&network, &data(&network.config));
            for variant in variants(&network, &observed).unwrap() {
                let model = variant.file.model().unwrap();
                let zeros = encode_zeros(&network.config, model.format()).unwrap();
                assert_eq!(zeros.len(), model.file_bytes(), "{}", variant.name);
            }
        }
    }

    #[test]
    fn the_engine_gives_what_plain_loops_give() {
        for network in networks() {
            let data = data(&network.config);
            let expected = plain(&network, &data);
            let file = encode_f32(&network, "n").unwrap();
            let found = engine(&network, &file, &data);
            let (difference, largest) = compare(&found, &expected);
            // Rounding grows from step to step in random layers above each other.
            assert!(difference < 5e-5 * largest, "{difference} of {largest}");
        }
    }

    /// All scales of the integers: a wrong one would be off by a factor.
    #[test]
    fn the_integers_are_near() {
        for network in networks() {
            let data = data(&network.config);
            let expected = plain(&network, &data);
            let observed = observe(&network, &data);
            for (format, share) in [(Format::Int8, 0.06), (Format::Int4, 0.5)] {
                let fitted = SensorFormat::new(&network, &observed, format, 0).unwrap();
                let (integers, _) = quantize_sensor(&network, &observed, &fitted).unwrap();
                let file = encode_integers(&network, &integers, "n").unwrap();
                let found = engine(&network, &file, &data);
                let (difference, largest) = compare(&found, &expected);
                assert!(
                    difference < share * largest,
                    "{format}: {difference} of {largest}"
                );
                // What the weights are rounded to is nearer: only the activations are left.
                let shown = plain(&integers.dequantized(&network), &data);
                let (difference, largest) = compare(&found, &shown);
                assert!(
                    difference < 0.06 * largest,
                    "{format}: {difference} of {largest}"
                );
            }
        }
    }
}
