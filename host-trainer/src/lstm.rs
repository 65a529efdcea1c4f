//! The LSTM over a sequence, forward and backward, on plain slices.
//!
//! Shapes: T steps, B rows (texts side by side), H units; `[T, B, 4H]` holds for each step and row
//! the four gates i, f, g, o. With `a` the pre-activations (input already multiplied and biased):
//!
//! ```text
//! a    += h · w_hh                                   forward, for t = 0..T
//! i, f, o = sigmoid(a_i, a_f, a_o);  g = tanh(a_g)
//! c     = f * c + i * g;   h = o * tanh(c)
//!
//! dc   += dh * o * (1 - tanh(c)^2)                   backward, for t = T-1..=0
//! da_i  = dc * g * i (1 - i);      da_f = dc * c_before * f (1 - f)
//! da_g  = dc * i * (1 - g^2);      da_o = dh * tanh(c) * o (1 - o)
//! dc    = dc * f;                  dh   = dh_out + da · w_hhᵀ
//! dw_hh = sum over t of h_beforeᵀ · da               one product over all T·B rows
//! ```
//!
//! The rows of a batch are split over threads; each step's products run on the `gemm` crate and the
//! gate loops are vectorized for the CPU at hand.

use crate::gemm::{Matrix, gemm};
use crate::vectorize::{sigmoid, tanh, vectorized};

/// Sizes of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Steps, T.
    pub steps: usize,
    /// Rows, B.
    pub batch: usize,
    /// Units, H.
    pub hidden: usize,
    /// Threads to split the rows over.
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

/// What the forward pass keeps for the backward pass.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    /// Gates after their activation `[T, B, 4H]`; the backward pass turns them into gradients.
    pub gates: Vec<f32>,
    /// Cells, with the initial ones first `[T+1, B, H]`.
    pub cells: Vec<f32>,
}

/// Gradients with respect to what went in.
#[derive(Debug)]
pub struct Gradients {
    /// As the input: `[V, 4H]` for a table, empty for dense input (whose gradient is the tape's
    /// `gates`).
    pub table: Vec<f32>,
    /// `[H, 4H]`.
    pub w_hh: Vec<f32>,
}

/// Runs the sequence from the state (`h0`, `c0`), each `[B, H]`; writes `hs` `[T, B, H]`.
///
/// # Panics
/// A slice has another length than its shape, or a token is outside the table.
pub fn forward(
    sizes: Sizes,
    input: Input<'_>,
    w_hh: &[f32],
    (h0, c0): (&[f32], &[f32]),
    tape: &mut Tape,
    hs: &mut [f32],
) {
    let Sizes {
        steps,
        batch,
        hidden,
        ..
    } = sizes;
    let (slab, columns) = (batch * hidden, 4 * hidden);
    assert!(h0.len() == slab && c0.len() == slab, "initial state");
    assert!(w_hh.len() == hidden * columns, "w_hh");
    assert!(hs.len() == steps * slab, "output");
    if let Input::Dense(pre) = input {
        assert!(pre.len() == steps * batch * columns, "pre-activations");
    }
    tape.gates.resize(steps * batch * columns, 0.0);
    tape.cells.resize((steps + 1) * slab, 0.0);
    tape.cells[..slab].copy_from_slice(c0);
    let parts = row_ranges(batch, sizes.threads);
    let gates = split_rows(&mut tape.gates, steps, columns, &parts);
    let cells = split_rows(&mut tape.cells, steps + 1, hidden, &parts);
    let hs = split_rows(hs, steps, hidden, &parts);
    let work = parts.iter().zip(gates).zip(cells).zip(hs).collect();
    on_threads(work, |(((rows, mut gates), mut cells), mut hs)| {
        for t in 0..steps {
            match input {
                Input::Table(table, tokens) => {
                    let tokens = &tokens[t * batch..][rows.clone()];
                    for (gates, &token) in gates[t].chunks_exact_mut(columns).zip(tokens) {
                        gates.copy_from_slice(&table[usize::from(token) * columns..][..columns]);
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
                None => &h0[rows.start * hidden..rows.end * hidden],
            };
            let h_before = Matrix::new(h_before, rows.len(), hidden);
            gemm(h_before, Matrix::new(w_hh, hidden, columns), gates[t], true);
            let (before, after) = cells.split_at_mut(t + 1);
            step_forward(hidden, gates[t], before[t], after[0], rest[0]);
        }
    });
}

/// Goes back through the sequence that `forward` ran; `d_hs` is the gradient of `hs`, `[T, B, H]`.
/// Afterwards `tape.gates` holds the gradient of the pre-activations. `vocabulary` is the number of
/// rows of a table.
///
/// # Panics
/// A slice has another length than its shape.
pub fn backward(
    sizes: Sizes,
    tokens: Option<(&[u8], usize)>,
    w_hh: &[f32],
    h0: &[f32],
    tape: &mut Tape,
    hs: &[f32],
    d_hs: &[f32],
) -> Gradients {
    let Sizes {
        steps,
        batch,
        hidden,
        ..
    } = sizes;
    let (slab, columns) = (batch * hidden, 4 * hidden);
    assert!(hs.len() == steps * slab && d_hs.len() == hs.len(), "output");
    assert!(tape.gates.len() == steps * batch * columns, "tape");
    let w_hh_t = transpose(w_hh, hidden, columns);
    let parts = row_ranges(batch, sizes.threads);
    let cells = &tape.cells;
    let gates = split_rows(&mut tape.gates, steps, columns, &parts);
    let work = parts.iter().zip(gates).collect();
    let tables = on_threads(work, |(rows, mut gates)| {
        let width = rows.len() * hidden;
        let (mut d_h, mut d_c) = (vec![0.0; width], vec![0.0; width]);
        let mut table = vec![0.0; tokens.map_or(0, |(_, vocabulary)| vocabulary * columns)];
        for t in (0..steps).rev() {
            let slice = |data| slab_rows(data, t, batch, hidden, rows);
            let next = slab_rows(cells, t + 1, batch, hidden, rows);
            add(&mut d_h, slice(d_hs));
            step_backward(hidden, gates[t], slice(cells), next, &d_h, &mut d_c);
            if let Some((tokens, _)) = tokens {
                let tokens = &tokens[t * batch..][rows.clone()];
                add_to_table(columns, gates[t], tokens, &mut table);
            }
            if t > 0 {
                let d_gates = Matrix::new(gates[t], rows.len(), columns);
                gemm(
                    d_gates,
                    Matrix::new(&w_hh_t, columns, hidden),
                    &mut d_h,
                    false,
                );
            }
        }
        table
    });
    Gradients {
        table: sum(tables),
        w_hh: recurrent_gradient(sizes, h0, hs, &tape.gates),
    }
}

/// `dw_hh = h_beforeᵀ · da` over all steps and rows, its rows split over the threads.
fn recurrent_gradient(sizes: Sizes, h0: &[f32], hs: &[f32], d_gates: &[f32]) -> Vec<f32> {
    let Sizes {
        steps,
        batch,
        hidden,
        threads,
    } = sizes;
    let columns = 4 * hidden;
    let mut gradient = vec![0.0; hidden * columns];
    let mut work = Vec::new();
    let mut rest = &mut gradient[..];
    for units in row_ranges(hidden, threads) {
        let (part, after) = rest.split_at_mut(units.len() * columns);
        rest = after;
        work.push((units, part));
    }
    let has_initial_state = h0.iter().any(|&h| h != 0.0);
    on_threads(work, |(units, part)| {
        let (first, later) = d_gates.split_at(batch * columns);
        let rows = (steps - 1) * batch;
        if rows > 0 {
            let before = Matrix::strided(&hs[units.start..], rows, units.len(), hidden);
            gemm(
                before.transposed(),
                Matrix::new(later, rows, columns),
                part,
                false,
            );
        }
        if has_initial_state {
            let before = Matrix::strided(&h0[units.start..], batch, units.len(), hidden);
            gemm(
                before.transposed(),
                Matrix::new(first, batch, columns),
                part,
                true,
            );
        }
    });
    gradient
}

vectorized! {
    /// Activations of one step for some rows: gates `[rows, 4H]`, the rest `[rows, H]`.
    fn step_forward<'a>(hidden: usize, gates: &'a mut [f32], before: &'a [f32], after: &'a mut [f32], h: &'a mut [f32]) {
        let rows = gates.chunks_exact_mut(4 * hidden).zip(before.chunks_exact(hidden));
        let out = after.chunks_exact_mut(hidden).zip(h.chunks_exact_mut(hidden));
        for ((gates, before), (after, h)) in rows.zip(out) {
            let (i, gates) = gates.split_at_mut(hidden);
            let (f, gates) = gates.split_at_mut(hidden);
            let (g, o) = gates.split_at_mut(hidden);
            row_forward([i, f, g, o], before, after, h);
        }
    }
}

/// One row of [`step_forward`].
#[inline(always)]
pub(crate) fn row_forward(
    [i, f, g, o]: [&mut [f32]; 4],
    before: &[f32],
    after: &mut [f32],
    h: &mut [f32],
) {
    let n = h.len();
    for at in (0..n).step_by(LANES) {
        let at = at..n.min(at + LANES);
        let [mut iv, mut fv, mut gv, mut ov] = [&*i, &*f, &*g, &*o].map(|x| load(&x[at.clone()]));
        let mut c = load(&before[at.clone()]);
        let mut hv = [0.0; LANES];
        for j in 0..LANES {
            iv[j] = sigmoid(iv[j]);
            fv[j] = sigmoid(fv[j]);
            gv[j] = tanh(gv[j]);
            ov[j] = sigmoid(ov[j]);
            c[j] = fv[j] * c[j] + iv[j] * gv[j];
            hv[j] = ov[j] * tanh(c[j]);
        }
        store(&mut i[at.clone()], &iv);
        store(&mut f[at.clone()], &fv);
        store(&mut g[at.clone()], &gv);
        store(&mut o[at.clone()], &ov);
        store(&mut after[at.clone()], &c);
        store(&mut h[at], &hv);
    }
}

vectorized! {
    /// Gradients of one step for some rows; gates become their gradients, `d_c` moves one step back.
    fn step_backward<'a>(hidden: usize, gates: &'a mut [f32], before: &'a [f32], after: &'a [f32], d_h: &'a [f32], d_c: &'a mut [f32]) {
        let rows = gates.chunks_exact_mut(4 * hidden).zip(before.chunks_exact(hidden));
        let rows = rows.zip(after.chunks_exact(hidden)).zip(d_h.chunks_exact(hidden));
        for ((((gates, before), after), d_h), d_c) in rows.zip(d_c.chunks_exact_mut(hidden)) {
            let (i, gates) = gates.split_at_mut(hidden);
            let (f, gates) = gates.split_at_mut(hidden);
            let (g, o) = gates.split_at_mut(hidden);
            row_backward([i, f, g, o], before, after, d_h, d_c);
        }
    }
}

/// One row of [`step_backward`].
#[inline(always)]
fn row_backward(
    [i, f, g, o]: [&mut [f32]; 4],
    before: &[f32],
    after: &[f32],
    d_h: &[f32],
    d_c: &mut [f32],
) {
    let n = d_h.len();
    for at in (0..n).step_by(LANES) {
        let at = at..n.min(at + LANES);
        let [mut iv, mut fv, mut gv, mut ov] = [&*i, &*f, &*g, &*o].map(|x| load(&x[at.clone()]));
        let (before, after) = (load(&before[at.clone()]), load(&after[at.clone()]));
        let (d_h, mut d) = (load(&d_h[at.clone()]), load(&d_c[at.clone()]));
        for j in 0..LANES {
            let tanh_c = tanh(after[j]);
            let (ij, fj, gj, oj) = (iv[j], fv[j], gv[j], ov[j]);
            let dj = d[j] + d_h[j] * oj * (1.0 - tanh_c * tanh_c);
            iv[j] = dj * gj * ij * (1.0 - ij);
            fv[j] = dj * before[j] * fj * (1.0 - fj);
            gv[j] = dj * ij * (1.0 - gj * gj);
            ov[j] = d_h[j] * tanh_c * oj * (1.0 - oj);
            d[j] = dj * fj;
        }
        store(&mut i[at.clone()], &iv);
        store(&mut f[at.clone()], &fv);
        store(&mut g[at.clone()], &gv);
        store(&mut o[at.clone()], &ov);
        store(&mut d_c[at], &d);
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

/// For each range of rows, its part of every step's slab of a `[T, B, width]` array.
fn split_rows<'a>(
    data: &'a mut [f32],
    steps: usize,
    width: usize,
    parts: &[std::ops::Range<usize>],
) -> Vec<Vec<&'a mut [f32]>> {
    let mut split: Vec<Vec<&mut [f32]>> = parts.iter().map(|_| Vec::new()).collect();
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

/// The rows of step `t` of a `[T, B, H]` array.
fn slab_rows<'a>(
    data: &'a [f32],
    t: usize,
    batch: usize,
    hidden: usize,
    rows: &std::ops::Range<usize>,
) -> &'a [f32] {
    &data[(t * batch + rows.start) * hidden..][..rows.len() * hidden]
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
