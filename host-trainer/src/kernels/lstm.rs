//! A recurrent layer over a sequence, forward and backward, on row-major slices: the layer of
//! [`crate::engine::fused`], for callers who keep their numbers in plain matrices.
//!
//! Shapes: T steps, B rows (texts side by side), H units, R outputs (H without a projection);
//! `[T, B, 4H]` holds for each step and row the four gates i, f, g, o. In a CIFG layer read 3H for
//! 4H, and i, g, o.

use crate::kernels::kernel::ROW_BLOCK;
use crate::kernels::panels::{Axis, read_rows, unpack, write_rows};
use crate::kernels::recurrent::{
    Above, Base, GROUP, Kind, LayerGradient, LayerTape, PackedLayer, Ran,
};
use crate::kernels::threads::{on_threads, row_ranges, share_out};
use crate::network::config::LayerConfig;
use pulp::Arch;
use std::ops::Range;

/// Sizes of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Steps, T.
    pub steps: usize,
    /// Rows, B.
    pub batch: usize,
    /// The layer: its cell, H and R.
    pub layer: LayerConfig,
    /// Threads to split the rows over. Their number changes no bit of the result.
    pub threads: usize,
}

/// Where the pre-activations come from.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A folded table `[V, 4H]`, looked up by the tokens `[T, B]`.
    Table(&'a [f32], &'a [u8]),
    /// `[T, B, 4H]`.
    Dense(&'a [f32]),
}

/// The weights of the recurrence.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// `[R, 4H]`.
    pub w_hh: &'a [f32],
    /// `[H, R]`; `None` where the layer has none, and R is H.
    pub projection: Option<&'a [f32]>,
}

impl Weights<'_> {
    fn check(self, layer: LayerConfig) {
        let (output, columns) = (layer.output(), layer.columns());
        assert!(self.w_hh.len() == output * columns, "w_hh");
        let projection = self.projection.map(<[f32]>::len);
        let expected = layer.projection.map(|width| layer.hidden * width);
        assert!(projection == expected, "projection");
    }
}

/// What the forward pass keeps for the backward pass, and memory for both.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    weights: PackedLayer,
    parts: Vec<Part>,
    /// Rows of the table, if the input was one.
    vocabulary: Option<usize>,
    gradient: LayerGradient,
}

/// A run that was computed elsewhere, by rounded numbers for example.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The gates after their activations, `[T, B, 4H]`.
    pub gates: &'a [f32],
    /// The cells, the initial ones first, `[T+1, B, H]`.
    pub cells: &'a [f32],
    /// What went into the projection, `[T, B, H]`; not read without one.
    pub units: &'a [f32],
    /// The initial outputs, `[B, R]`.
    pub h0: &'a [f32],
    /// The outputs, `[T, B, R]`.
    pub hs: &'a [f32],
}

/// The rows that one thread runs.
#[derive(Clone, Debug, Default)]
struct Part {
    rows: Range<usize>,
    tape: LayerTape,
    /// `[T, rows]`, filled up to whole blocks of rows.
    tokens: Vec<u8>,
}

/// Gradients with respect to what went in.
#[derive(Debug)]
pub struct Gradients {
    /// As the input: `[V, 4H]` for a table, `[T, B, 4H]` for dense input.
    pub input: Vec<f32>,
    /// `[R, 4H]`.
    pub w_hh: Vec<f32>,
    /// `[H, R]`.
    pub projection: Option<Vec<f32>>,
}

/// Runs the sequence from the state (`h0` `[B, R]`, `c0` `[B, H]`); writes `hs` `[T, B, R]` and
/// leaves the last cells, `[B, H]`, in `c`.
///
/// # Panics
/// A slice has another length than its shape, or a token is outside the table.
pub fn forward(
    sizes: Sizes,
    input: Input<'_>,
    weights: Weights<'_>,
    (h0, c): (&[f32], &mut [f32]),
    tape: &mut Tape,
    hs: &mut [f32],
) {
    let Sizes {
        steps,
        batch,
        layer,
        ..
    } = sizes;
    let (hidden, output, columns) = (layer.hidden, layer.output(), layer.columns());
    assert!(h0.len() == batch * output, "initial output");
    assert!(c.len() == batch * hidden, "initial cell");
    assert!(hs.len() == steps * batch * output, "output");
    let base = match input {
        Input::Table(table, tokens) => {
            assert!(tokens.len() == steps * batch, "tokens");
            Base::Table(table)
        }
        Input::Dense(pre) => {
            assert!(pre.len() == steps * batch * columns, "pre-activations");
            Base::Tape
        }
    };
    let vocabulary = match input {
        Input::Table(table, _) => Some(table.len() / columns),
        Input::Dense(_) => None,
    };
    tape.share(sizes, vocabulary, (base, weights));
    let (packed, c0) = (&tape.weights, &*c);
    on_threads(tape.parts.iter_mut().collect(), |part| {
        let rows = part.rows.clone();
        let padded = rows.len().next_multiple_of(ROW_BLOCK);
        let state = (
            &h0[rows.start * output..rows.end * output],
            &c0[rows.start * hidden..rows.end * hidden],
        );
        part.tape.begin(layer, (steps, padded), state);
        for t in 0..steps {
            let input = match input {
                Input::Table(_, tokens) => {
                    part.tokens.truncate(t * padded);
                    part.tokens
                        .extend_from_slice(&tokens[t * batch..][rows.clone()]);
                    part.tokens.resize((t + 1) * padded, 0);
                    crate::kernels::recurrent::Input::Tokens(&part.tokens[t * padded..])
                }
                Input::Dense(pre) => {
                    let pre = &pre[(t * batch + rows.start) * columns..][..rows.len() * columns];
                    read_rows(pre, layer.gate_axis(), part.tape.gates_mut(t), padded);
                    crate::kernels::recurrent::Input::Tape
                }
            };
            part.tape.forward(Arch::new(), packed, input, t);
        }
    });
    for part in &tape.parts {
        for t in 0..steps {
            let hs = &mut hs[t * batch * output..];
            part.write(part.tape.output(t + 1), layer.output_axis(), hs);
        }
        part.write(part.tape.cell(steps), layer.unit_axis(), c);
    }
}

/// Some rows of the slab `[B, width]` that begins at row `start`.
fn slab_rows<'a>(values: &'a [f32], width: usize, start: usize, rows: &Range<usize>) -> &'a [f32] {
    &values[(start + rows.start) * width..(start + rows.end) * width]
}

impl Tape {
    /// Packs the weights, and splits the rows over the threads.
    fn share(
        &mut self,
        sizes: Sizes,
        vocabulary: Option<usize>,
        (base, weights): (Base<'_>, Weights<'_>),
    ) {
        weights.check(sizes.layer);
        self.vocabulary = vocabulary;
        self.weights
            .pack(sizes.layer, base, weights.w_hh, weights.projection);
        let blocks = row_ranges(sizes.batch.div_ceil(ROW_BLOCK), sizes.threads);
        self.parts.resize_with(blocks.len(), Part::default);
        for (part, blocks) in self.parts.iter_mut().zip(blocks) {
            part.rows = blocks.start * ROW_BLOCK..sizes.batch.min(blocks.end * ROW_BLOCK);
        }
    }

    /// Takes a run with these `weights` that was computed elsewhere, for [`backward`]. `tokens` are
    /// the size of the alphabet and the input `[T, B]`, if the input was a table.
    ///
    /// # Panics
    /// A slice has another length than its shape.
    pub fn record(
        &mut self,
        sizes: Sizes,
        tokens: Option<(usize, &[u8])>,
        weights: Weights<'_>,
        record: Record<'_>,
    ) {
        let Sizes { batch, layer, .. } = sizes;
        self.share(sizes, tokens.map(|(v, _)| v), (Base::Tape, weights));
        on_threads(self.parts.iter_mut().collect(), |part| {
            let rows = part.rows.clone();
            let padded = rows.len().next_multiple_of(ROW_BLOCK);
            let at = |values, width, t| slab_rows(values, width, t * batch, &rows);
            let (hidden, output) = (layer.hidden, layer.output());
            let state = (at(record.h0, output, 0), at(record.cells, hidden, 0));
            part.tape.begin(layer, (sizes.steps, padded), state);
            part.tokens.clear();
            for t in 0..sizes.steps {
                let gates = at(record.gates, layer.columns(), t);
                let cells = at(record.cells, hidden, t + 1);
                let outputs = at(record.hs, output, t);
                let units = match layer.projection {
                    Some(_) => at(record.units, hidden, t),
                    None => &[],
                };
                part.tape.record(t, [gates, cells, units, outputs]);
                if let Some((_, tokens)) = tokens {
                    let tokens = &tokens[t * batch..][rows.clone()];
                    part.tokens.extend_from_slice(tokens);
                    part.tokens.resize((t + 1) * padded, 0);
                }
            }
        });
    }

    /// After [`backward`], the gradient of a bias of the projection, `[R]`; zeros without one.
    pub fn projection_bias_gradient(&self, sizes: Sizes) -> Vec<f32> {
        let axis = sizes.layer.output_axis();
        let mut sum = vec![0.0; axis.len()];
        if sizes.layer.projection.is_none() {
            return sum;
        }
        let mut values = Vec::new();
        for (part, t) in self
            .parts
            .iter()
            .flat_map(|p| (0..sizes.steps).map(move |t| (p, t)))
        {
            values.resize(part.rows.len() * axis.len(), 0.0);
            write_rows(part.tape.d_output(t), part.tape.rows(), axis, &mut values);
            for row in values.chunks_exact(axis.len()) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
        }
        sum
    }
}

/// Goes back through the sequence that `forward` ran with the same `sizes`, once; `d_hs` is the
/// gradient of its `hs`, `[T, B, R]`.
///
/// # Panics
/// `d_hs` has another length than its shape.
pub fn backward(sizes: Sizes, tape: &mut Tape, d_hs: &[f32]) -> Gradients {
    let Sizes {
        steps,
        batch,
        layer,
        threads,
    } = sizes;
    let (output, columns, arch) = (layer.output(), layer.columns(), Arch::new());
    assert!(d_hs.len() == steps * batch * output, "output");
    let packed = &tape.weights;
    on_threads(tape.parts.iter_mut().collect(), |part| {
        let rows = part.rows.clone();
        let padded = part.tape.rows();
        for t in (0..steps).rev() {
            let d_h = &d_hs[(t * batch + rows.start) * output..][..rows.len() * output];
            read_rows(d_h, layer.output_axis(), part.tape.d_h_mut(), padded);
            for panel in part.tape.d_h_mut().chunks_exact_mut(padded) {
                panel[rows.len()..].fill(Default::default());
            }
            part.tape.backward(arch, packed, Above::Given, (t, steps));
        }
    });
    let kind = tape.vocabulary.map_or(Kind::Tape, Kind::Table);
    let ran: Vec<Ran<'_>> = tape.parts.iter().map(Part::ran).collect();
    share_out(threads, tape.gradient.pieces(layer, kind), |piece| {
        piece.compute(arch, layer, steps, &ran);
    });
    let (gradient, gates) = (&tape.gradient, layer.gate_axis());
    let input = match tape.vocabulary {
        Some(vocabulary) => gradient.table(layer, vocabulary),
        None => {
            let mut input = vec![0.0; steps * batch * columns];
            for (part, t) in tape
                .parts
                .iter()
                .flat_map(|p| (0..steps).map(move |t| (p, t)))
            {
                part.write(part.tape.gates(t), gates, &mut input[t * batch * columns..]);
            }
            input
        }
    };
    let mut w_hh = vec![0.0; output * columns];
    unpack(
        &gradient.w_hh,
        layer.output_axis(),
        gates,
        gates.gate_count(),
        &mut w_hh,
    );
    let projection = layer.projection.map(|_| {
        let (units, outputs) = (layer.unit_axis(), layer.output_axis());
        let mut projection = vec![0.0; units.len() * outputs.len()];
        unpack(&gradient.projection, units, outputs, GROUP, &mut projection);
        projection
    });
    Gradients {
        input,
        w_hh,
        projection,
    }
}

impl Part {
    /// Writes a slab to its rows of a `[B, columns]` matrix.
    fn write(&self, slab: &[crate::kernels::panels::Strip], axis: Axis, to: &mut [f32]) {
        let to = &mut to[self.rows.start * axis.len()..self.rows.end * axis.len()];
        write_rows(slab, self.tape.rows(), axis, to);
    }

    fn ran(&self) -> Ran<'_> {
        Ran {
            tape: &self.tape,
            tokens: &self.tokens,
            below: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::gemm::{Matrix, gemm};
    use crate::kernels::random::Random;
    use crate::network::cell::step_forward;

    #[test]
    fn a_recorded_run_has_the_gradients_of_a_run() {
        let cifg = LayerConfig::cifg(21, 18);
        for (layer, tokens) in [(LayerConfig::lstm(19), true), (cifg, true), (cifg, false)] {
            let (steps, batch, vocabulary) = (5, 11, 7);
            let (hidden, output, columns) = (layer.hidden, layer.output(), layer.columns());
            let sizes = Sizes {
                steps,
                batch,
                layer,
                threads: 2,
            };
            let mut random = Random::new(3);
            let mut numbers = |count: usize| random.uniform_vec(count, 0.5);
            let (w_hh, projection) = (numbers(output * columns), numbers(hidden * output));
            let weights = Weights {
                w_hh: &w_hh,
                projection: layer.projection.map(|_| &projection[..]),
            };
            let (h0, c0) = (numbers(batch * output), numbers(batch * hidden));
            let d_hs = numbers(steps * batch * output);
            let pre = numbers(steps * batch * columns);
            let text: Vec<u8> = (0..steps * batch)
                .map(|i| (i * i % vocabulary) as u8)
                .collect();
            let table = &pre[..vocabulary * columns];
            let input = match tokens {
                true => Input::Table(table, &text),
                false => Input::Dense(&pre),
            };

            let mut tape = Tape::default();
            let mut hs = vec![0.0; steps * batch * output];
            let mut c = c0.clone();
            forward(sizes, input, weights, (&h0, &mut c), &mut tape, &mut hs);
            let expected = backward(sizes, &mut tape, &d_hs);

            let mut gates = Vec::new();
            let (mut cells, mut units) = (c0.clone(), Vec::new());
            for t in 0..steps {
                let before = match t {
                    0 => &h0[..],
                    _ => &hs[(t - 1) * batch * output..t * batch * output],
                };
                let mut a: Vec<f32> = match tokens {
                    true => {
                        let text = text[t * batch..][..batch].iter();
                        let row = |&v: &u8| &table[usize::from(v) * columns..][..columns];
                        text.flat_map(row).copied().collect()
                    }
                    false => pre[t * batch * columns..][..batch * columns].to_vec(),
                };
                let before = Matrix::new(before, batch, output);
                gemm(before, Matrix::new(&w_hh, output, columns), &mut a, true);
                for (row, a) in a.chunks_exact_mut(columns).enumerate() {
                    let (mut after, mut m) = (vec![0.0; hidden], vec![0.0; hidden]);
                    let c = cells[(t * batch + row) * hidden..][..hidden].to_vec();
                    step_forward(layer, a, &c, &mut after, &mut m);
                    cells.extend(after);
                    units.extend(m);
                }
                gates.extend(a);
            }
            let record = Record {
                gates: &gates,
                cells: &cells,
                units: &units,
                h0: &h0,
                hs: &hs,
            };
            let mut tape = Tape::default();
            let tokens = tokens.then_some((vocabulary, &text[..]));
            tape.record(sizes, tokens, weights, record);
            let found = backward(sizes, &mut tape, &d_hs);
            let close = |found: &[f32], expected: &[f32]| {
                assert_eq!(found.len(), expected.len());
                for (f, e) in found.iter().zip(expected) {
                    assert!((f - e).abs() <= 1e-5 * (1.0 + e.abs()), "{f} {e}");
                }
            };
            close(&found.input, &expected.input);
            close(&found.w_hh, &expected.w_hh);
            assert_eq!(found.projection.is_some(), layer.projection.is_some());
            if let (Some(found), Some(expected)) = (&found.projection, &expected.projection) {
                close(found, expected);
            }
        }
    }
}
