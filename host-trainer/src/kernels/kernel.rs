//! The inner loops of training, on slabs of panels (see [`crate::kernels::panels`]).
//!
//! A slab is `[panel][row]` of strips; its rows are a multiple of [`ROW_BLOCK`]. Each number of a
//! product is one chain of fused multiply-adds, in the order of k. So results do not depend on how
//! rows and columns are split over threads, and are the same on every instruction set that has such
//! multiply-adds.

use crate::kernels::panels::{LANES, Packed, Strip};
use crate::kernels::vectorize::exp;
use crate::network::cell::Equations;
use pulp::{Simd, WithSimd};
use std::marker::PhantomData;

/// The rows of a slab are a multiple of this.
pub(crate) const ROW_BLOCK: usize = 8;

/// What a sum of products starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    /// Zero.
    Zero,
    /// What is in the output.
    Output,
    /// A row for all rows: `[panel]`.
    Bias(&'a [Strip]),
    /// The row of each row's token: `[group][token][panel]` with the number of tokens, and a token
    /// for each row.
    Table(&'a [Strip], usize, &'a [u8]),
}

/// One addend of a sum of products: a slab times a weight matrix.
pub(crate) type Term<'a> = (&'a [Strip], &'a Packed);

/// `out = start + x · w + x' · w' ..`.
#[derive(Debug)]
pub(crate) struct Product<'a> {
    /// Rows of every slab.
    pub rows: usize,
    /// The sum's start.
    pub start: Start<'a>,
    /// The addends. Their weights have equal widths and numbers of panels.
    pub terms: &'a [Term<'a>],
    /// The result, with the panels of the weights.
    pub out: &'a mut [Strip],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Some((_, weights)) = self.terms.first() else {
            return;
        };
        let chunk = weights.width() * self.rows;
        for (group, out) in self.out.chunks_mut(chunk).enumerate() {
            let sum = Sum {
                rows: self.rows,
                start: self.start,
                terms: self.terms,
                group,
            };
            match (out.len() / self.rows, S::REGISTER_COUNT >= 32) {
                (1, _) => sum.write::<S, 8, 1>(simd, out),
                (2, true) => sum.write::<S, 8, 2>(simd, out),
                (2, false) => sum.write::<S, 4, 2>(simd, out),
                (3, true) => sum.write::<S, 8, 3>(simd, out),
                (3, false) => sum.write::<S, 4, 3>(simd, out),
                (_, true) => sum.write::<S, 4, 4>(simd, out),
                (_, false) => sum.write::<S, 2, 4>(simd, out),
            }
        }
    }
}

/// The sum of products for one group of panels.
#[derive(Clone, Copy)]
struct Sum<'a> {
    rows: usize,
    start: Start<'a>,
    terms: &'a [Term<'a>],
    group: usize,
}

impl Sum<'_> {
    #[inline(always)]
    fn write<S: Simd, const M: usize, const N: usize>(self, simd: S, out: &mut [Strip]) {
        for row in (0..self.rows).step_by(M) {
            for part in 0..LANES / S::F32_LANES {
                let tile = self.tile::<S, M, N>(simd, row, part, out);
                for (n, panel) in out.chunks_exact_mut(self.rows).take(N).enumerate() {
                    for (strip, values) in panel[row..][..M].iter_mut().zip(&tile) {
                        put::<S>(strip, part, values[n]);
                    }
                }
            }
        }
    }

    /// `M` rows and `N` panels of the sum; of each strip one vector.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(
        &self,
        simd: S,
        row: usize,
        part: usize,
        out: &[Strip],
    ) -> [[S::f32s; N]; M] {
        let mut tile = [[simd.splat_f32s(0.0); N]; M];
        match self.start {
            Start::Zero => {}
            Start::Output => {
                for (m, tile) in tile.iter_mut().enumerate() {
                    for (n, x) in tile.iter_mut().enumerate() {
                        *x = get::<S>(&out[n * self.rows + row + m], part);
                    }
                }
            }
            Start::Bias(bias) => {
                let width = self.terms[0].1.width();
                let bias = &bias[self.group * width..][..N];
                for tile in &mut tile {
                    for (x, bias) in tile.iter_mut().zip(bias) {
                        *x = get::<S>(bias, part);
                    }
                }
            }
            Start::Table(table, vocabulary, tokens) => {
                let table = &table[self.group * vocabulary * N..][..vocabulary * N];
                for (tile, &token) in tile.iter_mut().zip(&tokens[row..][..M]) {
                    let start = &table[usize::from(token) * N..][..N];
                    for (x, start) in tile.iter_mut().zip(start) {
                        *x = get::<S>(start, part);
                    }
                }
            }
        }
        for (x, weights) in self.terms {
            multiply_add(
                simd,
                &mut tile,
                x,
                (self.rows, row),
                weights.group(self.group),
                part,
            );
        }
        tile
    }
}

/// `tile += x · w` for `M` rows of a slab and a group of `N` panels.
#[inline(always)]
fn multiply_add<S: Simd, const M: usize, const N: usize>(
    simd: S,
    tile: &mut [[S::f32s; N]; M],
    x: &[Strip],
    (rows, row): (usize, usize),
    weights: &[Strip],
    part: usize,
) {
    let (weights, _) = weights.as_chunks::<N>();
    let (weights, _) = weights.as_chunks::<LANES>();
    // A local copy stays in registers.
    let mut sum = *tile;
    for (x, weights) in x.chunks_exact(rows).zip(weights) {
        let x: &[Strip; M] = x[row..][..M].try_into().expect("M rows");
        for (k, weights) in weights.iter().enumerate() {
            let w: [S::f32s; N] = std::array::from_fn(|n| get::<S>(&weights[n], part));
            for m in 0..M {
                let x = simd.splat_f32s(x[m].0[k]);
                for n in 0..N {
                    sum[m][n] = simd.mul_add_e_f32s(x, w[n], sum[m][n]);
                }
            }
        }
    }
    *tile = sum;
}

/// One step of a layer: its pre-activations as a sum of products, and the equations of its cell.
#[derive(Debug)]
pub(crate) struct CellForward<'a, E> {
    /// Rows of every slab.
    pub rows: usize,
    /// What the pre-activations start from.
    pub start: Start<'a>,
    /// Their addends. The weights' groups are the gates of sixteen units.
    pub terms: &'a [Term<'a>],
    /// The gates, `[unit panel][gate]`.
    pub gates: &'a mut [Strip],
    /// The cells before.
    pub before: &'a [Strip],
    /// The cells after.
    pub after: &'a mut [Strip],
    /// `m`.
    pub m: &'a mut [Strip],
    /// The equations.
    pub equations: PhantomData<E>,
}

/// [`CellForward`] with its number of gates.
pub(crate) struct WithGates<T, const G: usize>(pub(crate) T);

impl<E: Equations<G>, const G: usize> WithSimd for WithGates<CellForward<'_, E>, G> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (S::REGISTER_COUNT >= 32, G) {
            (true, 4) => self.0.run::<S, 4, G>(simd),
            (true, _) => self.0.run::<S, 8, G>(simd),
            (false, 4) => self.0.run::<S, 2, G>(simd),
            (false, _) => self.0.run::<S, 4, G>(simd),
        }
    }
}

impl<E> CellForward<'_, E> {
    #[inline(always)]
    fn run<S: Simd, const M: usize, const G: usize>(self, simd: S)
    where
        E: Equations<G>,
    {
        let rows = self.rows;
        let gates = self.gates.chunks_exact_mut(G * rows);
        let cells = self.before.chunks_exact(rows);
        let out = self
            .after
            .chunks_exact_mut(rows)
            .zip(self.m.chunks_exact_mut(rows));
        for (group, ((gates, before), (after, m))) in gates.zip(cells).zip(out).enumerate() {
            let sum = Sum {
                rows,
                start: self.start,
                terms: self.terms,
                group,
            };
            for row in (0..rows).step_by(M) {
                for part in 0..LANES / S::F32_LANES {
                    let tile = sum.tile::<S, M, G>(simd, row, part, gates);
                    for (row, a) in (row..row + M).zip(tile) {
                        let c = get::<S>(&before[row], part);
                        let (a, c, output) = E::forward(simd, a, c);
                        for (g, a) in a.into_iter().enumerate() {
                            put::<S>(&mut gates[g * rows + row], part, a);
                        }
                        put::<S>(&mut after[row], part, c);
                        put::<S>(&mut m[row], part, output);
                    }
                }
            }
        }
    }
}

/// One step back through a cell: the gates become the gradients of the pre-activations.
#[derive(Debug)]
pub(crate) struct CellBackward<'a, E> {
    /// Rows of every slab.
    pub rows: usize,
    /// The gates, `[unit panel][gate]`.
    pub gates: &'a mut [Strip],
    /// The cells before and after.
    pub cells: [&'a [Strip]; 2],
    /// The gradient of `m`.
    pub d_m: &'a [Strip],
    /// The gradient of the cells after, which becomes that of the cells before.
    pub d_c: &'a mut [Strip],
    /// The equations.
    pub equations: PhantomData<E>,
}

impl<E: Equations<G>, const G: usize> WithSimd for WithGates<CellBackward<'_, E>, G> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(step) = self;
        let rows = step.rows;
        let [before, after] = step.cells.map(|cells| cells.chunks_exact(rows));
        let cells = before.zip(after);
        let gradients = step
            .d_m
            .chunks_exact(rows)
            .zip(step.d_c.chunks_exact_mut(rows));
        let gates = step.gates.chunks_exact_mut(G * rows);
        for ((gates, (before, after)), (d_m, d_c)) in gates.zip(cells).zip(gradients) {
            for row in 0..rows {
                for part in 0..LANES / S::F32_LANES {
                    let a = std::array::from_fn(|g| get::<S>(&gates[g * rows + row], part));
                    let cells = [before, after].map(|cells| get::<S>(&cells[row], part));
                    let d_m = get::<S>(&d_m[row], part);
                    let (a, d) = E::backward(simd, a, cells, d_m, get::<S>(&d_c[row], part));
                    for (g, a) in a.into_iter().enumerate() {
                        put::<S>(&mut gates[g * rows + row], part, a);
                    }
                    put::<S>(&mut d_c[row], part, d);
                }
            }
        }
    }
}

/// Turns logits into their gradient, softmax less one at the target, times `scale`; zeros in the
/// rows that have no target.
#[derive(Debug)]
pub(crate) struct SoftmaxErrors<'a> {
    /// Rows of the slab.
    pub rows: usize,
    /// Symbols; the logits after them count nothing.
    pub vocabulary: usize,
    /// One for each row that counts.
    pub targets: &'a [u8],
    /// Factor on the gradient.
    pub scale: f32,
    /// Logits, then errors.
    pub logits: &'a mut [Strip],
    /// Loss of each row that counts, in nats.
    pub losses: &'a mut [f64],
}

impl WithSimd for SoftmaxErrors<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.rows;
        let zero = simd.splat_f32s(0.0);
        let last = self.vocabulary.div_ceil(LANES) - 1;
        let beyond = self.vocabulary - last * LANES;
        for (row, (&target, loss)) in self.targets.iter().zip(self.losses).enumerate() {
            let target = usize::from(target);
            self.logits[last * rows + row].0[beyond..].fill(f32::NEG_INFINITY);
            let mut most = [f32::NEG_INFINITY; LANES];
            for panel in 0..=last {
                let strip = &self.logits[panel * rows + row];
                for (most, x) in most.iter_mut().zip(strip.0) {
                    *most = if *most < x { x } else { *most };
                }
            }
            let most = tree(most, |a, b| if a < b { b } else { a });
            let at_target = self.logits[target / LANES * rows + row].0[target % LANES] - most;
            let mut total = Strip::default();
            for panel in 0..=last {
                let strip = &mut self.logits[panel * rows + row];
                for part in 0..LANES / S::F32_LANES {
                    let x = simd.sub_f32s(get::<S>(strip, part), simd.splat_f32s(most));
                    put::<S>(strip, part, exp(simd, x));
                }
                if panel == last {
                    strip.0[beyond..].fill(0.0);
                }
                for (total, x) in total.0.iter_mut().zip(strip.0) {
                    *total += x;
                }
            }
            let total = tree(total.0, |a, b| a + b);
            let factor = simd.splat_f32s(self.scale / total);
            for panel in 0..=last {
                let strip = &mut self.logits[panel * rows + row];
                for part in 0..LANES / S::F32_LANES {
                    put::<S>(strip, part, simd.mul_f32s(get::<S>(strip, part), factor));
                }
            }
            self.logits[target / LANES * rows + row].0[target % LANES] -= self.scale;
            *loss = f64::from(total).ln() - f64::from(at_target);
        }
        for panel in self.logits.chunks_exact_mut(rows) {
            for strip in &mut panel[self.targets.len()..] {
                for part in 0..LANES / S::F32_LANES {
                    put::<S>(strip, part, zero);
                }
            }
        }
    }
}

/// Combines sixteen numbers in halves.
#[inline(always)]
fn tree(mut lanes: [f32; LANES], combine: impl Fn(f32, f32) -> f32) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            lanes[i] = combine(lanes[i], lanes[i + half]);
        }
    }
    lanes[0]
}

/// Adds to a weight's gradient: `gradient += sum over blocks of xᵀ · dy`.
#[derive(Debug)]
pub(crate) struct OuterProduct<'a> {
    /// Panels of `dy`, 1 to 4.
    pub width: usize,
    /// Pairs of slabs of the same rows: all of `x`, and `width` panels of `dy`.
    pub blocks: &'a [(&'a [Strip], &'a [Strip])],
    /// `[k][panel]`: a strip for each column of `x` (panels filled up) and each panel of `dy`.
    pub gradient: &'a mut [Strip],
}

impl WithSimd for OuterProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (self.width, S::REGISTER_COUNT >= 32) {
            (1, _) => self.run::<S, 8, 1>(simd),
            (2, true) => self.run::<S, 8, 2>(simd),
            (2, false) => self.run::<S, 4, 2>(simd),
            (3, true) => self.run::<S, 8, 3>(simd),
            (3, false) => self.run::<S, 4, 3>(simd),
            (_, true) => self.run::<S, 4, 4>(simd),
            (_, false) => self.run::<S, 2, 4>(simd),
        }
    }
}

impl OuterProduct<'_> {
    #[inline(always)]
    fn run<S: Simd, const M: usize, const N: usize>(self, simd: S) {
        let (gradient, _) = self.gradient.as_chunks_mut::<N>();
        for (index, gradient) in gradient.chunks_exact_mut(M).enumerate() {
            let (panel, lanes) = (index * M / LANES, index * M % LANES / M);
            for part in 0..LANES / S::F32_LANES {
                let mut tile = [[simd.splat_f32s(0.0); N]; M];
                for (tile, from) in tile.iter_mut().zip(&*gradient) {
                    for (x, from) in tile.iter_mut().zip(from) {
                        *x = get::<S>(from, part);
                    }
                }
                for (x, dy) in self.blocks {
                    let rows = dy.len() / N;
                    let x = &x[panel * rows..][..rows];
                    let dy: [&[Strip]; N] = std::array::from_fn(|n| &dy[n * rows..][..rows]);
                    let mut sum = tile;
                    for row in 0..rows {
                        let x = &x[row].0.as_chunks::<M>().0[lanes];
                        let dy: [S::f32s; N] = std::array::from_fn(|n| get::<S>(&dy[n][row], part));
                        for m in 0..M {
                            let x = simd.splat_f32s(x[m]);
                            for n in 0..N {
                                sum[m][n] = simd.mul_add_e_f32s(x, dy[n], sum[m][n]);
                            }
                        }
                    }
                    tile = sum;
                }
                for (tile, to) in tile.iter().zip(&mut *gradient) {
                    for (&x, to) in tile.iter().zip(to) {
                        put::<S>(to, part, x);
                    }
                }
            }
        }
    }
}

/// Adds each row of `dy` to the table row of its token, `[token][panel]`; without tokens to the one
/// row.
#[derive(Debug)]
pub(crate) struct AddRows<'a> {
    /// Panels of `dy`.
    pub width: usize,
    /// `[panel][row]`.
    pub dy: &'a [Strip],
    /// A token a row.
    pub tokens: Option<&'a [u8]>,
    /// The sums.
    pub table: &'a mut [Strip],
}

impl WithSimd for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.dy.len() / self.width;
        for row in 0..rows {
            let token = self.tokens.map_or(0, |tokens| usize::from(tokens[row]));
            let sums = &mut self.table[token * self.width..][..self.width];
            for (sum, dy) in sums.iter_mut().zip(self.dy.chunks_exact(rows)) {
                for part in 0..LANES / S::F32_LANES {
                    let x = simd.add_f32s(get::<S>(sum, part), get::<S>(&dy[row], part));
                    put::<S>(sum, part, x);
                }
            }
        }
    }
}

/// Vector `part` of a strip.
#[inline(always)]
fn get<S: Simd>(strip: &Strip, part: usize) -> S::f32s {
    S::as_simd_f32s(&strip.0).0[part]
}

#[inline(always)]
fn put<S: Simd>(strip: &mut Strip, part: usize, values: S::f32s) {
    S::as_mut_simd_f32s(&mut strip.0).0[part] = values;
}
