//! The gradients of a layer's weights, in pieces that threads compute side by side.

use super::shape::{InputShape, LayerShape};
use super::tape::{LayerTape, Read};
use crate::kernels::{
    cell::Cell,
    panels::{Axis, LANES, Strip, unpack, write_rows},
    product::{AddRows, GROUP, Outer},
};
use pulp::Arch;

/// The gradients of a layer's weights, in panels.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerGradient {
    /// `[unit panel][symbol][gate]`: of the table, or of the bias (one symbol).
    base: Vec<Strip>,
    /// `[unit panel][input][gate]`, empty where the input is a table.
    w_ih: Vec<Strip>,
    /// `[unit panel][R][gate]`.
    w_hh: Vec<Strip>,
    /// `[unit panel][gate]`, empty where the recurrence has no bias.
    recurrent_bias: Vec<Strip>,
    /// `[group][H][panel]`.
    projection: Vec<Strip>,
    /// `[panel]`.
    projection_bias: Vec<Strip>,
}

/// A piece of a gradient that one thread computes.
pub(crate) enum Piece<'a> {
    /// What the gates of a few panels of units give, from panel `first` on.
    Gates {
        first: usize,
        panels: Vec<PanelGradient<'a>>,
    },
    /// A group of panels of the projection, and its bias.
    Projection {
        group: usize,
        weight: &'a mut [Strip],
        bias: &'a mut [Strip],
    },
}

/// The gradients of the weights of sixteen units' gates.
pub(crate) struct PanelGradient<'a> {
    base: &'a mut [Strip],
    w_ih: &'a mut [Strip],
    w_hh: &'a mut [Strip],
    recurrent_bias: &'a mut [Strip],
}

fn depth(axis: Axis) -> usize {
    axis.panels() * LANES
}

impl LayerGradient {
    /// Makes room, and cuts it into pieces.
    pub(crate) fn pieces(&mut self, layer: LayerShape) -> Vec<Piece<'_>> {
        let (units, count) = (layer.unit_axis(), layer.cell.gates());
        let outputs = layer.output_axis();
        let (symbols, inputs) = match layer.input {
            InputShape::Table(symbols) => (symbols, 0),
            InputShape::Values(width) => (1, depth(Axis::plain(width))),
        };
        let biases = usize::from(layer.recurrent_bias);
        let lengths = [symbols, inputs, depth(outputs), biases].map(|length| length * count);
        let strips = [
            &mut self.base,
            &mut self.w_ih,
            &mut self.w_hh,
            &mut self.recurrent_bias,
        ];
        let mut each = lengths.iter();
        let mut rest: [&mut [Strip]; 4] = strips.map(|strips| {
            let length = each.next().expect("one for each") * units.panels();
            strips.resize(length, Strip::default());
            &mut strips[..]
        });
        // Two panels read what they have in common once. There are enough pieces for all threads to end at about the same
        // time.
        let width = if units.panels() < 8 * rayon::current_num_threads() {
            1
        } else {
            2
        };
        let mut gradient = || {
            let mut lengths = lengths.iter();
            let [base, w_ih, w_hh, recurrent_bias] = rest.each_mut().map(|strips| {
                let length = *lengths.next().expect("one for each");
                strips.split_off_mut(..length).expect("one for each panel")
            });
            PanelGradient {
                base,
                w_ih,
                w_hh,
                recurrent_bias,
            }
        };
        let mut pieces = Vec::new();
        for first in (0..units.panels()).step_by(width) {
            let panels = first..units.panels().min(first + width);
            let panels = panels.map(|_| gradient()).collect();
            pieces.push(Piece::Gates { first, panels });
        }
        if layer.projection.is_some() {
            let panels = outputs.panels();
            self.projection
                .resize(depth(units) * panels, Strip::default());
            let biases = if layer.projection_bias { panels } else { 0 };
            self.projection_bias.resize(biases, Strip::default());
            let mut biases = self.projection_bias.chunks_mut(GROUP);
            let weights = self.projection.chunks_mut(depth(units) * GROUP);
            let groups = weights.map(|weight| (weight, biases.next().unwrap_or_default()));
            let piece = |(group, (weight, bias))| Piece::Projection {
                group,
                weight,
                bias,
            };
            pieces.extend(groups.enumerate().map(piece));
        }
        pieces
    }

    /// Of every weight, in the order of [`LayerShape::weights`].
    pub(crate) fn unpack(&self, layer: LayerShape) -> Vec<Vec<f32>> {
        let (gates, units) = (layer.gate_axis(), layer.unit_axis());
        let (count, outputs) = (layer.cell.gates(), layer.output_axis());
        let mut all = Vec::new();
        if let InputShape::Values(width) = layer.input {
            all.push(matrix(&self.w_ih, Axis::plain(width), gates, count));
        }
        all.push(unpack_table(&self.base, gates));
        all.push(matrix(&self.w_hh, outputs, gates, count));
        if layer.recurrent_bias {
            all.push(unpack_table(&self.recurrent_bias, gates));
        }
        if layer.projection.is_some() {
            all.push(matrix(&self.projection, units, outputs, GROUP));
        }
        if layer.projection_bias {
            let mut bias = vec![0.0; outputs.len()];
            write_rows(&self.projection_bias, 1, outputs, &mut bias);
            all.push(bias);
        }
        all
    }
}

/// Takes a table out of its panels again.
fn unpack_table(strips: &[Strip], gates: Axis) -> Vec<f32> {
    let (count, rows) = (gates.gate_count(), strips.len() / gates.panels());
    let mut table = vec![0.0; rows * gates.len()];
    for (group, strips) in strips.chunks_exact(rows * count).enumerate() {
        for gate in 0..count {
            let span = gates.span(group * count + gate);
            let rows = table.chunks_exact_mut(gates.len());
            for (strips, row) in strips.chunks_exact(count).zip(rows) {
                row[span.clone()].copy_from_slice(&strips[gate].0[..span.len()]);
            }
        }
    }
    table
}

/// A matrix out of its panels, row-major.
fn matrix(strips: &[Strip], rows: Axis, columns: Axis, width: usize) -> Vec<f32> {
    let mut matrix = vec![0.0; rows.len() * columns.len()];
    unpack(strips, rows, columns, width, &mut matrix);
    matrix
}

/// The tapes of a layer and what they read, of some rows of the batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran<'a> {
    /// What the layer kept.
    pub(crate) tape: &'a LayerTape,
    /// What the layer read.
    pub(crate) read: Read<'a>,
}

/// The sums that make a [`PanelGradient`].
struct PanelSums<'g, 'a> {
    cell: &'static dyn Cell,
    base: &'g mut [Strip],
    recurrent_bias: &'g mut [Strip],
    w_ih: Outer<'g, 'a>,
    w_hh: Outer<'g, 'a>,
}

impl<'g, 'a> PanelSums<'g, 'a> {
    fn new(arch: Arch, cell: &'static dyn Cell, gradient: PanelGradient<'g>) -> Self {
        gradient.base.fill(Strip::default());
        gradient.recurrent_bias.fill(Strip::default());
        Self {
            cell,
            base: gradient.base,
            recurrent_bias: gradient.recurrent_bias,
            w_ih: Outer::new(arch, cell.input(), gradient.w_ih),
            w_hh: Outer::new(arch, cell.recurrent(), gradient.w_hh),
        }
    }

    /// Adds the share of step `t` of some rows, `dy` being the gradients of the products.
    fn add(&mut self, arch: Arch, t: usize, ran: Ran<'a>, dy: &'a [Strip]) {
        let rows = ran.tape.rows;
        let tokens = match ran.read {
            Read::Tokens(tokens) => Some(&tokens[t * rows..][..rows]),
            Read::Values(values) => {
                self.w_ih.add(ran.tape.input(values, t), dy, rows);
                None
            }
        };
        arch.dispatch(AddRows {
            rows,
            chosen: self.cell.input(),
            dy,
            tokens,
            table: self.base,
        });
        if !self.recurrent_bias.is_empty() {
            arch.dispatch(AddRows {
                rows,
                chosen: self.cell.recurrent(),
                dy,
                tokens: None,
                table: self.recurrent_bias,
            });
        }
        if let Some(input) = ran.tape.recurrent_input(t) {
            self.w_hh.add(input, dy, rows);
        }
    }

    fn finish(&mut self) {
        self.w_ih.finish();
        self.w_hh.finish();
    }
}

impl Piece<'_> {
    /// Computes the piece from what all rows ran.
    pub(crate) fn compute(self, arch: Arch, layer: LayerShape, steps: usize, all: &[Ran<'_>]) {
        let each = || (0..steps).flat_map(|t| all.iter().map(move |&ran| (t, ran)));
        match self {
            Self::Gates { first, panels } => {
                let cell = layer.cell;
                let mut panels: Vec<PanelSums<'_, '_>> = panels
                    .into_iter()
                    .map(|panel| PanelSums::new(arch, cell, panel))
                    .collect();
                for (t, ran) in each() {
                    let rows = ran.tape.rows;
                    let block = cell.kept() * rows;
                    let all = ran.tape.kept(t)[first * block..].chunks_exact(block);
                    for (panel, dy) in panels.iter_mut().zip(all) {
                        panel.add(arch, t, ran, dy);
                    }
                }
                panels.iter_mut().for_each(PanelSums::finish);
            }
            Self::Projection {
                group,
                weight,
                bias,
            } => {
                bias.fill(Strip::default());
                let width = weight.len() / depth(layer.unit_axis());
                let mut outer = Outer::of_group(arch, width, weight);
                for (t, ran) in each() {
                    let tape = ran.tape;
                    let m = tape.slab(&tape.units, layer.unit_axis(), t);
                    let d_h = tape.slab(&tape.d_outputs, layer.output_axis(), t);
                    let d_h = &d_h[group * GROUP * tape.rows..][..width * tape.rows];
                    outer.add(m, d_h, tape.rows);
                    if !bias.is_empty() {
                        arch.dispatch(AddRows::of_group(width, d_h, bias));
                    }
                }
                outer.finish();
            }
        }
    }
}
