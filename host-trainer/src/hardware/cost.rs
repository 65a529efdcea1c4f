//! What a character costs on a chip, before there is a model: RAM by the engine's own layout,
//! instructions and cycles by what `cargo xtask bench` counted and estimated.
//!
//! The counts of `docs/bench.txt` are, for each core and format,
//!
//! ```text
//! instructions = per_symbol * V + per_weight * W + per_unit * H
//! ```
//!
//! and the cycles likewise.
//!
//! with V symbols, W weights as they are stored (columns padded to 32, or to 4 in a file of version 3, rows to 4) and H units in all
//! layers. [`figures`](super::figures) holds the factors: least squares over the relative error.
//!
//! Looking up the last characters costs the same for any network: what the models with a memory took there beyond the
//! formula ([`Lookups`]).
//!
//! int4 skips columns. What it takes at most counts all weights; what it takes on average counts those
//! of columns with a dead zone as `LIVE`.

use crate::network::config;
use lstm_core::export::{
    BLOCK_ROWS, COLUMN_ALIGN, Feature, HISTORY, SENSOR_COLUMN_ALIGN, round_up,
};
use lstm_core::{DenseShape, Format, LayerShape, Model};

/// In the order of a core's figures.
pub const FORMATS: [Format; 3] = [Format::F32, Format::Int8, Format::Int4];

/// The share of the columns with a dead zone of 8 that is not skipped, in the networks of the table
/// over their own text: what explains their counts best.
const LIVE: f64 = 0.62;

/// What decides the cost of a character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The number format.
    pub format: Format,
    /// The layers, from the input up.
    pub layers: Vec<LayerShape>,
    /// Outputs of the head: the symbols of the alphabet, V, or classes or values.
    pub symbols: usize,
    /// Values that a step reads; 0 where it reads a symbol.
    pub channels: usize,
    /// The dense layers below the head.
    pub dense: Vec<DenseShape>,
    /// Whether it looks up the last characters.
    pub has_memory: bool,
    /// Steps of a window that a model which reads values is run on again and again; 0 where it carries its state.
    pub window: usize,
}

impl Shape {
    /// Of a network that reads and writes symbols, without a memory.
    pub const fn text(format: Format, layers: Vec<LayerShape>, symbols: usize) -> Self {
        Self {
            format,
            layers,
            symbols,
            channels: 0,
            dense: Vec::new(),
            has_memory: false,
            window: 0,
        }
    }

    /// Of a model.
    pub fn of(model: &Model<'_>) -> Self {
        Self {
            format: model.format(),
            layers: model.layers().to_vec(),
            symbols: model.num_outputs(),
            channels: model.num_channels(),
            dense: model.dense_layers().to_vec(),
            has_memory: model.has_ngrams(),
            window: match model.num_channels() {
                0 => 0,
                _ => model.window().unwrap_or(0),
            },
        }
    }

    /// Whether its file has version 3.
    fn is_sensor(&self) -> bool {
        self.channels > 0 || !self.dense.is_empty()
    }

    /// The features that the engine needs to run it.
    pub fn features(&self) -> impl Iterator<Item = Feature> {
        Feature::of_network(self.format, &self.layers, self.has_memory, self.is_sensor())
    }

    /// To a multiple of which number columns are padded in the file.
    fn column_align(&self) -> usize {
        match self.is_sensor() {
            true => SENSOR_COLUMN_ALIGN,
            false => COLUMN_ALIGN,
        }
    }

    /// Every matrix that a step multiplies with.
    fn matrices(&self) -> Vec<MatrixShape> {
        let mut matrices = Vec::new();
        let mut push = |rows, columns, skipped| {
            matrices.push(MatrixShape {
                rows: round_up(rows, BLOCK_ROWS),
                columns: round_up(columns, self.column_align()),
                skipped: if self.format == Format::Int4 {
                    skipped
                } else {
                    0
                },
            });
        };
        let (mut below, mut below_skipped) = (self.channels, 0);
        for layer in &self.layers {
            let skipped = match layer.projection {
                None => layer.output(),
                Some(_) => 0,
            };
            let rows = BLOCK_ROWS * layer.gate_blocks();
            if layer.cell.takes_products_apart() {
                push(rows, below, below_skipped);
                push(rows, layer.output(), skipped);
            } else {
                // A GRU with the reset gate before the product has a matrix a gate, of the same columns.
                push(rows, below + layer.output(), below_skipped + skipped);
            }
            if layer.projection.is_some() {
                push(layer.output(), layer.hidden.into(), layer.hidden.into());
            }
            (below, below_skipped) = (layer.output(), skipped);
        }
        for dense in &self.dense {
            let width = dense.width.into();
            push(width, below, 0);
            below = width;
        }
        push(self.symbols, below, 0);
        matrices
    }

    /// Symbols, weights and units: what the instructions are counted by. The weights on average, and at most.
    pub fn counted(&self) -> [[f64; 3]; 2] {
        let matrices = self.matrices();
        let weights = |columns: fn(&MatrixShape) -> f64| -> f64 {
            matrices.iter().map(|m| m.rows as f64 * columns(m)).sum()
        };
        let mean = weights(|m| m.columns as f64 - (1.0 - LIVE) * m.skipped as f64);
        let most = weights(|m| m.columns as f64);
        let units: u32 = self.layers.iter().map(|l| u32::from(l.hidden)).sum();
        [mean, most].map(|weights| [self.symbols as f64, weights, units.into()])
    }

    /// Bytes that a character reads of the matrices, on average.
    pub fn bytes_read(&self) -> f64 {
        let [_, weights, _] = self.counted()[0];
        let bits = match self.format {
            Format::F32 => 32.0,
            Format::Int8 => 8.0,
            Format::Int4 => 4.0,
        };
        weights * bits / 8.0
    }

    /// Bytes of state, scratch and logits, with so many bytes for [`COLUMN_ALIGN`] packed columns.
    pub fn ram(&self, column_bytes: usize) -> usize {
        let (h, c) = match self.format {
            Format::F32 => (4, 4),
            _ => (1, 2),
        };
        let words = |bytes: usize| 4 * bytes.div_ceil(4);
        let hidden: usize = self.layers.iter().map(|l| l.output()).sum();
        let cell: usize = self.layers.iter().map(|l| usize::from(l.hidden)).sum();
        let projected = self.layers.iter().filter(|l| l.projection.is_some());
        let outputs = projected.map(|l| words(h * usize::from(l.hidden)));
        let dense = self.dense_widest().map(|width| words(h * width));
        words(h * (self.channels + hidden))
            + words(c * cell)
            + outputs.chain(dense).max().unwrap_or(0)
            + column_bytes * self.widest() / COLUMN_ALIGN
            + 4 * self.symbols
            + if self.has_memory { HISTORY } else { 0 }
    }

    /// Bytes of the window's values, as the network reads them, beside [`Shape::ram`].
    pub fn window_bytes(&self) -> usize {
        let value = match self.format {
            Format::F32 => 4,
            _ => 1,
        };
        value * self.channels * self.window
    }

    /// Columns that are packed at a time, at most.
    pub fn widest(&self) -> usize {
        let mut below = self.channels;
        let mut widest = round_up(self.dense_widest().unwrap_or(0), COLUMN_ALIGN);
        for layer in &self.layers {
            let padded = |columns: usize| round_up(columns, COLUMN_ALIGN);
            let own = layer.output();
            let packed = match layer.cell.takes_products_apart() {
                true => padded(below) + padded(own),
                false => padded(below + own),
            };
            let units = layer.projection.map_or(0, |_| padded(layer.hidden.into()));
            widest = widest.max(packed).max(units);
            below = own;
        }
        widest
    }

    /// The widest of the dense layers below the head and of what they read; `None` without any.
    fn dense_widest(&self) -> Option<usize> {
        let top = self.layers.last()?.output();
        let widest = self.dense.iter().map(|dense| dense.width).max()?;
        Some(top.max(widest.into()))
    }
}

/// The sizes of a matrix, padded.
struct MatrixShape {
    rows: usize,
    columns: usize,
    /// Of those, how many a step may skip.
    skipped: usize,
}

/// A core that `cargo xtask bench` counted on.
#[derive(Clone, Debug, PartialEq)]
pub struct Core {
    /// Such as `Cortex-M4F`.
    pub name: &'static str,
    /// Bytes of stack of the engine, at most.
    pub stack: usize,
    /// Bytes in flash, built for each format.
    pub engines: [usize; FORMATS.len()],
    /// The costs of each format.
    pub fits: [Fit; FORMATS.len()],
    /// The costs of a memory.
    pub lookups: Lookups,
}

/// What a memory adds to a character.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lookups {
    /// Instructions.
    pub instructions: f64,
    /// Cycles, where they are known.
    pub cycles: Option<f64>,
}

/// The cost of a format on a core.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fit {
    /// Instructions for each of V, W and H, on average and at most.
    pub per: [[f64; 3]; 2],
    /// Cycles likewise, where they are known.
    pub cycles: Option<[[f64; 3]; 2]>,
    /// The largest relative error over the counts.
    pub error: f64,
    /// Of [`COLUMN_ALIGN`] packed columns.
    pub column_bytes: usize,
}

impl Core {
    fn fit(&self, format: Format) -> &Fit {
        &self.fits[place(format)]
    }

    /// Bytes of the engine in flash, built for this format.
    pub fn engine(&self, format: Format) -> usize {
        self.engines[place(format)]
    }

    /// Instructions of a character: an estimate, as the module tells.
    pub fn instructions(&self, shape: &Shape) -> f64 {
        estimates(&self.fit(shape.format).per, shape)[0] + self.lookup_instructions(shape)
    }

    /// Instructions of a character at most, likewise.
    pub fn most_instructions(&self, shape: &Shape) -> f64 {
        estimates(&self.fit(shape.format).per, shape)[1] + self.lookup_instructions(shape)
    }

    fn lookup_instructions(&self, shape: &Shape) -> f64 {
        match shape.has_memory {
            true => self.lookups.instructions,
            false => 0.0,
        }
    }

    /// Cycles of a character at zero wait states, likewise; `None` where `docs/CYCLES.md` has no table
    /// of the core, or floats are soft.
    pub fn cycles(&self, shape: &Shape) -> Option<f64> {
        let cycles = estimates(&self.fit(shape.format).cycles?, shape)[0];
        match shape.has_memory {
            true => Some(cycles + self.lookups.cycles?),
            false => Some(cycles),
        }
    }

    /// The largest relative error of the instructions over what was counted.
    pub fn error(&self, format: Format) -> f64 {
        self.fit(format).error
    }

    /// Bytes of state, scratch and logits.
    pub fn ram(&self, shape: &Shape) -> usize {
        shape.ram(self.fit(shape.format).column_bytes)
    }
}

fn place(format: Format) -> usize {
    let at = FORMATS.iter().position(|&f| f == format);
    at.expect("every format")
}

/// Instructions of a character, on average and at most.
pub fn estimates(per: &[[f64; 3]; 2], shape: &Shape) -> [f64; 2] {
    let counted = shape.counted();
    [0, 1].map(|which| {
        let products = per[which].iter().zip(counted[which]);
        products.map(|(p, n)| p * n).sum()
    })
}

/// As [`config::layer_name`].
pub fn layer_name(shape: LayerShape) -> String {
    let projection = shape.projection.map(usize::from);
    config::layer_name(shape.cell, shape.hidden.into(), projection)
}
