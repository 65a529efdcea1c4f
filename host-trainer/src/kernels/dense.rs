//! The dense layer with softmax and cross-entropy, forward and backward, on panels.
//!
//! ```text
//! logits  = h · weight + bias                            [B, V]
//! error   = (softmax(logits) - one_hot(target)) * scale  the gradient of the logits
//! dh      = error · weightᵀ
//! dweight = sum of hᵀ · error;  dbias = sum of error
//! ```

use crate::kernels::kernel::{AddRows, Product, SoftmaxErrors, Start};
use crate::kernels::panels::{Axis, LANES, Packed, Strip, read_rows, unpack, write_rows};
use crate::kernels::recurrent::{GROUP, Outer};
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

    /// Columns of the logits.
    pub(crate) fn symbols(&self) -> Axis {
        self.symbols
    }

    /// Errors, and losses in nats, of a slab of outputs with one target for each row that counts.
    pub(crate) fn errors(
        &self,
        arch: Arch,
        h: &[Strip],
        (targets, scale): (&[u8], f32),
        errors: &mut [Strip],
        losses: &mut [f64],
    ) {
        let rows = errors.len() / self.symbols.panels();
        arch.dispatch(Product {
            rows,
            start: Start::Bias(&self.bias),
            terms: &[(h, &self.weight)],
            out: errors,
        });
        arch.dispatch(SoftmaxErrors {
            rows,
            vocabulary: self.symbols.len(),
            targets,
            scale,
            logits: errors,
            losses,
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

    /// Writes them as row-major `[R, V]` and `[V]`.
    pub(crate) fn unpack(&self, weight: &mut [f32], bias: &mut [f32]) {
        unpack(&self.weight, self.hidden, self.symbols, GROUP, weight);
        write_rows(&self.bias, 1, self.symbols, bias);
    }
}

impl DensePiece<'_> {
    /// Computes the piece from slabs of outputs, and of errors with their number of rows.
    pub(crate) fn compute<'s>(
        self,
        arch: Arch,
        slabs: impl Iterator<Item = (&'s [Strip], &'s [Strip], usize)>,
    ) {
        self.weight.fill(Strip::default());
        self.bias.fill(Strip::default());
        let width = self.bias.len();
        let mut outer = Outer::new(arch, width, self.weight);
        for (h, errors, rows) in slabs {
            let dy = &errors[self.group * GROUP * rows..][..width * rows];
            outer.add(h, dy);
            arch.dispatch(AddRows {
                width,
                dy,
                tokens: None,
                table: self.bias,
            });
        }
        outer.finish();
    }
}
