//! The dense layer, forward and backward, on panels.
//!
//! ```text
//! logits  = h · weight + bias                 [B, V]
//! dh      = dlogits · weightᵀ                 by what is below: a term of its own product
//! dweight = sum of hᵀ · dlogits;  dbias = sum of dlogits
//! ```

use crate::kernels::panels::{Axis, LANES, Packed, Strip, read_rows, unpack, write_rows};
use crate::kernels::product::{AddRows, GROUP, Outer, Product, Slab, Start};
use pulp::Arch;

/// The layer's weights, packed for a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackedDense {
    hidden: Axis,
    symbols: Axis,
    weight: Packed,
    /// For `dh`.
    pub(crate) weight_t: Packed,
    bias: Vec<Strip>,
}

impl PackedDense {
    /// Packs `weight` `[R, V]` and `bias` `[V]`.
    pub(crate) fn pack(&mut self, weight: &[f32], bias: &[f32]) {
        self.symbols = Axis::plain(bias.len());
        self.hidden = Axis::plain(weight.len() / bias.len());
        self.weight.pack(weight, self.hidden, self.symbols, GROUP);
        self.weight_t
            .pack_transposed(weight, self.hidden, self.symbols);
        self.bias.resize(self.symbols.panels(), Strip::default());
        read_rows(bias, self.symbols, &mut self.bias, 1);
    }

    /// The logits of a slab of outputs.
    pub(crate) fn logits(&self, arch: Arch, h: &[Strip], logits: &mut [Strip]) {
        arch.dispatch(Product {
            rows: logits.len() / self.symbols.panels(),
            start: Start::Bias(&self.bias),
            terms: &[(Slab::all(h), &self.weight)],
            out: logits,
            block: GROUP,
        });
    }
}

/// The gradients of weight and bias, in panels.
#[derive(Clone, Debug, Default)]
pub(crate) struct DenseGradient {
    hidden: Axis,
    symbols: Axis,
    weight: Vec<Strip>,
    bias: Vec<Strip>,
}

/// A group of panels of both, which one thread computes.
pub(crate) struct DensePiece<'a> {
    group: usize,
    weight: &'a mut [Strip],
    bias: &'a mut [Strip],
}

impl DenseGradient {
    /// Makes room, and cuts it into pieces.
    pub(crate) fn pieces(&mut self, of: &PackedDense) -> Vec<DensePiece<'_>> {
        (self.hidden, self.symbols) = (of.hidden, of.symbols);
        let depth = self.hidden.panels() * LANES;
        let panels = self.symbols.panels();
        self.weight.resize(depth * panels, Strip::default());
        self.bias.resize(panels, Strip::default());
        let weights = self.weight.chunks_mut(depth * GROUP);
        let pieces = weights.zip(self.bias.chunks_mut(GROUP)).enumerate();
        let piece = |(group, (weight, bias))| DensePiece {
            group,
            weight,
            bias,
        };
        pieces.map(piece).collect()
    }

    /// Both row-major, `[R, V]` and `[V]`.
    pub(crate) fn unpack(&self) -> [Vec<f32>; 2] {
        let mut weight = vec![0.0; self.hidden.len() * self.symbols.len()];
        unpack(&self.weight, self.hidden, self.symbols, GROUP, &mut weight);
        let mut bias = vec![0.0; self.symbols.len()];
        write_rows(&self.bias, 1, self.symbols, &mut bias);
        [weight, bias]
    }
}

impl DensePiece<'_> {
    /// Computes the piece from slabs of outputs, and of the logits' gradients with their number of rows.
    pub(crate) fn compute<'s>(
        self,
        arch: Arch,
        slabs: impl Iterator<Item = (&'s [Strip], &'s [Strip], usize)>,
    ) {
        self.bias.fill(Strip::default());
        let width = self.bias.len();
        let mut outer = Outer::of_group(arch, width, self.weight);
        for (h, errors, rows) in slabs {
            let dy = &errors[self.group * GROUP * rows..][..width * rows];
            outer.add(h, dy, rows);
            arch.dispatch(AddRows::of_group(width, dy, self.bias));
        }
        outer.finish();
    }
}
