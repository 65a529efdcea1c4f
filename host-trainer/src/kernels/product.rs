//! Products of slabs with weights, on panels (see [`crate::kernels::panels`]).
//!
//! A slab is `[panel][row]` of strips; its rows are a multiple of [`ROW_BLOCK`](super::panels::ROW_BLOCK).
//! Each number of a product is one chain of fused multiply-adds, in the order of k. So results do not depend on how
//! rows and columns are split over threads, and are the same on every instruction set that has such
//! multiply-adds.

use crate::kernels::panels::{LANES, Packed, Strip, get, put};
use pulp::{Arch, Simd, WithSimd};

/// Panels that are computed together, but for those of the gates.
pub(crate) const GROUP: usize = 4;
/// Rows whose share of a weight's gradient is added at once: as many as the first cache holds.
const OUTER_ROWS: usize = 64;
/// The first panels of a slab's block, for [`Slab`] and [`Outer`].
const IN_ORDER: [usize; 4] = [0, 1, 2, 3];

/// A slab as a factor of a product: certain panels of each of its blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slab<'a> {
    strips: &'a [Strip],
    /// Panels of a block.
    block: usize,
    /// Those of a block that count, in their order.
    chosen: &'a [usize],
}

impl<'a> Slab<'a> {
    /// All panels.
    pub(crate) fn all(strips: &'a [Strip]) -> Self {
        Self::some(strips, 1, &IN_ORDER[..1])
    }

    /// Of each `block` panels those that are `chosen`.
    pub(crate) fn some(strips: &'a [Strip], block: usize, chosen: &'a [usize]) -> Self {
        Self {
            strips,
            block,
            chosen,
        }
    }
}

/// One addend of a sum of products: a slab times a weight matrix.
pub(crate) type Term<'a> = (Slab<'a>, &'a Packed);

/// What a sum of products starts from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    /// Zero.
    Zero,
    /// A row for all rows: `[panel]`.
    Bias(&'a [Strip]),
}

/// `out = start + x · w + x' · w' ..`.
#[derive(Debug)]
pub(crate) struct Product<'a> {
    /// Rows of every slab.
    pub(crate) rows: usize,
    /// The sum's start.
    pub(crate) start: Start<'a>,
    /// The addends. Their weights have equal widths and numbers of panels.
    pub(crate) terms: &'a [Term<'a>],
    /// The result: a block for each group of panels of the weights.
    pub(crate) out: &'a mut [Strip],
    /// Panels of such a block, of which the result takes the first; the width of a group, or more.
    pub(crate) block: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Some((_, weights)) = self.terms.first() else {
            return;
        };
        for (group, out) in self.out.chunks_mut(self.block * self.rows).enumerate() {
            let sum = Sum {
                rows: self.rows,
                start: match self.start {
                    Start::Bias(bias) => Start::Bias(&bias[group * weights.width()..]),
                    Start::Zero => Start::Zero,
                },
                terms: self.terms,
                group,
            };
            match weights.group_width(group) {
                1 => sum.write::<S, 1>(simd, out),
                2 => sum.write::<S, 2>(simd, out),
                3 => sum.write::<S, 3>(simd, out),
                _ => sum.write::<S, 4>(simd, out),
            }
        }
    }
}

/// A sum of products for one group of panels.
#[derive(Clone, Copy)]
pub(crate) struct Sum<'a> {
    /// Rows of every slab.
    pub(crate) rows: usize,
    /// The sum's start.
    pub(crate) start: Start<'a>,
    /// The addends.
    pub(crate) terms: &'a [Term<'a>],
    /// The group of their weights.
    pub(crate) group: usize,
}

impl Sum<'_> {
    /// Computes the sum, of `N` panels, into the first panels of `out`: as many rows at a time as the registers hold.
    #[inline(always)]
    pub(crate) fn write<S: Simd, const N: usize>(self, simd: S, out: &mut [Strip]) {
        match (N, S::REGISTER_COUNT >= 32) {
            (1, _) | (2 | 3, true) => self.write_rows::<S, 8, N>(simd, out),
            (2 | 3, false) | (_, true) => self.write_rows::<S, 4, N>(simd, out),
            (_, false) => self.write_rows::<S, 2, N>(simd, out),
        }
    }

    /// As [`Sum::write`], `M` rows at a time.
    #[inline(always)]
    fn write_rows<S: Simd, const M: usize, const N: usize>(self, simd: S, out: &mut [Strip]) {
        for row in (0..self.rows).step_by(M) {
            for part in 0..LANES / S::F32_LANES {
                let start = match self.start {
                    Start::Zero => [simd.splat_f32s(0.0); N],
                    Start::Bias(bias) => std::array::from_fn(|n| get::<S>(&bias[n], part)),
                };
                let mut tile = [start; M];
                for (x, weights) in self.terms {
                    tile = self.add(simd, tile, *x, weights, (row, part));
                }
                for (n, panel) in out.chunks_exact_mut(self.rows).take(N).enumerate() {
                    for (strip, values) in panel[row..][..M].iter_mut().zip(&tile) {
                        put::<S>(strip, part, values[n]);
                    }
                }
            }
        }
    }

    /// `sum` and a product, for `M` rows and `N` panels; of each strip one vector.
    #[inline(always)]
    fn add<S: Simd, const M: usize, const N: usize>(
        &self,
        simd: S,
        mut sum: [[S::f32s; N]; M],
        x: Slab<'_>,
        weights: &Packed,
        (row, part): (usize, usize),
    ) -> [[S::f32s; N]; M] {
        let (weights, _) = weights.group(self.group).as_chunks::<N>();
        let (mut weights, _) = weights.as_chunks::<LANES>();
        for block in x.strips.chunks_exact(x.block * self.rows) {
            for panel in x.chosen {
                let x = &block[panel * self.rows + row..][..M];
                let x: &[Strip; M] = x.try_into().expect("M rows");
                let (panel, rest) = weights.split_first().expect("as deep as the slab");
                weights = rest;
                for (k, weights) in panel.iter().enumerate() {
                    let w: [S::f32s; N] = std::array::from_fn(|n| get::<S>(&weights[n], part));
                    for m in 0..M {
                        let x = simd.splat_f32s(x[m].0[k]);
                        for n in 0..N {
                            sum[m][n] = simd.mul_add_e_f32s(x, w[n], sum[m][n]);
                        }
                    }
                }
            }
        }
        sum
    }
}

/// Adds to a weight's gradient: `gradient += sum over blocks of xᵀ · dy`.
struct OuterProduct<'a> {
    /// Panels of `dy` that count, 1 to 4: their places.
    chosen: &'a [usize],
    /// Pairs of slabs of the same rows, with their number: all of `x`, and a block of `dy`.
    blocks: &'a [(&'a [Strip], &'a [Strip], usize)],
    /// `[k][panel]`: a strip for each column of `x` (panels filled up) and each panel of `dy`.
    gradient: &'a mut [Strip],
}

impl WithSimd for OuterProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (self.chosen.len(), S::REGISTER_COUNT >= 32) {
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
        let chosen: [usize; N] = std::array::from_fn(|n| self.chosen[n]);
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
                for &(x, dy, rows) in self.blocks {
                    let x = &x[panel * rows..][..rows];
                    let dy = chosen.map(|n| &dy[n * rows..][..rows]);
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

/// A weight's gradient, the sum of outer products of slabs: collects them until they are many enough
/// to be added at once.
pub(crate) struct Outer<'g, 'a> {
    arch: Arch,
    chosen: &'a [usize],
    gradient: &'g mut [Strip],
    blocks: Vec<(&'a [Strip], &'a [Strip], usize)>,
    rows: usize,
}

impl<'g, 'a> Outer<'g, 'a> {
    /// Starts at zero. The panels of a block of `dy` that count are those that are `chosen`.
    pub(crate) fn new(arch: Arch, chosen: &'a [usize], gradient: &'g mut [Strip]) -> Self {
        gradient.fill(Strip::default());
        Self {
            arch,
            chosen,
            gradient,
            blocks: Vec::new(),
            rows: 0,
        }
    }

    /// As [`Outer::new`], with all `width` panels of a block.
    pub(crate) fn of_group(arch: Arch, width: usize, gradient: &'g mut [Strip]) -> Self {
        Self::new(arch, &IN_ORDER[..width], gradient)
    }

    /// Adds `xᵀ · dy`, slabs of so many rows, now or later.
    pub(crate) fn add(&mut self, x: &'a [Strip], dy: &'a [Strip], rows: usize) {
        self.blocks.push((x, dy, rows));
        self.rows += rows;
        if self.rows >= OUTER_ROWS {
            self.finish();
        }
    }

    /// Adds what is left.
    pub(crate) fn finish(&mut self) {
        self.arch.dispatch(OuterProduct {
            chosen: self.chosen,
            blocks: &self.blocks,
            gradient: self.gradient,
        });
        self.blocks.clear();
        self.rows = 0;
    }
}

/// Adds each row of a block to the table row of its token, `[token][panel]`; without tokens to the one
/// row.
#[derive(Debug)]
pub(crate) struct AddRows<'a> {
    /// Rows of the block.
    pub(crate) rows: usize,
    /// Panels of the block that count: their places.
    pub(crate) chosen: &'a [usize],
    /// The block: `[panel][row]`.
    pub(crate) dy: &'a [Strip],
    /// A token a row.
    pub(crate) tokens: Option<&'a [u8]>,
    /// The sums.
    pub(crate) table: &'a mut [Strip],
}

impl<'a> AddRows<'a> {
    /// The sum of the rows of a group of `width` panels.
    pub(crate) fn of_group(width: usize, dy: &'a [Strip], sum: &'a mut [Strip]) -> Self {
        Self {
            rows: dy.len() / width,
            chosen: &IN_ORDER[..width],
            dy,
            tokens: None,
            table: sum,
        }
    }
}

impl WithSimd for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (rows, width) = (self.rows, self.chosen.len());
        for row in 0..rows {
            let token = self.tokens.map_or(0, |tokens| usize::from(tokens[row]));
            let sums = &mut self.table[token * width..][..width];
            for (sum, chosen) in sums.iter_mut().zip(self.chosen) {
                let dy = &self.dy[chosen * rows + row];
                for part in 0..LANES / S::F32_LANES {
                    let x = simd.add_f32s(get::<S>(sum, part), get::<S>(dy, part));
                    put::<S>(sum, part, x);
                }
            }
        }
    }
}
