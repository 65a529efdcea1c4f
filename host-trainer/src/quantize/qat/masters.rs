//! The weights that are tuned: f32 numbers, rounded anew to the device's integers for each step.
//!
//! A row's scale is tuned with them (LSQ, Esser et al. 2020). With `s` the scale, `[low, high]` the
//! range of the integers and `v = w / s`,
//!
//! ```text
//! w'         = s * clamp(round(v), low, high)
//! d w'/d w   = 1 where low - 1/2 <= v <= high + 1/2, else 0
//! d w'/d s   = round(v) - v there, else low or high
//! ```

use super::forward::{DeadZones, IntegerLayer, IntegerMatrix, IntegerNetwork};
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::quantize::fixed_point::{
    self, HIDDEN_UNIT, INT4_RANGE, INT8_LARGEST, LOGIT_HALF, PROJECTED_HALF, gate_half,
    output_unit, q18,
};
use crate::quantize::{QuantizedLayer, QuantizedMatrix, QuantizedNetwork, row_order};
use lstm_core::Format;
use lstm_core::export::Row;

const ONE_Q18: f32 = fixed_point::ONE_Q18 as f32;
/// The weights of 8 bits, and the entries of the table.
const INT8: (f32, f32) = (-(INT8_LARGEST as f32), INT8_LARGEST as f32);

/// A matrix under tuning.
#[derive(Clone, Debug)]
struct Master {
    /// `[columns, rows]`.
    weights: Vec<f32>,
    /// Logarithm of a row's scale relative to `start`, `[rows]`.
    log_scale: Vec<f32>,
    /// `[rows]`; empty where the folded table holds it.
    bias: Vec<f32>,
    /// Scales at the start, Q18 for a step of a weight times a step of a column.
    start: Vec<f32>,
    /// Steps of a column in one, for the columns from the layer below and for all others.
    units: (f32, f32),
    /// Columns from the layer below.
    below: usize,
    /// The largest and smallest integers.
    range: (f32, f32),
    /// Half a step of the shift that follows a row's sum, `[rows]`.
    half: Vec<i32>,
}

/// Gradients of a [`Master`], in the order of its parameters.
type MasterGradients = [Vec<f32>; 3];

impl Master {
    /// Before [`Master::pull`], the units must be set.
    fn new(weights: Vec<f32>, found: &IntegerMatrix, half: Vec<i32>, range: (f32, f32)) -> Self {
        let bias = found
            .bias
            .iter()
            .zip(&half)
            .map(|(bias, half)| (bias - half) as f32 / ONE_Q18);
        Self {
            weights,
            log_scale: vec![0.0; half.len()],
            bias: bias.collect(),
            start: found.weight_scale.iter().map(|&s| s as f32).collect(),
            units: (1.0, 1.0),
            below: 0,
            range,
            half,
        }
    }

    /// Moves each weight to the nearest place that rounds to the integer found for it.
    fn pull(&mut self, found: &IntegerMatrix) {
        let rows = self.rows();
        for column in 0..self.weights.len() / rows {
            let q18 = self.column_q18(column);
            for row in 0..rows {
                let (at, step) = (column * rows + row, self.start[row] / q18);
                let (low, high) = (
                    (found.weights[at] - 0.49) * step,
                    (found.weights[at] + 0.49) * step,
                );
                self.weights[at] = self.weights[at].clamp(low, high);
            }
        }
    }

    fn rows(&self) -> usize {
        self.start.len()
    }

    fn scales(&self) -> Vec<i32> {
        let scale = |(&log, &start): (&f32, &f32)| {
            ((start * log.exp()).round() as i32).clamp(1, i32::from(u16::MAX))
        };
        self.log_scale.iter().zip(&self.start).map(scale).collect()
    }

    /// Q18 value of one in a column of number `column`.
    fn column_q18(&self, column: usize) -> f32 {
        ONE_Q18
            / if column < self.below {
                self.units.0
            } else {
                self.units.1
            }
    }

    fn round(&self) -> IntegerMatrix {
        let rows = self.rows();
        let weight_scale = self.scales();
        let mut weights = vec![0.0; self.weights.len()];
        let inverse: Vec<f32> = weight_scale.iter().map(|&s| 1.0 / s as f32).collect();
        let lines = self
            .weights
            .chunks_exact(rows)
            .zip(weights.chunks_exact_mut(rows));
        for (column, (masters, line)) in lines.enumerate() {
            let q18 = self.column_q18(column);
            for ((rounded, &w), &inverse) in line.iter_mut().zip(masters).zip(&inverse) {
                *rounded = (w * q18 * inverse)
                    .round_ties_even()
                    .clamp(self.range.0, self.range.1);
            }
        }
        let bias = match &self.bias[..] {
            [] => self.half.clone(),
            bias => bias
                .iter()
                .zip(&self.half)
                .map(|(b, half)| q18(*b) + half)
                .collect(),
        };
        IntegerMatrix {
            weights,
            weight_scale,
            bias,
        }
    }

    /// From the gradient of what the integers stand for, `[columns, rows]`.
    fn gradients(
        &self,
        rounded: &IntegerMatrix,
        mut d_weights: Vec<f32>,
        d_bias: Vec<f32>,
    ) -> MasterGradients {
        let rows = self.rows();
        let mut d_log_scale = vec![0.0; rows];
        let inverse: Vec<f32> = rounded
            .weight_scale
            .iter()
            .map(|&s| 1.0 / s as f32)
            .collect();
        let lines = d_weights
            .chunks_exact_mut(rows)
            .zip(self.weights.chunks_exact(rows));
        let lines = lines.zip(rounded.weights.chunks_exact(rows));
        for (column, ((gradients, masters), line)) in lines.enumerate() {
            let q18 = self.column_q18(column);
            for row in 0..rows {
                let v = masters[row] * q18 * inverse[row];
                let inside = v >= self.range.0 - 0.5 && v <= self.range.1 + 0.5;
                let by_scale = if inside { line[row] - v } else { line[row] };
                // The derivative by the logarithm has one factor of the scale more.
                d_log_scale[row] += gradients[row] * by_scale / (inverse[row] * q18);
                if !inside {
                    gradients[row] = 0.0;
                }
            }
        }
        [d_weights, d_log_scale, d_bias]
    }

    fn parameters_mut(&mut self) -> [&mut [f32]; 3] {
        [&mut self.weights, &mut self.log_scale, &mut self.bias]
    }
}

/// A layer under tuning.
#[derive(Clone, Debug)]
struct MasterLayer {
    config: LayerConfig,
    /// The folded table of the first layer `[V, rows]`, biases included; else empty.
    table: Vec<f32>,
    gates: Master,
    projection: Option<Master>,
}

/// A network under tuning.
#[derive(Clone, Debug)]
pub struct Masters {
    config: NetworkConfig,
    format: Format,
    dead_zone: u8,
    layers: Vec<MasterLayer>,
    dense: Master,
}

impl Masters {
    /// The weights of `network`, moved no further than to where they round to `start`.
    pub fn new(network: &Network, start: &QuantizedNetwork) -> Self {
        let config = &network.config;
        let integers = IntegerNetwork::new(start);
        let range = match start.format {
            Format::Int4 => (f32::from(*INT4_RANGE.start()), f32::from(*INT4_RANGE.end())),
            _ => INT8,
        };
        let mut unit_below = 1.0;
        let mut layers = Vec::new();
        for (index, &layer) in config.layers.iter().enumerate() {
            let weights = &network.layers[index];
            let found = &integers.layers[index];
            let unit = output_unit(layer);
            let half: Vec<i32> = layer
                .cell
                .gates()
                .iter()
                .flat_map(|g| std::iter::repeat_n(gate_half(g), layer.hidden))
                .collect();
            let (mut table, mut below) = (Vec::new(), &weights.w_ih[..]);
            if index == 0 {
                (table, below) = (network.folded_table(), &[]);
            }
            let masters = [below, &weights.w_hh[..]].concat();
            let mut gates = Master::new(masters, &found.gates, half, range);
            gates.units = (unit_below, unit);
            gates.below = below.len() / layer.columns();
            gates.pull(&found.gates);
            if index == 0 {
                let (_, middle) = table_grid(&table, layer.columns());
                for line in table.chunks_exact_mut(layer.columns()) {
                    let corrections = gates.bias.iter().zip(&middle);
                    line.iter_mut()
                        .zip(corrections)
                        .for_each(|(x, (bias, middle))| *x += bias - *middle as f32 / ONE_Q18);
                }
                gates.bias.clear();
            }
            let projection = weights.projection.as_ref().zip(found.projection.as_ref());
            let projection = projection.map(|(weights, found)| {
                let mut master = Master::new(
                    weights.clone(),
                    found,
                    vec![PROJECTED_HALF; layer.output()],
                    range,
                );
                master.units.1 = HIDDEN_UNIT;
                master.pull(found);
                master
            });
            unit_below = unit;
            layers.push(MasterLayer {
                config: layer,
                table,
                gates,
                projection,
            });
        }
        let half = vec![LOGIT_HALF; config.vocabulary()];
        let mut dense = Master::new(network.dense_weight.clone(), &integers.dense, half, INT8);
        dense.units.1 = unit_below;
        dense.pull(&integers.dense);
        Self {
            config: config.clone(),
            format: start.format,
            dead_zone: start.dead_zone,
            layers,
            dense,
        }
    }

    /// The integers.
    pub fn round(&self) -> IntegerNetwork {
        let layers = self.layers.iter().enumerate().map(|(index, layer)| {
            let mut gates = layer.gates.round();
            let rows = layer.config.columns();
            let (mut table, mut table_scale) = (Vec::new(), Vec::new());
            if !layer.table.is_empty() {
                let middle;
                (table_scale, middle) = table_grid(&layer.table, rows);
                for line in layer.table.chunks_exact(rows) {
                    for ((&value, &scale), &middle) in line.iter().zip(&table_scale).zip(&middle) {
                        let entry = (value * ONE_Q18 - middle as f32) / scale as f32;
                        table.push(entry.round().clamp(INT8.0, INT8.1) as i32 * scale);
                    }
                }
                gates
                    .bias
                    .iter_mut()
                    .zip(&middle)
                    .for_each(|(bias, middle)| *bias += middle);
            }
            IntegerLayer {
                config: layer.config,
                dead_zones: DeadZones::new(&self.config, index, self.dead_zone),
                gates,
                table,
                table_scale,
                projection: layer.projection.as_ref().map(Master::round),
            }
        });
        IntegerNetwork {
            layers: layers.collect(),
            dense: self.dense.round(),
        }
    }

    /// All that is tuned.
    pub fn parameters_mut(&mut self) -> Vec<&mut [f32]> {
        let mut all = Vec::new();
        for layer in &mut self.layers {
            all.push(&mut layer.table[..]);
            all.extend(layer.gates.parameters_mut());
            all.extend(layer.projection.iter_mut().flat_map(Master::parameters_mut));
        }
        all.extend(self.dense.parameters_mut());
        all
    }

    /// A copy of all that is tuned.
    pub fn parameters(&mut self) -> Vec<Vec<f32>> {
        let parameters = self.parameters_mut().into_iter();
        parameters.map(|p| p.to_vec()).collect()
    }

    /// Takes such a copy back.
    ///
    /// # Panics
    /// It is of another shape.
    pub fn set_parameters(&mut self, values: &[Vec<f32>]) {
        let parameters = self.parameters_mut().into_iter().zip(values);
        parameters.for_each(|(parameter, values)| parameter.copy_from_slice(values));
    }

    /// Gradients of layer `index`, in the order of [`Masters::parameters_mut`], from those of what
    /// its integers stand for: the table, the gates' weights and biases, the projection's.
    pub fn layer_gradients(
        &self,
        integers: &IntegerNetwork,
        index: usize,
        d_table: Vec<f32>,
        (d_gates, d_bias): (Vec<f32>, Vec<f32>),
        d_projection: Option<(Vec<f32>, Vec<f32>)>,
    ) -> Vec<Vec<f32>> {
        let (layer, integers) = (&self.layers[index], &integers.layers[index]);
        let mut all = vec![d_table];
        all.extend(layer.gates.gradients(&integers.gates, d_gates, d_bias));
        let projection = layer.projection.as_ref().zip(integers.projection.as_ref());
        if let Some(((master, integers), (d_weights, d_bias))) = projection.zip(d_projection) {
            all.extend(master.gradients(integers, d_weights, d_bias));
        }
        all
    }

    /// Gradients of the dense layer, as [`Masters::layer_gradients`].
    pub fn dense_gradients(
        &self,
        integers: &IntegerNetwork,
        d_weights: Vec<f32>,
        d_bias: Vec<f32>,
    ) -> Vec<Vec<f32>> {
        self.dense
            .gradients(&integers.dense, d_weights, d_bias)
            .into()
    }

    /// The format and shape with these integers.
    pub fn quantized(&self, integers: &IntegerNetwork) -> QuantizedNetwork {
        integers.quantized(self.format, self.dead_zone, self.config.clone())
    }
}

/// For each row of a folded table `[V, rows]`, the scale and the middle of its integers, Q18.
fn table_grid(table: &[f32], rows: usize) -> (Vec<i32>, Vec<i32>) {
    let mut low = vec![f32::INFINITY; rows];
    let mut high = vec![f32::NEG_INFINITY; rows];
    for line in table.chunks_exact(rows) {
        low.iter_mut()
            .zip(line)
            .for_each(|(low, &x)| *low = low.min(x));
        high.iter_mut()
            .zip(line)
            .for_each(|(high, &x)| *high = high.max(x));
    }
    let grid = |(&low, &high): (&f32, &f32)| {
        let (step, middle) = fixed_point::table_grid(low, high);
        (step.min(f64::from(u16::MAX)) as i32, q18(middle))
    };
    low.iter().zip(&high).map(grid).unzip()
}

impl IntegerNetwork {
    /// The integers of a quantized network.
    pub fn new(network: &QuantizedNetwork) -> Self {
        let vocabulary = network.config.vocabulary();
        let layers = network.config.layers.iter().zip(&network.layers);
        let layers = layers.enumerate().map(|(index, (&config, layer))| {
            let order = file_order(config);
            let (mut table, mut table_scale) = (Vec::new(), Vec::new());
            if index == 0 {
                let width = config.columns();
                (table, table_scale) = (vec![0; vocabulary * width], vec![0; width]);
                for (at, column) in order.iter().enumerate() {
                    let Some(column) = *column else { continue };
                    table_scale[column] = i32::from(layer.gates.rows[at].table_scale);
                    for v in 0..vocabulary {
                        let entry = network.table[v * order.len() + at];
                        table[v * width + column] = i32::from(entry) * table_scale[column];
                    }
                }
            }
            let projection = layer.projection.as_ref();
            IntegerLayer {
                config,
                dead_zones: DeadZones::new(&network.config, index, network.dead_zone),
                gates: unpack(&layer.gates, &order),
                table,
                table_scale,
                projection: projection.map(|p| unpack(p, &in_order(p.rows.len()))),
            }
        });
        IntegerNetwork {
            layers: layers.collect(),
            dense: unpack(&network.dense, &in_order(vocabulary)),
        }
    }

    /// The same in the order of the file.
    pub fn quantized(
        &self,
        format: Format,
        dead_zone: u8,
        config: NetworkConfig,
    ) -> QuantizedNetwork {
        let vocabulary = config.vocabulary();
        let mut table = Vec::new();
        let mut layers = Vec::new();
        for layer in &self.layers {
            let order = file_order(layer.config);
            let width = layer.config.columns();
            let mut gates = pack(&layer.gates, &order);
            if !layer.table.is_empty() {
                for (row, column) in gates.rows.iter_mut().zip(&order) {
                    row.table_scale = column.map_or(0, |c| layer.table_scale[c] as u16);
                }
                let entry = |(v, column): (usize, &Option<usize>)| {
                    column.map_or(0, |c| {
                        (layer.table[v * width + c] / layer.table_scale[c]) as i8
                    })
                };
                table = (0..vocabulary)
                    .flat_map(|v| order.iter().map(move |c| (v, c)))
                    .map(entry)
                    .collect();
            }
            let projection = layer.projection.as_ref();
            layers.push(QuantizedLayer {
                gates,
                projection: projection.map(|p| pack(p, &in_order(p.bias.len()))),
            });
        }
        let dense = pack(&self.dense, &in_order(vocabulary));
        QuantizedNetwork {
            format,
            dead_zone,
            config,
            table,
            layers,
            dense,
        }
    }
}

/// For each row of a layer in the file its place in the network's matrices; `None` for padding.
fn file_order(layer: LayerConfig) -> Vec<Option<usize>> {
    let places = row_order(layer).into_iter();
    places.map(|place| place.map(|p| p.column(layer))).collect()
}

fn in_order(rows: usize) -> Vec<Option<usize>> {
    (0..rows).map(Some).collect()
}

fn unpack(matrix: &QuantizedMatrix, order: &[Option<usize>]) -> IntegerMatrix {
    let rows = order.iter().flatten().count();
    let mut unpacked = IntegerMatrix {
        weights: vec![0.0; matrix.columns * rows],
        weight_scale: vec![0; rows],
        bias: vec![0; rows],
    };
    for (at, place) in order.iter().enumerate() {
        let Some(place) = *place else { continue };
        unpacked.weight_scale[place] = i32::from(matrix.rows[at].weight_scale);
        unpacked.bias[place] = matrix.rows[at].bias;
        let line = &matrix.weights[at * matrix.columns..][..matrix.columns];
        for (k, &w) in line.iter().enumerate() {
            unpacked.weights[k * rows + place] = f32::from(w);
        }
    }
    unpacked
}

fn pack(matrix: &IntegerMatrix, order: &[Option<usize>]) -> QuantizedMatrix {
    let rows = matrix.bias.len();
    let columns = matrix.weights.len() / rows;
    let mut weights = Vec::with_capacity(order.len() * columns);
    for place in order {
        match *place {
            Some(place) => weights.extend(
                matrix.weights[place..]
                    .iter()
                    .step_by(rows)
                    .map(|&w| w as i8),
            ),
            None => weights.resize(weights.len() + columns, 0),
        }
    }
    let row = |place: &Option<usize>| {
        place.map_or(Row::default(), |place| Row {
            bias: matrix.bias[place],
            weight_scale: matrix.weight_scale[place] as u16,
            table_scale: 0,
        })
    };
    QuantizedMatrix {
        weights,
        columns,
        rows: order.iter().map(row).collect(),
    }
}
