//! What a character costs on a chip, before there is a model: RAM by the engine's own layout,
//! instructions by what `cargo xtask bench` counted.
//!
//! `docs/bench.txt` is part of this program, so the estimates follow the engine. Its counts are, for
//! each core and format,
//!
//! ```text
//! instructions = per_symbol * V + per_weight * W + per_unit * H
//! ```
//!
//! with V symbols, W weights as they are stored (columns padded to 32, rows to 4) and H units in all
//! layers: least squares over the relative error.
//!
//! int4 skips columns. What it takes at most counts all weights; what it takes on average counts those
//! of columns with a dead zone as `LIVE`.

use crate::network::config;
use lstm_core::export::{BLOCK_ROWS, COLUMN_ALIGN, round_up};
use lstm_core::{Format, LayerShape, Model};
use std::sync::LazyLock;

/// The counts of `cargo xtask bench`.
const BENCH: &str = include_str!("../../../docs/bench.txt");
const FORMATS: [Format; 3] = [Format::F32, Format::Int8, Format::Int4];

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
    /// Symbols of the alphabet, V.
    pub symbols: usize,
}

impl Shape {
    /// Of a model.
    pub fn of(model: &Model<'_>) -> Self {
        Self {
            format: model.format(),
            layers: model.layers().to_vec(),
            symbols: model.alphabet().len(),
        }
    }

    /// Every matrix that a step multiplies with.
    fn matrices(&self) -> Vec<MatrixShape> {
        let mut matrices = Vec::new();
        let mut push = |rows, columns, skipped| {
            matrices.push(MatrixShape {
                rows: round_up(rows, BLOCK_ROWS),
                columns: round_up(columns, COLUMN_ALIGN),
                skipped: if self.format == Format::Int4 {
                    skipped
                } else {
                    0
                },
            });
        };
        let (mut below, mut below_skipped) = (0, 0);
        for layer in &self.layers {
            let skipped = match layer.projection {
                None => layer.output(),
                Some(_) => 0,
            };
            let rows = BLOCK_ROWS * layer.gate_blocks();
            push(rows, below + layer.output(), below_skipped + skipped);
            if layer.projection.is_some() {
                push(layer.output(), layer.hidden.into(), layer.hidden.into());
            }
            (below, below_skipped) = (layer.output(), skipped);
        }
        push(self.symbols, below, 0);
        matrices
    }

    /// V, W and H; W on average, and at most.
    fn counted(&self) -> [[f64; 3]; 2] {
        let matrices = self.matrices();
        let weights = |columns: fn(&MatrixShape) -> f64| -> f64 {
            matrices.iter().map(|m| m.rows as f64 * columns(m)).sum()
        };
        let mean = weights(|m| m.columns as f64 - (1.0 - LIVE) * m.skipped as f64);
        let most = weights(|m| m.columns as f64);
        let units: u32 = self.layers.iter().map(|l| u32::from(l.hidden)).sum();
        [mean, most].map(|weights| [self.symbols as f64, weights, units.into()])
    }

    /// Bytes of state, scratch and logits, with so many bytes for [`COLUMN_ALIGN`] packed columns.
    fn ram(&self, column_bytes: usize) -> usize {
        let (h, c) = match self.format {
            Format::F32 => (4, 4),
            _ => (1, 2),
        };
        let words = |bytes: usize| 4 * bytes.div_ceil(4);
        let hidden: usize = self.layers.iter().map(|l| l.output()).sum();
        let cell: usize = self.layers.iter().map(|l| usize::from(l.hidden)).sum();
        let projected = self.layers.iter().filter(|l| l.projection.is_some());
        let outputs = projected.map(|l| words(h * usize::from(l.hidden)));
        words(h * hidden)
            + words(c * cell)
            + outputs.max().unwrap_or(0)
            + column_bytes * self.widest() / COLUMN_ALIGN
            + 4 * self.symbols
    }

    /// Columns of the widest matrix of the layers; the dense layer's is never wider.
    fn widest(&self) -> usize {
        self.matrices().iter().map(|m| m.columns).max().unwrap_or(0)
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
#[derive(Clone, Debug)]
pub struct Core {
    /// Such as `Cortex-M4F`.
    pub name: &'static str,
    /// Bytes of stack of the engine, at most.
    pub stack: usize,
    /// Bytes in flash, built for each format.
    engines: [usize; FORMATS.len()],
    fits: [Fit; FORMATS.len()],
}

/// The cost of a format on a core.
#[derive(Clone, Copy, Debug, Default)]
struct Fit {
    /// Instructions for each of V, W and H, on average and at most.
    per: [[f64; 3]; 2],
    /// The largest relative error over the counts.
    error: f64,
    /// Of [`COLUMN_ALIGN`] packed columns.
    column_bytes: usize,
}

impl Core {
    /// All of them, in the order of `docs/bench.txt`.
    pub fn all() -> &'static [Self] {
        static CORES: LazyLock<Vec<Core>> = LazyLock::new(|| cores(&read(BENCH)));
        &CORES
    }

    /// The core of this name.
    ///
    /// # Panics
    /// `docs/bench.txt` has none of it.
    pub fn named(name: &str) -> &'static Self {
        let core = Self::all().iter().find(|core| core.name == name);
        core.expect("a core of docs/bench.txt")
    }

    fn fit(&self, format: Format) -> &Fit {
        &self.fits[place(format)]
    }

    /// Bytes of the engine in flash, built for this format.
    pub fn engine(&self, format: Format) -> usize {
        self.engines[place(format)]
    }

    /// Instructions of a character: an estimate, as the module tells.
    pub fn instructions(&self, shape: &Shape) -> f64 {
        estimates(&self.fit(shape.format).per, shape)[0]
    }

    /// Instructions of a character at most, likewise.
    pub fn most_instructions(&self, shape: &Shape) -> f64 {
        estimates(&self.fit(shape.format).per, shape)[1]
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

/// A line of `docs/bench.txt`.
struct Count {
    core: &'static str,
    shape: Shape,
    /// On average, and at most.
    instructions: [f64; 2],
    ram: usize,
    stack: usize,
}

/// The counts, and for each core the bytes of the engine built for each format.
struct Bench {
    counts: Vec<Count>,
    engines: Vec<(&'static str, [usize; FORMATS.len()])>,
}

/// The networks of the benchmark, by their letters.
fn network(letter: &str) -> Option<LayerShape> {
    match letter {
        "A" => Some(LayerShape::lstm(64)),
        "B" => Some(LayerShape::lstm(256)),
        "C" => Some(LayerShape::cifg(384).project(96)),
        "D" => Some(LayerShape::cifg(96).project(32)),
        _ => None,
    }
}

fn read(text: &'static str) -> Bench {
    let number = |cell: &str| cell.replace(',', "").parse::<usize>().ok();
    let (mut counts, mut engines) = (Vec::new(), Vec::new());
    let symbols = text.lines().find_map(|line| line.strip_suffix(" symbols."));
    let symbols = symbols.and_then(|n| n.parse().ok()).unwrap_or(0);
    for line in text.lines() {
        let cells: Vec<&'static str> = line.split_whitespace().collect();
        match cells[..] {
            [_, core, format, letter, mean, _, _, most, .., ram, stack] if cells.len() == 15 => {
                let format = FORMATS.into_iter().find(|f| f.name() == format);
                let (Some(format), Some(layer)) = (format, network(letter)) else {
                    continue;
                };
                counts.push(Count {
                    core,
                    shape: Shape {
                        format,
                        layers: vec![layer],
                        symbols,
                    },
                    instructions: [mean, most].map(|n| number(n).unwrap_or(0) as f64),
                    ram: number(ram).unwrap_or(0),
                    stack: number(stack).unwrap_or(0),
                });
            }
            [
                _,
                core,
                ref formats @ ..,
                code,
                constants,
                sum,
                runtime,
                variables,
            ] => {
                // int4 has int8 in it.
                let format = match formats {
                    ["f32"] => Format::F32,
                    ["int8"] => Format::Int8,
                    ["int8", "int4"] => Format::Int4,
                    _ => continue,
                };
                let sizes = [code, constants, sum, runtime, variables].map(number);
                let [_, _, Some(sum), _, Some(_)] = sizes else {
                    continue;
                };
                if engines.iter().all(|&(name, _)| name != core) {
                    engines.push((core, [0; FORMATS.len()]));
                }
                if let Some((_, bytes)) = engines.iter_mut().find(|(name, _)| *name == core) {
                    bytes[place(format)] = sum;
                }
            }
            _ => {}
        }
    }
    Bench { counts, engines }
}

fn cores(bench: &Bench) -> Vec<Core> {
    let core = |&(name, engines): &(&'static str, [usize; FORMATS.len()])| {
        let counts = || bench.counts.iter().filter(|count| count.core == name);
        let fit = |format| {
            let counts: Vec<&Count> = counts().filter(|c| c.shape.format == format).collect();
            fit(&counts)
        };
        Core {
            name,
            engines,
            stack: counts().map(|count| count.stack).max().unwrap_or(0),
            fits: FORMATS.map(fit),
        }
    };
    bench.engines.iter().map(core).collect()
}

fn fit(counts: &[&Count]) -> Fit {
    let per = [0, 1].map(|which| {
        // The normal equations of `sum (per · x / y - 1)^2`.
        let mut equations = [[0.0; 4]; 3];
        for count in counts {
            let x = count.shape.counted()[which].map(|n| n / count.instructions[which]);
            for (equation, a) in equations.iter_mut().zip(x) {
                let row = x.iter().copied().chain([1.0]);
                equation.iter_mut().zip(row).for_each(|(e, b)| *e += a * b);
            }
        }
        solve(equations)
    });
    let error = |count: &&Count| {
        let found = estimates(&per, &count.shape).into_iter();
        let errors = found
            .zip(count.instructions)
            .map(|(f, e)| (f / e - 1.0).abs());
        errors.fold(0.0, f64::max)
    };
    let columns =
        |count: &&Count| (count.ram - count.shape.ram(0)) * COLUMN_ALIGN / count.shape.widest();
    Fit {
        per,
        error: counts.iter().map(error).fold(0.0, f64::max),
        column_bytes: counts.first().map_or(0, columns),
    }
}

/// Instructions of a character, on average and at most.
fn estimates(per: &[[f64; 3]; 2], shape: &Shape) -> [f64; 2] {
    let counted = shape.counted();
    [0, 1].map(|which| {
        let products = per[which].iter().zip(counted[which]);
        products.map(|(p, n)| p * n).sum()
    })
}

/// Three linear equations, the right side in the last column, by elimination.
fn solve(mut equations: [[f64; 4]; 3]) -> [f64; 3] {
    for i in 0..3 {
        let pivot = equations[i].map(|x| x / equations[i][i]);
        for (j, row) in equations.iter_mut().enumerate() {
            let factor = row[i];
            match j == i {
                true => *row = pivot,
                false => row
                    .iter_mut()
                    .zip(pivot)
                    .for_each(|(x, p)| *x -= factor * p),
            }
        }
    }
    equations.map(|row| row[3])
}

/// As [`config::layer_name`].
pub fn layer_name(shape: LayerShape) -> String {
    let projection = shape.projection.map(usize::from);
    config::layer_name(shape.cell, shape.hidden.into(), projection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimates_are_near_every_count() {
        let bench = read(BENCH);
        assert_eq!((bench.engines.len(), bench.counts.len()), (4, 48));
        for count in &bench.counts {
            let core = Core::named(count.core);
            let shape = &count.shape;
            let found = [core.instructions(shape), core.most_instructions(shape)];
            for (found, expected) in found.into_iter().zip(count.instructions) {
                let error = found / expected - 1.0;
                assert!(error.abs() <= 0.025, "{} {shape:?}: {error}", core.name);
                assert!(error.abs() <= core.error(shape.format) + 1e-12);
            }
            // Only int4 skips anything.
            let is_longer = count.instructions[1] > 1.03 * count.instructions[0];
            assert_eq!(is_longer, shape.format == Format::Int4);
            assert!(core.engines.iter().all(|&bytes| bytes > 1000));
            assert!(
                core.fits
                    .iter()
                    .all(|fit| fit.per.iter().flatten().all(|&p| p > 0.0))
            );
        }
    }

    #[test]
    fn ram_is_what_the_engine_takes() {
        for count in read(BENCH).counts {
            assert_eq!(Core::named(count.core).ram(&count.shape), count.ram);
        }
        // On this computer the columns may be packed otherwise, but in one way for all shapes.
        let lstm = LayerShape::lstm;
        let cifg = LayerShape::cifg;
        for format in FORMATS {
            let column_bytes: Vec<usize> = [
                vec![lstm(64)],
                vec![lstm(33), lstm(70).project(21)],
                vec![cifg(384).project(96)],
                vec![cifg(97).project(31), cifg(50), lstm(10)],
            ]
            .into_iter()
            .map(|layers| {
                let shape = Shape {
                    format,
                    layers,
                    symbols: 0,
                };
                let bytes = 4 * lstm_core::workspace_words(format, &shape.layers) - shape.ram(0);
                assert_eq!(COLUMN_ALIGN * bytes % shape.widest(), 0, "{shape:?}");
                COLUMN_ALIGN * bytes / shape.widest()
            })
            .collect();
            assert!(column_bytes.iter().all(|&b| b == column_bytes[0]));
        }
    }

    #[test]
    fn equations_are_solved() {
        let solved = solve([
            [2.0, 1.0, 0.0, 4.0],
            [1.0, 3.0, 1.0, 10.0],
            [0.0, 1.0, 4.0, 14.0],
        ]);
        for (found, expected) in solved.into_iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-12);
        }
    }
}
