//! A recurrent layer over a sequence, forward and backward, on plain slices.
//!
//! Shapes: T steps, B rows (texts side by side), H units; `[T, B, 4H]` holds for each step and row
//! the four gates i, f, g, o. With `a` the pre-activations (input already multiplied and biased):
//!
//! ```text
//! a    += h · w_hh                                   forward, for t = 0..T
//! i, f, o = sigmoid(a_i, a_f, a_o);  g = tanh(a_g)
//! c     = f * c + i * g;   m = o * tanh(c)
//! h     = m · projection                             or m itself
//!
//! dh    = dh_out + da · w_hhᵀ                        backward, for t = T-1..=0
//! dm    = dh · projectionᵀ                           or dh itself
//! dc   += dm * o * (1 - tanh(c)^2)
//! da_i  = dc * g * i (1 - i);      da_f = dc * c_before * f (1 - f)
//! da_g  = dc * i * (1 - g^2);      da_o = dm * tanh(c) * o (1 - o)
//! dc    = dc * f
//! dw_hh = sum over t of h_beforeᵀ · da               one product over all T·B rows
//! dprojection = sum over t of mᵀ · dh                the same
//! ```
//!
//! The lean cell has the gates i, g, o and `[T, B, 3H]`; there `f` is `1 - i` and
//! `da_i = dc * (g - c_before) * i (1 - i)`. With a projection `h` has R columns instead of H.
//!
//! The rows of a batch are split over threads; each step's products run on the `gemm` crate and the
//! gate loops are vectorized for the CPU at hand.

use crate::gemm::{Matrix, gemm};
use crate::network::{Cell, LayerConfig};
use crate::vectorize::{sigmoid, tanh, vectorized};

/// Sizes of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Steps, T.
    pub steps: usize,
    /// Rows, B.
    pub batch: usize,
    /// The layer: its cell, H and R.
    pub layer: LayerConfig,
    /// Threads to split the rows over.
    pub threads: usize,
}

/// Where the pre-activations come from. For a lean layer read 3H for 4H, here and below.
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

/// What the forward pass keeps for the backward pass.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    /// Gates after their activation `[T, B, 4H]`; the backward pass turns them into gradients.
    pub gates: Vec<f32>,
    /// Cells, with the initial ones first `[T+1, B, H]`.
    pub cells: Vec<f32>,
    /// What goes into the projection, m `[T, B, H]`; empty without one.
    pub units: Vec<f32>,
    /// Written by the backward pass: the gradient of all that the projection gives `[T, B, R]`;
    /// empty without one.
    pub d_outputs: Vec<f32>,
}

/// Gradients with respect to what went in.
#[derive(Debug)]
pub struct Gradients {
    /// As the input: `[V, 4H]` for a table, empty for dense input (whose gradient is the tape's
    /// `gates`).
    pub table: Vec<f32>,
    /// `[R, 4H]`.
    pub w_hh: Vec<f32>,
    /// `[H, R]`.
    pub projection: Option<Vec<f32>>,
}

/// Runs the sequence from the state (`h0` `[B, R]`, `c0` `[B, H]`); writes `hs` `[T, B, R]`.
///
/// # Panics
/// A slice has another length than its shape, or a token is outside the table.
pub fn forward(
    sizes: Sizes,
    input: Input<'_>,
    weights: Weights<'_>,
    (h0, c0): (&[f32], &[f32]),
    tape: &mut Tape,
    hs: &mut [f32],
) {
    let Sizes {
        steps,
        batch,
        layer,
        threads,
    } = sizes;
    let (hidden, output, columns) = (layer.hidden, layer.output(), layer.columns());
    weights.check(layer);
    assert!(h0.len() == batch * output, "initial output");
    assert!(c0.len() == batch * hidden, "initial cell");
    assert!(hs.len() == steps * batch * output, "output");
    if let Input::Dense(pre) = input {
        assert!(pre.len() == steps * batch * columns, "pre-activations");
    }
    let units = weights.projection.map_or(0, |_| steps * batch * hidden);
    tape.units.resize(units, 0.0);
    tape.gates.resize(steps * batch * columns, 0.0);
    tape.cells.resize((steps + 1) * batch * hidden, 0.0);
    tape.cells[..c0.len()].copy_from_slice(c0);
    let w_hh = Matrix::new(weights.w_hh, output, columns);
    let projection = weights.projection.map(|p| Matrix::new(p, hidden, output));
    let parts = row_ranges(batch, threads);
    let gates = split_rows(&mut tape.gates, steps, columns, &parts);
    let cells = split_rows(&mut tape.cells, steps + 1, hidden, &parts);
    let units = split_rows(&mut tape.units, steps, hidden, &parts);
    let hs = split_rows(hs, steps, output, &parts);
    let work = parts.iter().zip(gates).zip(cells).zip(units).zip(hs);
    on_threads(
        work.collect(),
        |((((rows, mut gates), mut cells), mut units), mut hs)| {
            for t in 0..steps {
                match input {
                    Input::Table(table, tokens) => {
                        let tokens = &tokens[t * batch..][rows.clone()];
                        for (gates, &token) in gates[t].chunks_exact_mut(columns).zip(tokens) {
                            let row = &table[usize::from(token) * columns..][..columns];
                            gates.copy_from_slice(row);
                        }
                    }
                    Input::Dense(pre) => {
                        let start = (t * batch + rows.start) * columns;
                        gates[t].copy_from_slice(&pre[start..][..rows.len() * columns]);
                    }
                }
                let (done, rest) = hs.split_at_mut(t);
                let h_before = match done.last() {
                    Some(h) => &h[..],
                    None => &h0[rows.start * output..rows.end * output],
                };
                let h_before = Matrix::new(h_before, rows.len(), output);
                gemm(h_before, w_hh, gates[t], true);
                let (before, after) = cells.split_at_mut(t + 1);
                match projection {
                    None => step_forward(layer, gates[t], before[t], after[0], rest[0]),
                    Some(projection) => {
                        step_forward(layer, gates[t], before[t], after[0], units[t]);
                        let units = Matrix::new(units[t], rows.len(), hidden);
                        gemm(units, projection, rest[0], false);
                    }
                }
            }
        },
    );
}

/// Goes back through the sequence that `forward` ran; `d_hs` is the gradient of `hs`, `[T, B, R]`.
/// Afterwards `tape.gates` holds the gradient of the pre-activations. `tokens` come with the number
/// of rows of the table.
///
/// # Panics
/// A slice has another length than its shape.
pub fn backward(
    sizes: Sizes,
    tokens: Option<(&[u8], usize)>,
    weights: Weights<'_>,
    h0: &[f32],
    tape: &mut Tape,
    hs: &[f32],
    d_hs: &[f32],
) -> Gradients {
    let Sizes {
        steps,
        batch,
        layer,
        threads,
    } = sizes;
    let (hidden, output, columns) = (layer.hidden, layer.output(), layer.columns());
    let slab = batch * output;
    weights.check(layer);
    assert!(hs.len() == steps * slab && d_hs.len() == hs.len(), "output");
    assert!(tape.gates.len() == steps * batch * columns, "tape");
    let w_hh_t = transpose(weights.w_hh, output, columns);
    let w_hh_t = Matrix::new(&w_hh_t, columns, output);
    let projection_t = weights.projection.map(|p| transpose(p, hidden, output));
    let projection_t = projection_t
        .as_deref()
        .map(|p| Matrix::new(p, output, hidden));
    let d_outputs = projection_t.map_or(0, |_| steps * slab);
    tape.d_outputs.resize(d_outputs, 0.0);
    let parts = row_ranges(batch, threads);
    let cells = &tape.cells;
    let gates = split_rows(&mut tape.gates, steps, columns, &parts);
    let d_outputs = split_rows(&mut tape.d_outputs, steps, output, &parts);
    let work = parts.iter().zip(gates).zip(d_outputs).collect();
    let tables = on_threads(work, |((rows, mut gates), mut d_outputs)| {
        let mut d_h = vec![0.0; rows.len() * output];
        let mut d_c = vec![0.0; rows.len() * hidden];
        let mut d_m = vec![0.0; projection_t.map_or(0, |_| rows.len() * hidden)];
        let mut table = vec![0.0; tokens.map_or(0, |(_, vocabulary)| vocabulary * columns)];
        for t in (0..steps).rev() {
            let cells = |t| slab_rows(cells, t, batch, hidden, rows);
            add(&mut d_h, slab_rows(d_hs, t, batch, output, rows));
            let d_m = match projection_t {
                None => &d_h,
                Some(projection_t) => {
                    d_outputs[t].copy_from_slice(&d_h);
                    let d_h = Matrix::new(&d_h, rows.len(), output);
                    gemm(d_h, projection_t, &mut d_m, false);
                    &d_m
                }
            };
            step_backward(layer, gates[t], cells(t), cells(t + 1), d_m, &mut d_c);
            if let Some((tokens, _)) = tokens {
                let tokens = &tokens[t * batch..][rows.clone()];
                add_to_table(columns, gates[t], tokens, &mut table);
            }
            if t > 0 {
                let d_gates = Matrix::new(gates[t], rows.len(), columns);
                gemm(d_gates, w_hh_t, &mut d_h, false);
            }
        }
        table
    });
    // The output of each step meets the gates of the next.
    let (first, later) = tape.gates.split_at(batch * columns);
    let mut pairs = Vec::new();
    if steps > 1 {
        pairs.push((&hs[..(steps - 1) * slab], later));
    }
    if h0.iter().any(|&h| h != 0.0) {
        pairs.push((h0, first));
    }
    let units = [(&tape.units[..], &tape.d_outputs[..])];
    Gradients {
        table: sum(tables),
        w_hh: weight_gradient((output, columns), &pairs, threads),
        projection: weights
            .projection
            .map(|_| weight_gradient((hidden, output), &units, threads)),
    }
}

/// The gradient `[width, columns]` of a weight: the sum of `inputᵀ · d_output` over pairs of
/// `[rows, width]` and `[rows, columns]`. The weight's rows are split over the threads.
fn weight_gradient(
    (width, columns): (usize, usize),
    pairs: &[(&[f32], &[f32])],
    threads: usize,
) -> Vec<f32> {
    let mut gradient = vec![0.0; width * columns];
    let mut work = Vec::new();
    let mut rest = &mut gradient[..];
    for units in row_ranges(width, threads) {
        let (part, after) = rest.split_at_mut(units.len() * columns);
        rest = after;
        work.push((units, part));
    }
    on_threads(work, |(units, part)| {
        for (index, (input, d_output)) in pairs.iter().enumerate() {
            let rows = input.len() / width;
            let input = Matrix::strided(&input[units.start..], rows, units.len(), width);
            let d_output = Matrix::new(d_output, rows, columns);
            gemm(input.transposed(), d_output, part, index > 0);
        }
    });
    gradient
}

vectorized! {
    /// Activations of one step for some rows: gates `[rows, 4H]`, the rest `[rows, H]`.
    pub(crate) fn step_forward<'a>(layer: LayerConfig, gates: &'a mut [f32], before: &'a [f32], after: &'a mut [f32], m: &'a mut [f32]) {
        match layer.cell {
            Cell::Lstm => rows_forward::<Lstm, 4>(layer.hidden, gates, before, after, m),
            Cell::Lean => rows_forward::<Lean, 3>(layer.hidden, gates, before, after, m),
        }
    }
}

vectorized! {
    /// Gradients of one step for some rows; gates become their gradients, `d_c` moves one step back.
    fn step_backward<'a>(layer: LayerConfig, gates: &'a mut [f32], before: &'a [f32], after: &'a [f32], d_m: &'a [f32], d_c: &'a mut [f32]) {
        match layer.cell {
            Cell::Lstm => rows_backward::<Lstm, 4>(layer.hidden, gates, before, after, d_m, d_c),
            Cell::Lean => rows_backward::<Lean, 3>(layer.hidden, gates, before, after, d_m, d_c),
        }
    }
}

/// The equations of a cell with `G` gates, for one unit.
trait Unit<const G: usize> {
    /// From the pre-activations and the cell: the gates, the next cell and `m`.
    fn forward(a: [f32; G], before: f32) -> ([f32; G], f32, f32);

    /// From the gates, the cell before and after, and the gradients of `m` and of the cell after:
    /// the gradients of the pre-activations and of the cell before.
    fn backward(gates: [f32; G], before: f32, after: f32, d_m: f32, d_c: f32) -> ([f32; G], f32);
}

struct Lstm;

impl Unit<4> for Lstm {
    #[inline(always)]
    fn forward([i, f, g, o]: [f32; 4], before: f32) -> ([f32; 4], f32, f32) {
        let (i, f, g, o) = (sigmoid(i), sigmoid(f), tanh(g), sigmoid(o));
        let c = f * before + i * g;
        ([i, f, g, o], c, o * tanh(c))
    }

    #[inline(always)]
    fn backward(
        [i, f, g, o]: [f32; 4],
        before: f32,
        after: f32,
        d_m: f32,
        d_c: f32,
    ) -> ([f32; 4], f32) {
        let tanh_c = tanh(after);
        let d = d_c + d_m * o * (1.0 - tanh_c * tanh_c);
        let d_i = d * g * i * (1.0 - i);
        let d_f = d * before * f * (1.0 - f);
        let d_g = d * i * (1.0 - g * g);
        let d_o = d_m * tanh_c * o * (1.0 - o);
        ([d_i, d_f, d_g, d_o], d * f)
    }
}

struct Lean;

impl Unit<3> for Lean {
    #[inline(always)]
    fn forward([i, g, o]: [f32; 3], before: f32) -> ([f32; 3], f32, f32) {
        let (i, g, o) = (sigmoid(i), tanh(g), sigmoid(o));
        let c = (1.0 - i) * before + i * g;
        ([i, g, o], c, o * tanh(c))
    }

    #[inline(always)]
    fn backward(
        [i, g, o]: [f32; 3],
        before: f32,
        after: f32,
        d_m: f32,
        d_c: f32,
    ) -> ([f32; 3], f32) {
        let tanh_c = tanh(after);
        let d = d_c + d_m * o * (1.0 - tanh_c * tanh_c);
        let d_i = d * (g - before) * i * (1.0 - i);
        let d_g = d * i * (1.0 - g * g);
        let d_o = d_m * tanh_c * o * (1.0 - o);
        ([d_i, d_g, d_o], d * (1.0 - i))
    }
}

#[inline(always)]
fn rows_forward<U: Unit<G>, const G: usize>(
    hidden: usize,
    gates: &mut [f32],
    before: &[f32],
    after: &mut [f32],
    m: &mut [f32],
) {
    let rows = gates
        .chunks_exact_mut(G * hidden)
        .zip(before.chunks_exact(hidden));
    let out = after
        .chunks_exact_mut(hidden)
        .zip(m.chunks_exact_mut(hidden));
    for ((gates, before), (after, m)) in rows.zip(out) {
        for start in (0..hidden).step_by(LANES) {
            let at = start..hidden.min(start + LANES);
            let mut lanes = load_gates::<G>(gates, hidden, start);
            let mut c = load(&before[at.clone()]);
            let mut mv = [0.0; LANES];
            for j in 0..LANES {
                let (a, next, output) = U::forward(lane(&lanes, j), c[j]);
                set_lane(&mut lanes, j, a);
                (c[j], mv[j]) = (next, output);
            }
            store_gates(gates, hidden, start, &lanes);
            store(&mut after[at.clone()], &c);
            store(&mut m[at], &mv);
        }
    }
}

#[inline(always)]
fn rows_backward<U: Unit<G>, const G: usize>(
    hidden: usize,
    gates: &mut [f32],
    before: &[f32],
    after: &[f32],
    d_m: &[f32],
    d_c: &mut [f32],
) {
    let rows = gates
        .chunks_exact_mut(G * hidden)
        .zip(before.chunks_exact(hidden));
    let rows = rows
        .zip(after.chunks_exact(hidden))
        .zip(d_m.chunks_exact(hidden));
    for ((((gates, before), after), d_m), d_c) in rows.zip(d_c.chunks_exact_mut(hidden)) {
        for start in (0..hidden).step_by(LANES) {
            let at = start..hidden.min(start + LANES);
            let mut lanes = load_gates::<G>(gates, hidden, start);
            let (before, after) = (load(&before[at.clone()]), load(&after[at.clone()]));
            let (d_m, mut d) = (load(&d_m[at.clone()]), load(&d_c[at.clone()]));
            for j in 0..LANES {
                let (gradients, d_before) =
                    U::backward(lane(&lanes, j), before[j], after[j], d_m[j], d[j]);
                set_lane(&mut lanes, j, gradients);
                d[j] = d_before;
            }
            store_gates(gates, hidden, start, &lanes);
            store(&mut d_c[at], &d);
        }
    }
}

/// Number `j` of each gate.
#[inline(always)]
fn lane<const G: usize>(lanes: &[[f32; LANES]; G], j: usize) -> [f32; G] {
    let mut values = [0.0; G];
    for (value, lanes) in values.iter_mut().zip(lanes) {
        *value = lanes[j];
    }
    values
}

#[inline(always)]
fn set_lane<const G: usize>(lanes: &mut [[f32; LANES]; G], j: usize, values: [f32; G]) {
    for (lanes, value) in lanes.iter_mut().zip(values) {
        lanes[j] = value;
    }
}

/// The units from `start` of each gate of a row `[G, hidden]`.
#[inline(always)]
fn load_gates<const G: usize>(gates: &[f32], hidden: usize, start: usize) -> [[f32; LANES]; G] {
    let mut lanes = [[0.0; LANES]; G];
    for (lanes, gate) in lanes.iter_mut().zip(gates.chunks_exact(hidden)) {
        *lanes = load(&gate[start..hidden.min(start + LANES)]);
    }
    lanes
}

#[inline(always)]
fn store_gates<const G: usize>(
    gates: &mut [f32],
    hidden: usize,
    start: usize,
    lanes: &[[f32; LANES]; G],
) {
    for (lanes, gate) in lanes.iter().zip(gates.chunks_exact_mut(hidden)) {
        store(&mut gate[start..hidden.min(start + LANES)], lanes);
    }
}

/// Units that the gate loops handle at once. They work on local arrays of this length, which the
/// compiler turns into vectors without having to prove that nine slices do not overlap.
const LANES: usize = 16;

/// Up to [`LANES`] numbers; zeros where `from` is shorter.
#[inline(always)]
fn load(from: &[f32]) -> [f32; LANES] {
    match from.try_into() {
        Ok(full) => full,
        Err(_) => {
            let mut lanes = [0.0; LANES];
            lanes[..from.len()].copy_from_slice(from);
            lanes
        }
    }
}

/// Writes as many numbers as `to` is long.
#[inline(always)]
fn store(to: &mut [f32], lanes: &[f32; LANES]) {
    match <&mut [f32; LANES]>::try_from(&mut *to) {
        Ok(full) => *full = *lanes,
        Err(_) => to.copy_from_slice(&lanes[..to.len()]),
    }
}

vectorized! {
    /// `sum += part`.
    pub(crate) fn add<'a>(sum: &'a mut [f32], part: &'a [f32]) {
        add_row(sum, part);
    }
}

#[inline(always)]
fn add_row(sum: &mut [f32], part: &[f32]) {
    for (s, p) in sum.iter_mut().zip(part) {
        *s += p;
    }
}

vectorized! {
    /// Adds each row of `d_gates` to the table row of its token.
    fn add_to_table<'a>(columns: usize, d_gates: &'a [f32], tokens: &'a [u8], table: &'a mut [f32]) {
        for (row, &token) in d_gates.chunks_exact(columns).zip(tokens) {
            add_row(&mut table[usize::from(token) * columns..][..columns], row);
        }
    }
}

/// Splits `0..count` into at most `parts` ranges of nearly equal length, none empty.
pub(crate) fn row_ranges(count: usize, parts: usize) -> Vec<std::ops::Range<usize>> {
    let parts = parts.clamp(1, count.max(1));
    let bound = |i: usize| i * count / parts;
    (0..parts).map(|i| bound(i)..bound(i + 1)).collect()
}

/// For each range of rows, its part of every step's slab of a `[T, B, width]` array, which may be
/// missing.
fn split_rows<'a>(
    data: &'a mut [f32],
    steps: usize,
    width: usize,
    parts: &[std::ops::Range<usize>],
) -> Vec<Vec<&'a mut [f32]>> {
    let mut split: Vec<Vec<&mut [f32]>> = parts.iter().map(|_| Vec::new()).collect();
    if data.is_empty() {
        return split;
    }
    for slab in data.chunks_exact_mut(data.len() / steps) {
        let mut rest = slab;
        for (rows, out) in parts.iter().zip(&mut split) {
            let (part, after) = rest.split_at_mut(rows.len() * width);
            out.push(part);
            rest = after;
        }
    }
    split
}

/// The rows of step `t` of a `[T, B, width]` array.
fn slab_rows<'a>(
    data: &'a [f32],
    t: usize,
    batch: usize,
    width: usize,
    rows: &std::ops::Range<usize>,
) -> &'a [f32] {
    &data[(t * batch + rows.start) * width..][..rows.len() * width]
}

/// Runs `f` on every item, the first one on this thread and each other one on a thread of its own.
pub(crate) fn on_threads<W: Send, R: Send>(work: Vec<W>, f: impl Fn(W) -> R + Sync) -> Vec<R> {
    let mut work = work.into_iter();
    let Some(first) = work.next() else {
        return Vec::new();
    };
    std::thread::scope(|scope| {
        let f = &f;
        let others: Vec<_> = work.map(|item| scope.spawn(move || f(item))).collect();
        let mut results = vec![f(first)];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

/// Elementwise sum of vectors of equal length.
pub(crate) fn sum(parts: Vec<Vec<f32>>) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    for part in parts {
        add(&mut total, &part);
    }
    total
}

/// `[rows, columns]` to `[columns, rows]`, in blocks that fit the cache.
fn transpose(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    const BLOCK: usize = 32;
    let mut out = vec![0.0; matrix.len()];
    for row in (0..rows).step_by(BLOCK) {
        for column in (0..columns).step_by(BLOCK) {
            for r in row..rows.min(row + BLOCK) {
                for c in column..columns.min(column + BLOCK) {
                    out[c * rows + r] = matrix[r * columns + c];
                }
            }
        }
    }
    out
}
