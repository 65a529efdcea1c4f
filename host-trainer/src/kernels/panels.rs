//! Matrices as the training kernels read them: cut into panels of 16 columns.
//!
//! A matrix of some rows (texts of a batch, at one step) lies panel by panel, and in a panel row by
//! row: `[panel][row]` of [`Strip`]s. A kernel then walks memory forward, and one strip is one
//! AVX-512 register, two of AVX2 or four of NEON. Sixteen divides no width in general: the last
//! panel is filled up with zeros, which stay zeros through all equations.
//!
//! A weight matrix, the right side of a product, is packed anew for each batch: [`Packed`].

use pulp::Simd;
use rayon::prelude::*;

/// Columns of a panel.
pub(crate) const LANES: usize = 16;
/// The rows of a slab are a multiple of this.
pub(crate) const ROW_BLOCK: usize = 8;

/// Sixteen numbers of a row, side by side in one cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Strip(pub [f32; LANES]);

/// Vector `part` of a strip.
#[inline(always)]
pub(crate) fn get<S: Simd>(strip: &Strip, part: usize) -> S::f32s {
    S::as_simd_f32s(&strip.0).0[part]
}

/// Writes vector `part` of a strip.
#[inline(always)]
pub(crate) fn put<S: Simd>(strip: &mut Strip, part: usize, values: S::f32s) {
    S::as_mut_simd_f32s(&mut strip.0).0[part] = values;
}

/// How the rows or columns of a row-major matrix lie in panels: `gates` blocks of `width` columns.
/// The panels of the gates alternate, so that those of the same sixteen units are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Axis {
    gates: usize,
    width: usize,
}

impl Axis {
    /// Columns in their plain order.
    pub(crate) fn plain(width: usize) -> Self {
        Self { gates: 1, width }
    }

    /// The pre-activations of a cell.
    pub(crate) fn gates(gates: usize, width: usize) -> Self {
        Self { gates, width }
    }

    /// Number of blocks.
    pub(crate) fn gate_count(self) -> usize {
        self.gates
    }

    /// Number of columns.
    pub(crate) fn len(self) -> usize {
        self.gates * self.width
    }

    /// Number of panels.
    pub(crate) fn panels(self) -> usize {
        self.gates * self.width.div_ceil(LANES)
    }

    /// The columns that a panel holds.
    pub(crate) fn span(self, panel: usize) -> std::ops::Range<usize> {
        let (block, start) = (panel % self.gates, panel / self.gates * LANES);
        let offset = block * self.width;
        offset + start..offset + self.width.min(start + LANES)
    }
}

/// Copies row-major `[n, columns]` into the first `n` of the `rows` rows of a slab.
pub(crate) fn read_rows(from: &[f32], axis: Axis, slab: &mut [Strip], rows: usize) {
    for (panel, strips) in slab.chunks_exact_mut(rows).enumerate() {
        let span = axis.span(panel);
        for (strip, row) in strips.iter_mut().zip(from.chunks_exact(axis.len())) {
            copy(&row[span.clone()], &mut strip.0[..span.len()]);
        }
    }
}

/// Copies the first rows of a slab of `rows` rows into row-major `[n, columns]`.
pub(crate) fn write_rows(slab: &[Strip], rows: usize, axis: Axis, to: &mut [f32]) {
    for (panel, strips) in slab.chunks_exact(rows).enumerate() {
        let span = axis.span(panel);
        for (strip, row) in strips.iter().zip(to.chunks_exact_mut(axis.len())) {
            copy(&strip.0[..span.len()], &mut row[span.clone()]);
        }
    }
}

/// Copies the columns of a panel: nearly always all of them, which is one vector.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    match (from.first_chunk::<LANES>(), to.first_chunk_mut::<LANES>()) {
        (Some(from), Some(to)) => *to = *from,
        _ => to.copy_from_slice(from),
    }
}

/// A weight matrix `[K, N]` for products `x · w`: its panels in groups of a few, which a kernel
/// computes together, and in a group `[k][panel]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    strips: Vec<Strip>,
    inner: Axis,
    outer: Axis,
    width: usize,
}

impl Packed {
    /// Packs row-major `[rows, columns]`, in groups of `width` panels.
    pub(crate) fn pack(&mut self, matrix: &[f32], rows: Axis, columns: Axis, width: usize) {
        self.shape(rows, columns, width);
        let depth = rows.panels() * LANES;
        let groups = self.strips.par_chunks_mut(depth * width).enumerate();
        groups.for_each(|(group, strips)| {
            let count = strips.len() / depth;
            for n in 0..count {
                let span = columns.span(group * width + n);
                for (panel, block) in strips.chunks_exact_mut(LANES * count).enumerate() {
                    for (row, strips) in rows.span(panel).zip(block.chunks_exact_mut(count)) {
                        let from = &matrix[row * columns.len()..][span.clone()];
                        copy(from, &mut strips[n].0[..span.len()]);
                    }
                }
            }
        });
    }

    /// Packs the transpose of row-major `[rows, columns]`, in groups of four panels.
    pub(crate) fn pack_transposed(&mut self, matrix: &[f32], rows: Axis, columns: Axis) {
        const WIDTH: usize = 4;
        self.shape(columns, rows, WIDTH);
        let depth = columns.panels() * LANES;
        let groups = self.strips.par_chunks_mut(depth * WIDTH).enumerate();
        groups.for_each(|(group, strips)| {
            let count = strips.len() / depth;
            for n in 0..count {
                for (panel, block) in strips.chunks_exact_mut(LANES * count).enumerate() {
                    let span = columns.span(panel);
                    for (lane, row) in rows.span(group * WIDTH + n).enumerate() {
                        let from = &matrix[row * columns.len()..][span.clone()];
                        for (strips, &x) in block.chunks_exact_mut(count).zip(from) {
                            strips[n].0[lane] = x;
                        }
                    }
                }
            }
        });
    }

    fn shape(&mut self, inner: Axis, outer: Axis, width: usize) {
        if (inner, outer, width) != (self.inner, self.outer, self.width) {
            let strips = vec![Strip::default(); inner.panels() * LANES * outer.panels()];
            *self = Self {
                strips,
                inner,
                outer,
                width,
            };
        }
    }

    /// Number of panels, N / 16 rounded up.
    pub(crate) fn panels(&self) -> usize {
        self.outer.panels()
    }

    /// Panels in a group; the last group may have fewer.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Panels of group `index`.
    pub(crate) fn group_width(&self, index: usize) -> usize {
        self.width.min(self.panels() - index * self.width)
    }

    /// Group `index`: `[k][panel]`.
    pub(crate) fn group(&self, index: usize) -> &[Strip] {
        let depth = self.inner.panels() * LANES;
        let start = index * self.width;
        let end = self.panels().min(start + self.width);
        &self.strips[start * depth..end * depth]
    }
}

/// Takes the gradient of a weight out of its panels: the strips of [`Packed::pack`], to row-major
/// `[rows, columns]`.
pub(crate) fn unpack(strips: &[Strip], rows: Axis, columns: Axis, width: usize, to: &mut [f32]) {
    let depth = rows.panels() * LANES;
    // The panels of an axis of one block are its rows in their order.
    debug_assert_eq!(rows.gate_count(), 1);
    let blocks = to.par_chunks_mut(LANES * columns.len()).enumerate();
    blocks.for_each(|(block, to)| {
        for (index, group) in strips.chunks(depth * width).enumerate() {
            let count = group.len() / depth;
            let strips = &group[block * LANES * count..];
            for n in 0..count {
                let span = columns.span(index * width + n);
                let rows = to.chunks_exact_mut(columns.len());
                for (row, strips) in rows.zip(strips.chunks_exact(count)) {
                    copy(&strips[n].0[..span.len()], &mut row[span.clone()]);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_in_and_come_out() {
        for axis in [Axis::plain(37), Axis::gates(3, 21), Axis::gates(4, 16)] {
            let matrix: Vec<f32> = (0..5 * axis.len()).map(|i| i as f32).collect();
            let mut slab = vec![Strip::default(); axis.panels() * 8];
            read_rows(&matrix, axis, &mut slab, 8);
            let sum = slab.iter().flat_map(|s| s.0).sum::<f32>();
            assert_eq!(sum, matrix.iter().sum::<f32>());
            let mut out = vec![0.0; matrix.len()];
            write_rows(&slab, 8, axis, &mut out);
            assert_eq!(out, matrix);
        }
    }

    #[test]
    fn a_packed_matrix_holds_each_number_at_its_place() {
        let (rows, columns) = (Axis::plain(19), Axis::gates(3, 21));
        let matrix: Vec<f32> = (1..=rows.len() * columns.len()).map(|i| i as f32).collect();
        let at = |packed: &Packed, k: usize, panel: usize, lane: usize| {
            let group = packed.group(panel / packed.width());
            let width = group.len() / (packed.inner.panels() * LANES);
            group[k * width + panel % packed.width()].0[lane]
        };
        let index = |axis: Axis, panel: usize, lane: usize| axis.span(panel).nth(lane);
        for width in 1..=4 {
            let (mut plain, mut transposed) = (Packed::default(), Packed::default());
            plain.pack(&matrix, rows, columns, width);
            transposed.pack_transposed(&matrix, rows, columns);
            let mut out = vec![0.0; matrix.len()];
            unpack(&plain.strips, rows, columns, width, &mut out);
            assert_eq!(out, matrix);
            for (r, c) in
                (0..rows.panels()).flat_map(|r| (0..columns.panels()).map(move |c| (r, c)))
            {
                for (i, j) in (0..LANES).flat_map(|i| (0..LANES).map(move |j| (i, j))) {
                    let expected = match (index(rows, r, i), index(columns, c, j)) {
                        (Some(row), Some(column)) => matrix[row * columns.len() + column],
                        _ => 0.0,
                    };
                    assert_eq!(at(&plain, r * LANES + i, c, j), expected);
                    assert_eq!(at(&transposed, c * LANES + j, r, i), expected);
                }
            }
        }
    }
}
