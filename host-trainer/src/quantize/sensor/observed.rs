//! What flows through a network while it reads a person's data.

use super::{Own, gate_matrices};
use crate::network::sensor::{Cell, Forward, LayerConfig, Look, SensorConfig, SensorNetwork};
use crate::quantize::beyond::{Beyond, GateSums, Kind, Place, Seen};
use crate::quantize::calibrate::Columns;
use crate::quantize::fixed_point::{INT8_LARGEST, PROJECTED_UNIT};
use crate::sequences::Sequences;

/// About so many steps are looked at, in whole sequences, evenly apart.
const STEPS: usize = 32_768;
/// A channel's integers reach as far as its numbers, or to one of these shares of that.
const CLIPS: [f32; 9] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];

/// Steps of each channel's integer in one of what the network reads.
#[derive(Clone, Debug)]
pub(super) struct InputUnits {
    /// `[C]`.
    pub(super) units: Vec<f32>,
    /// The mean square of what is rounded away and cut off, `[C]`.
    pub(super) errors: Vec<f64>,
}

impl InputUnits {
    /// Of what was seen, `[steps, C]`, with a share of each channel's range.
    fn new(inputs: &[f32], channels: usize, clip: f32) -> Self {
        let steps = inputs.len() / channels.max(1);
        let most = f32::from(INT8_LARGEST);
        let channel = |c: usize| inputs.iter().skip(c).step_by(channels);
        let units = (0..channels).map(|c| match channel(c).fold(0.0, largest) * clip {
            0.0 => 1.0,
            range => most / range,
        });
        let units: Vec<f32> = units.collect();
        let errors = units.iter().enumerate().map(|(c, unit)| {
            let errors = channel(c).map(|x| {
                let rounded = (x * unit).round().clamp(-most, most) / unit;
                f64::from(rounded - x).powi(2)
            });
            errors.sum::<f64>() / steps.max(1) as f64
        });
        Self {
            errors: errors.collect(),
            units,
        }
    }
}
/// The largest cell state that the integers of an LSTM hold.
const CELL_LIMIT: f32 = 16.0;
/// The largest projected hidden state that the integers hold.
const PROJECTED_LIMIT: f32 = INT8_LARGEST as f32 / PROJECTED_UNIT;

/// What was seen.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What the first layer read, `[steps, C]`.
    inputs: Vec<f32>,
    channels: usize,
    input_units: Vec<InputUnits>,
    /// Of each layer and matrix what its columns were, `[steps, columns]`.
    gates: Vec<Vec<Vec<f32>>>,
    /// Of each matrix of the first layer the mean squares of its columns.
    mean_squares: Vec<Vec<f64>>,
    /// Of each layer with a projection what that read, `[steps, H]`.
    units: Vec<Vec<f32>>,
    /// The largest number of each dense layer's outputs, the head last.
    dense: Vec<f32>,
    /// The largest number of each output.
    outputs: Vec<f32>,
    /// What goes beyond the integers and the tables after the inputs.
    beyond: Vec<Beyond>,
    /// Steps that were looked at.
    steps: usize,
}

/// The states and the sums of each layer, of which some may go beyond the integers.
struct Ranges {
    cells: Vec<Seen>,
    projected: Vec<Seen>,
    candidates: Vec<Seen>,
    sums: Vec<GateSums>,
}

impl Ranges {
    fn new(config: &SensorConfig) -> Self {
        let layers = config.layers.iter().enumerate();
        let seen = |kind: fn(&LayerConfig) -> Option<Kind>| {
            let seen = layers.clone();
            seen.filter_map(|(index, layer)| Some(Seen::new(index, kind(layer)?)))
                .collect()
        };
        let sums = layers.clone().map(|(index, layer)| {
            let gates = 0..layer.cell.gates();
            let is_tanh = gates.map(|gate| gate == layer.cell.tanh_gate());
            GateSums::new(index, is_tanh.collect())
        });
        Self {
            cells: seen(|layer| {
                matches!(layer.cell, Cell::Lstm | Cell::Cifg).then_some(Kind::cells(CELL_LIMIT))
            }),
            projected: seen(|layer| layer.projection.map(|_| Kind::projected(PROJECTED_LIMIT))),
            candidates: seen(|layer| (layer.cell == Cell::Gru).then_some(Kind::CANDIDATE)),
            sums: sums.collect(),
        }
    }

    fn look(&mut self, layers: &[Look]) {
        for seen in &mut self.cells {
            seen.look(&layers[seen.layer].cells);
        }
        for seen in &mut self.projected {
            seen.look(&layers[seen.layer].output);
        }
        for seen in &mut self.candidates {
            seen.look(&layers[seen.layer].candidate);
        }
        for (seen, layer) in self.sums.iter_mut().zip(layers) {
            seen.look(&layer.sums);
        }
    }

    fn told(&self, place: Place) -> Vec<Beyond> {
        let all = self.cells.iter().chain(&self.projected);
        let all = all.chain(&self.candidates);
        let tables = self.sums.iter().flat_map(|sums| sums.told(place));
        all.filter_map(|seen| seen.told(place))
            .chain(tables)
            .collect()
    }
}

/// Lets a network read data and keeps what flows through it.
pub fn observe(network: &SensorNetwork, data: &Sequences) -> Observed {
    let config = &network.config;
    let channels = config.channels.len();
    let matrices: Vec<_> = config.layers.iter().map(|l| gate_matrices(*l)).collect();
    let empty = matrices.iter().map(|m| vec![Vec::new(); m.len()]);
    let mut seen = Observed {
        inputs: Vec::new(),
        channels,
        input_units: Vec::new(),
        gates: empty.collect(),
        mean_squares: Vec::new(),
        units: vec![Vec::new(); config.layers.len()],
        dense: vec![0.0; network.dense.len()],
        outputs: vec![0.0; config.head.width()],
        beyond: Vec::new(),
        steps: 0,
    };
    let mut ranges = Ranges::new(config);
    let every = data.steps().div_ceil(STEPS).max(1);
    let mut forward = Forward::new(network);
    for sequence in data.sequences.iter().step_by(every) {
        for (step, values) in sequence.steps(channels).enumerate() {
            if step == 0 || config.window.is_some_and(|window| step % window == 0) {
                forward.reset();
            }
            forward.step(values);
            seen.steps += 1;
            seen.inputs.extend(forward.input());
            let mut below = forward.input();
            for (index, look) in forward.layers().iter().enumerate() {
                for (matrix, columns) in matrices[index].iter().zip(&mut seen.gates[index]) {
                    if matrix.has_below {
                        columns.extend(below);
                    }
                    match matrix.own {
                        Own::None => {}
                        Own::Before => columns.extend(&look.before),
                        Own::Reset => columns.extend(&look.reset),
                    }
                }
                if config.layers[index].projection.is_some() {
                    seen.units[index].extend(&look.units);
                }
                below = &look.output;
            }
            ranges.look(forward.layers());
            for (range, outputs) in seen.dense.iter_mut().zip(forward.dense()) {
                *range = outputs.iter().fold(*range, largest);
            }
            let outputs = forward.dense().last().into_iter().flatten();
            for (range, output) in seen.outputs.iter_mut().zip(outputs) {
                *range = range.max(output.abs());
            }
        }
    }
    let units = |clip| InputUnits::new(&seen.inputs, channels, clip);
    seen.input_units = CLIPS.map(units).to_vec();
    let first = seen.gates.first().into_iter().flatten();
    seen.mean_squares = first
        .map(|columns| mean_squares(columns, seen.steps))
        .collect();
    seen.beyond = ranges.told(Place::Steps(seen.steps));
    seen
}

/// The mean square of each column of `[steps, columns]`.
fn mean_squares(values: &[f32], steps: usize) -> Vec<f64> {
    let columns = values.len() / steps.max(1);
    let mut squares = vec![0.0; columns];
    for row in values.chunks_exact(columns.max(1)) {
        for (sum, &x) in squares.iter_mut().zip(row) {
            *sum += f64::from(x).powi(2) / steps as f64;
        }
    }
    squares
}

fn largest(range: f32, x: &f32) -> f32 {
    range.max(x.abs())
}

impl Observed {
    /// What the channels' integers may be; the first hold all of what was seen.
    pub(super) fn input_units(&self) -> &[InputUnits] {
        &self.input_units
    }

    /// The mean squares of the columns of a matrix of the first layer.
    pub(super) fn mean_squares(&self, matrix: usize) -> &[f64] {
        &self.mean_squares[matrix]
    }

    /// How the columns of a layer's matrix varied, on a device with these dead zones.
    pub(super) fn columns(&self, layer: usize, matrix: usize, zones: &[u8]) -> Columns {
        Columns::new(self.gates[layer][matrix].clone(), zones)
    }

    /// How what a layer's projection read varied.
    pub(super) fn units(&self, layer: usize, zones: &[u8]) -> Columns {
        Columns::new(self.units[layer].clone(), zones)
    }

    /// The largest number that a dense layer gave.
    pub(super) fn dense_range(&self, index: usize) -> f32 {
        self.dense[index]
    }

    /// The largest number of each output.
    pub(super) fn output_ranges(&self) -> &[f32] {
        &self.outputs
    }

    /// What goes beyond the integers of channels with these units, and beyond those and the tables of each layer; nothing where they
    /// hold everything.
    pub fn beyond_integers(&self, units: &[f32]) -> Vec<Beyond> {
        let reach =
            |(at, x): (usize, &f32)| x * units[at % self.channels] / f32::from(INT8_LARGEST);
        let inputs: Vec<f32> = self.inputs.iter().enumerate().map(reach).collect();
        let mut seen = Seen::new(0, Kind::INPUT);
        seen.look(inputs.iter().filter(|x| x.is_finite()));
        let inputs = seen.told(Place::Steps(self.steps));
        inputs
            .into_iter()
            .chain(self.beyond.iter().copied())
            .collect()
    }
}
