//! The weights of a layer in panels.

use super::shape::{InputShape, LayerShape};
use crate::kernels::{
    panels::{Axis, Packed, Strip},
    product::GROUP,
};

/// The weights of a layer, packed for a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackedLayer {
    /// The table `[unit panel][symbol][gate]`, or the bias as a table of one row.
    pub(super) base: Vec<Strip>,
    /// Rows of the table; 0 if there is none.
    pub(super) symbols: usize,
    pub(super) w_ih: Packed,
    pub(super) w_ih_t: Packed,
    pub(super) w_hh: Packed,
    pub(super) w_hh_t: Packed,
    /// `[unit panel][gate]`, or empty.
    pub(super) recurrent_bias: Vec<Strip>,
    pub(super) projection: Packed,
    pub(super) projection_t: Packed,
}

impl PackedLayer {
    /// Takes the weights in the order of [`LayerShape::weights`], and packs them.
    ///
    /// # Panics
    /// There are too few.
    pub(crate) fn pack<'w>(
        &mut self,
        layer: LayerShape,
        weights: &mut impl Iterator<Item = &'w [f32]>,
    ) {
        let (gates, units, outputs) = (layer.gate_axis(), layer.unit_axis(), layer.output_axis());
        let count = gates.gate_count();
        let mut next = || weights.next().expect("one for each weight");
        self.symbols = match layer.input {
            InputShape::Table(symbols) => symbols,
            InputShape::Values(width) => {
                let (w_ih, inputs) = (next(), Axis::plain(width));
                self.w_ih.pack(w_ih, inputs, gates, count);
                self.w_ih_t.pack_transposed(w_ih, inputs, gates);
                0
            }
        };
        pack_table(next(), gates, &mut self.base);
        let w_hh = next();
        self.w_hh.pack(w_hh, outputs, gates, count);
        self.w_hh_t.pack_transposed(w_hh, outputs, gates);
        let bias = if layer.recurrent_bias { next() } else { &[] };
        pack_table(bias, gates, &mut self.recurrent_bias);
        if layer.projection.is_some() {
            let projection = next();
            self.projection.pack(projection, units, outputs, GROUP);
            self.projection_t
                .pack_transposed(projection, units, outputs);
        }
        if layer.projection_bias {
            // It only has a gradient: what it does was recorded.
            next();
        }
    }
}

/// Packs row-major `[rows, G H]` as `[unit panel][row][gate]`.
fn pack_table(table: &[f32], gates: Axis, strips: &mut Vec<Strip>) {
    let (count, rows) = (gates.gate_count(), table.len() / gates.len());
    strips.clear();
    strips.resize(gates.panels() * rows, Strip::default());
    if rows == 0 {
        return;
    }
    for (group, strips) in strips.chunks_exact_mut(rows * count).enumerate() {
        for gate in 0..count {
            let span = gates.span(group * count + gate);
            let rows = table.chunks_exact(gates.len());
            for (strips, row) in strips.chunks_exact_mut(count).zip(rows) {
                strips[gate].0[..span.len()].copy_from_slice(&row[span.clone()]);
            }
        }
    }
}
