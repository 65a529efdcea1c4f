//! The weights that are tuned: f32 variables, rounded anew to the device's integers for each update.
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
use crate::engine::many::{Operation, apply};
use crate::engine::slices::with_slice;
use crate::files::error::Result;
use crate::files::tensors::transpose;
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::quantize::fixed_point::{
    self, HIDDEN_UNIT, INT4_RANGE, INT8_LARGEST, LOGIT_HALF, PROJECTED_HALF, gate_half,
    output_unit, q18,
};
use crate::quantize::ngrams::QuantizedNgrams;
use crate::quantize::{
    QuantizedLayer, QuantizedMatrix, QuantizedNetwork, dense_rows, gate_bias, gate_matrices,
    row_order,
};
use candle_core::{Device, Result as CandleResult, Shape, Tensor, Var};
use lstm_core::Format;
use lstm_core::export::Row;

const ONE_Q18: f32 = fixed_point::ONE_Q18 as f32;
/// The weights of 8 bits, and the entries of the table.
const INT8: (f32, f32) = (-(INT8_LARGEST as f32), INT8_LARGEST as f32);

/// A matrix under tuning.
#[derive(Debug)]
struct Master {
    /// `[columns, rows]`.
    weights: Var,
    /// Logarithm of a row's scale relative to `start`, `[rows]`.
    log_scale: Var,
    /// `[rows]`; none where the folded table holds it.
    bias: Option<Var>,
    /// Scales at the start, Q18 for a step of a weight times a step of a column.
    start: Vec<f32>,
    /// Columns from the layer below.
    below: usize,
    /// What it is rounded by.
    grid: Grid,
    /// Half a step of the shift that follows a row's sum, `[rows]`.
    half: Vec<i32>,
}

/// How the weights of a matrix are rounded, but for their rows' scales.
#[derive(Clone, Debug)]
struct Grid {
    /// Q18 value of one in each column.
    columns: Vec<f32>,
    /// The smallest and largest integers.
    range: (f32, f32),
}

/// A matrix at its start: f32 weights `[columns, rows]` and the integers that were found for them.
struct Start<'a> {
    weights: Vec<f32>,
    found: &'a IntegerMatrix,
    half: Vec<i32>,
    /// Columns from the layer below, and the steps of such a column in one.
    below: (usize, f32),
    /// Steps of any other column in one.
    unit: f32,
    range: (f32, f32),
}

impl Start<'_> {
    fn rows(&self) -> usize {
        self.half.len()
    }

    /// Q18 value of one in each column.
    fn columns(&self) -> Vec<f32> {
        let columns = 0..self.weights.len() / self.rows();
        let unit = |column| match column < self.below.0 {
            true => self.below.1,
            false => self.unit,
        };
        columns.map(|column| ONE_Q18 / unit(column)).collect()
    }

    /// Each weight at the nearest place that rounds to the integer found for it.
    fn pulled(&self) -> Vec<f32> {
        let (rows, scales) = (self.rows(), &self.found.weight_scale);
        let mut weights = self.weights.clone();
        let lines = weights.chunks_exact_mut(rows);
        let lines = lines.zip(self.found.weights.chunks_exact(rows));
        for ((line, found), q18) in lines.zip(self.columns()) {
            for ((w, found), &scale) in line.iter_mut().zip(found).zip(scales) {
                let step = scale as f32 / q18;
                *w = w.clamp((found - 0.49) * step, (found + 0.49) * step);
            }
        }
        weights
    }

    fn bias(&self) -> Vec<f32> {
        let pairs = self.found.bias.iter().zip(&self.half);
        pairs
            .map(|(bias, half)| (bias - half) as f32 / ONE_Q18)
            .collect()
    }

    /// The master, with a bias of its own or without.
    fn master(self, has_bias: bool) -> CandleResult<Master> {
        let (rows, columns) = (self.rows(), self.columns());
        let weights = variable(self.pulled(), (columns.len(), rows))?;
        let bias = has_bias.then(|| variable(self.bias(), rows));
        Ok(Master {
            weights,
            log_scale: variable(vec![0.0; rows], rows)?,
            bias: bias.transpose()?,
            start: self.found.weight_scale.iter().map(|&s| s as f32).collect(),
            below: self.below.0,
            grid: Grid {
                columns,
                range: self.range,
            },
            half: self.half,
        })
    }
}

fn variable(values: Vec<f32>, shape: impl Into<Shape>) -> CandleResult<Var> {
    Var::from_vec(values, shape, &Device::Cpu)
}

impl Master {
    fn vars(&self) -> impl Iterator<Item = &Var> {
        let weights = [&self.weights, &self.log_scale].into_iter();
        let has_columns = !self.grid.columns.is_empty();
        weights.filter(move |_| has_columns).chain(&self.bias)
    }

    fn scales(&self) -> CandleResult<Vec<i32>> {
        let scale = |(&log, &start): (&f32, &f32)| {
            ((start * log.exp()).round() as i32).clamp(1, i32::from(u16::MAX))
        };
        with_slice(&self.log_scale, |logs| {
            logs.iter().zip(&self.start).map(scale).collect()
        })
    }

    fn round(&self) -> CandleResult<IntegerMatrix> {
        let weight_scale = self.scales()?;
        let inverse = inverse(&weight_scale);
        let (rows, (low, high)) = (inverse.len(), self.grid.range);
        let weights = with_slice(&self.weights, |masters| {
            let mut weights = Vec::with_capacity(masters.len());
            for (line, q18) in masters.chunks_exact(rows).zip(&self.grid.columns) {
                let rounded = line
                    .iter()
                    .zip(&inverse)
                    .map(|(w, inverse)| (w * q18 * inverse).round_ties_even().clamp(low, high));
                weights.extend(rounded);
            }
            weights
        })?;
        let mut bias = self.half.clone();
        if let Some(own) = &self.bias {
            with_slice(own, |own| {
                let halves = bias.iter_mut().zip(own);
                halves.for_each(|(half, &bias)| *half += q18(bias));
            })?;
        }
        Ok(IntegerMatrix {
            weights,
            weight_scale,
            bias,
        })
    }

    /// The values that `rounded`, its own integers, stand for, `[columns, rows]`: a node of the graph.
    fn values(&self, rounded: &IntegerMatrix) -> CandleResult<Tensor> {
        let rounding = Rounding {
            rounded: rounded.clone(),
            grid: self.grid.clone(),
        };
        apply(rounding, &[&self.weights, &self.log_scale])
    }
}

fn inverse(scales: &[i32]) -> Vec<f32> {
    scales.iter().map(|&s| 1.0 / s as f32).collect()
}

/// From weights and the logarithms of their rows' scales to the values of the integers that they round to.
struct Rounding {
    rounded: IntegerMatrix,
    grid: Grid,
}

impl Operation for Rounding {
    fn name(&self) -> &'static str {
        "rounding"
    }

    fn forward(&self, _inputs: &[&[f32]]) -> CandleResult<(Vec<f32>, Shape)> {
        let scales = &self.rounded.weight_scale;
        let (rows, columns) = (scales.len(), self.grid.columns.len());
        let mut values = Vec::with_capacity(columns * rows);
        let lines = self.rounded.weights.chunks_exact(rows);
        for (line, q18) in lines.zip(&self.grid.columns) {
            let pairs = line.iter().zip(scales);
            values.extend(pairs.map(|(w, &scale)| w * (scale as f32 / q18)));
        }
        Ok((values, Shape::from((columns, rows))))
    }

    fn backward(&self, inputs: &[&[f32]], gradient: &[f32]) -> CandleResult<Vec<Vec<f32>>> {
        let inverse = inverse(&self.rounded.weight_scale);
        let (rows, (low, high)) = (inverse.len(), self.grid.range);
        let mut d_weights = gradient.to_vec();
        let mut d_log_scale = vec![0.0; rows];
        let lines = d_weights.chunks_exact_mut(rows);
        let lines = lines.zip(inputs[0].chunks_exact(rows));
        let lines = lines.zip(self.rounded.weights.chunks_exact(rows));
        for (((gradients, masters), line), q18) in lines.zip(&self.grid.columns) {
            for row in 0..rows {
                let v = masters[row] * q18 * inverse[row];
                let inside = v >= low - 0.5 && v <= high + 0.5;
                let by_scale = if inside { line[row] - v } else { line[row] };
                // The derivative by the logarithm has one factor of the scale more.
                d_log_scale[row] += gradients[row] * by_scale / (inverse[row] * q18);
                if !inside {
                    gradients[row] = 0.0;
                }
            }
        }
        Ok(vec![d_weights, d_log_scale])
    }
}

/// A layer under tuning.
#[derive(Debug)]
struct MasterLayer {
    config: LayerConfig,
    /// The folded table of the first layer `[V, rows]`, biases included.
    table: Option<Var>,
    /// One, or two where the cell takes its products apart.
    gates: Vec<Master>,
    projection: Option<Master>,
}

/// A network under tuning.
#[derive(Debug)]
pub struct Masters {
    config: NetworkConfig,
    format: Format,
    dead_zone: u8,
    ngrams: Option<QuantizedNgrams>,
    layers: Vec<MasterLayer>,
    dense: Master,
}

impl Masters {
    /// The weights of `network`, moved no further than to where they round to `start`.
    ///
    /// # Errors
    /// Candle refuses.
    pub fn new(network: &Network, start: &QuantizedNetwork) -> Result<Self> {
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
            let mut table = None;
            let mut gates = Vec::new();
            for (matrix, columns) in gate_matrices(config, index).into_iter().enumerate() {
                let all = layer.cell.gates().iter();
                let half =
                    all.flat_map(|&g| std::iter::repeat_n(gate_half(g, matrix), layer.hidden));
                let below = &weights.w_ih[..columns.below * layer.columns()];
                let start = Start {
                    weights: [below, &weights.w_hh[..columns.own * layer.columns()]].concat(),
                    found: &found.gates[matrix],
                    half: half.collect(),
                    below: (columns.below, unit_below),
                    unit,
                    range,
                };
                let has_bias = gate_bias(network, index, matrix).is_some();
                if !has_bias {
                    table = Some(folded_table(network, &start.bias())?);
                }
                gates.push(start.master(has_bias)?);
            }
            let projection = weights.projection.as_ref().zip(found.projection.as_ref());
            let projection = projection.map(|(weights, found)| {
                let start = Start {
                    weights: weights.clone(),
                    found,
                    half: vec![PROJECTED_HALF; layer.output()],
                    below: (0, 1.0),
                    unit: HIDDEN_UNIT,
                    range,
                };
                start.master(true)
            });
            unit_below = unit;
            layers.push(MasterLayer {
                config: layer,
                gates,
                table,
                projection: projection.transpose()?,
            });
        }
        let rows = dense_rows(network);
        let dense = Start {
            weights: transpose(&rows.concat(), rows.len(), rows[0].len()),
            found: &integers.dense,
            half: vec![LOGIT_HALF; rows.len()],
            below: (0, 1.0),
            unit: unit_below,
            range: INT8,
        };
        Ok(Self {
            config: config.clone(),
            format: start.format,
            dead_zone: start.dead_zone,
            ngrams: start.ngrams.clone(),
            layers,
            dense: dense.master(true)?,
        })
    }

    /// The integers.
    ///
    /// # Errors
    /// Candle refuses.
    pub fn round(&self) -> Result<IntegerNetwork> {
        let mut layers = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let gates = layer.gates.iter().map(Master::round);
            let mut gates = gates.collect::<CandleResult<Vec<_>>>()?;
            let (mut table, mut table_scale) = (Vec::new(), Vec::new());
            if let Some(values) = &layer.table {
                let middle;
                (table, table_scale, middle) =
                    with_slice(values, |values| round_table(values, layer.config.columns()))?;
                let biases = gates[0].bias.iter_mut().zip(&middle);
                biases.for_each(|(bias, middle)| *bias += middle);
            }
            let projection = layer.projection.as_ref().map(Master::round);
            layers.push(IntegerLayer {
                config: layer.config,
                dead_zones: DeadZones::new(&self.config, index, self.dead_zone),
                gates,
                table,
                table_scale,
                projection: projection.transpose()?,
            });
        }
        Ok(IntegerNetwork {
            layers,
            dense: self.dense.round()?,
        })
    }

    /// The values that `integers`, the masters' own, stand for: nodes of the graph, in the order of
    /// [`StackShape::weights`](crate::kernels::stack::StackShape::weights).
    ///
    /// # Errors
    /// Candle refuses.
    pub(crate) fn values(&self, integers: &IntegerNetwork) -> CandleResult<Vec<Tensor>> {
        let mut all = Vec::new();
        let add = |all: &mut Vec<Tensor>, var: &Option<Var>| {
            all.extend(var.as_ref().map(|var| var.as_tensor().clone()));
        };
        for (layer, integers) in self.layers.iter().zip(&integers.layers) {
            let mut recurrent = Vec::new();
            for (matrix, (master, integers)) in layer.gates.iter().zip(&integers.gates).enumerate()
            {
                let columns = master.grid.columns.len();
                let values = master.values(integers)?;
                if master.below > 0 {
                    all.push(values.narrow(0, 0, master.below)?);
                }
                if matrix == 0 {
                    add(&mut all, &layer.table);
                    add(&mut all, &master.bias);
                }
                if columns > master.below {
                    recurrent.push(values.narrow(0, master.below, columns - master.below)?);
                }
                if matrix > 0 {
                    add(&mut recurrent, &master.bias);
                }
            }
            all.extend(recurrent);
            if let Some((master, integers)) =
                layer.projection.as_ref().zip(integers.projection.as_ref())
            {
                all.push(master.values(integers)?);
                add(&mut all, &master.bias);
            }
        }
        all.push(self.dense.values(&integers.dense)?);
        add(&mut all, &self.dense.bias);
        Ok(all)
    }

    /// All that is tuned.
    pub fn vars(&self) -> Vec<Var> {
        let mut all: Vec<&Var> = Vec::new();
        for layer in &self.layers {
            all.extend(&layer.table);
            all.extend(layer.gates.iter().flat_map(Master::vars));
            all.extend(layer.projection.iter().flat_map(Master::vars));
        }
        all.extend(self.dense.vars());
        all.into_iter().cloned().collect()
    }

    /// The format and shape with these integers.
    pub fn quantized(&self, integers: &IntegerNetwork) -> QuantizedNetwork {
        let (config, ngrams) = (self.config.clone(), self.ngrams.clone());
        integers.quantized(self.format, self.dead_zone, config, ngrams)
    }
}

/// The folded table of a network, with what its rows' biases were moved by; `bias` is that of its integers.
fn folded_table(network: &Network, bias: &[f32]) -> CandleResult<Var> {
    let mut table = network.folded_table();
    let (_, middle) = table_grid(&table, bias.len());
    for line in table.chunks_exact_mut(bias.len()) {
        for ((x, bias), middle) in line.iter_mut().zip(bias).zip(&middle) {
            *x += bias - *middle as f32 / ONE_Q18;
        }
    }
    variable(table, (network.config.vocabulary(), bias.len()))
}

/// The entries of a folded table `[V, rows]` times their rows' scales, those scales, and their rows' middles.
fn round_table(table: &[f32], rows: usize) -> (Vec<i32>, Vec<i32>, Vec<i32>) {
    let (scales, middles) = table_grid(table, rows);
    let mut entries = Vec::with_capacity(table.len());
    for line in table.chunks_exact(rows) {
        for ((&value, &scale), &middle) in line.iter().zip(&scales).zip(&middles) {
            let entry = (value * ONE_Q18 - middle as f32) / scale as f32;
            entries.push(entry.round().clamp(INT8.0, INT8.1) as i32 * scale);
        }
    }
    (entries, scales, middles)
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
                    table_scale[column] = i32::from(layer.gates[0].rows[at].table_scale);
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
                gates: layer.gates.iter().map(|g| unpack(g, &order)).collect(),
                table,
                table_scale,
                projection: projection.map(|p| unpack(p, &in_order(p.rows.len()))),
            }
        });
        IntegerNetwork {
            layers: layers.collect(),
            dense: unpack(&network.dense, &in_order(network.dense.rows.len())),
        }
    }

    /// The same in the order of the file.
    pub fn quantized(
        &self,
        format: Format,
        dead_zone: u8,
        config: NetworkConfig,
        ngrams: Option<QuantizedNgrams>,
    ) -> QuantizedNetwork {
        let vocabulary = config.vocabulary();
        let mut table = Vec::new();
        let mut layers = Vec::new();
        for layer in &self.layers {
            let order = file_order(layer.config);
            let width = layer.config.columns();
            let gates = layer.gates.iter().map(|g| pack(g, &order));
            let mut gates: Vec<QuantizedMatrix> = gates.collect();
            if !layer.table.is_empty() {
                for (row, column) in gates[0].rows.iter_mut().zip(&order) {
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
        let dense = pack(&self.dense, &in_order(self.dense.bias.len()));
        QuantizedNetwork {
            format,
            dead_zone,
            config,
            table,
            layers,
            dense,
            ngrams,
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
            Some(place) => {
                let row = matrix.weights.iter().skip(place).step_by(rows);
                weights.extend(row.map(|&w| w as i8));
            }
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
