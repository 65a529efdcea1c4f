//! What flows through a network while it reads a person's data.

use super::{Own, gate_matrices};
use crate::network::sensor::{Cell, Forward, LayerConfig, Look, SensorConfig, SensorNetwork};
use crate::quantize::beyond::{Beyond, GateSums, Kind, Place, Seen};
use crate::quantize::calibrate::Columns;
use crate::quantize::fixed_point::{INT8_LARGEST, PROJECTED_UNIT};
use crate::sequences::Sequences;

/// About so many steps are looked at, in whole sequences, evenly apart.
const STEPS: usize = 32_768;
/// A channel's integers reach as far as its numbers, or to one of these shares of that, where the rounding of all then
/// errs less.
const CLIPS: [f32; 7] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4];
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
    /// Of each layer and matrix what its columns were, `[steps, columns]`.
    gates: Vec<Vec<Vec<f32>>>,
    /// Of each layer with a projection what that read, `[steps, H]`.
    units: Vec<Vec<f32>>,
    /// The largest number of each dense layer's outputs, the head last.
    dense: Vec<f32>,
    /// The largest number of each output.
    outputs: Vec<f32>,
    /// What goes beyond the integers and the tables behind the inputs.
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
        gates: empty.collect(),
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
    seen.beyond = ranges.told(Place::Steps(seen.steps));
    seen
}

fn largest(range: f32, x: &f32) -> f32 {
    range.max(x.abs())
}

impl Observed {
    /// Steps of each channel's integer in one of what the network reads.
    pub(super) fn input_units(&self) -> Vec<f32> {
        let channel = |c: usize| self.inputs.iter().skip(c).step_by(self.channels);
        let unit = |c: usize| {
            let range = channel(c).fold(0.0, largest);
            if range == 0.0 {
                return 1.0;
            }
            let units = CLIPS.map(|clip| f32::from(INT8_LARGEST) / (range * clip));
            let error = |unit: &f32| -> f64 {
                let error = channel(c).map(|x| {
                    let most = f32::from(INT8_LARGEST);
                    let rounded = (x * unit).round().clamp(-most, most) / unit;
                    f64::from(rounded - x).powi(2)
                });
                error.sum()
            };
            let least = units.into_iter().map(|unit| (error(&unit), unit));
            let least = least.min_by(|a, b| a.0.total_cmp(&b.0));
            least.map_or(1.0, |(_, unit)| unit)
        };
        (0..self.channels).map(unit).collect()
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

    /// What goes beyond the integers and the tables, layer by layer; nothing where they hold everything.
    pub fn beyond_integers(&self) -> Vec<Beyond> {
        let units = self.input_units();
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
