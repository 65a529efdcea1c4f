//! A recurrent layer over a sequence, forward and backward, on panels.
//!
//! T steps, B rows (texts side by side), H units, R outputs (H without a projection), G gates. With the
//! equations of its [`Cell`] between them:
//!
//! ```text
//! input     = table[token], or bias + x · w_ih          forward, for t = 0..T      [B, G H]
//! recurrent = recurrent_bias + (h + context) · w_hh                                [B, G H]
//! h         = m · projection                            or m itself                [B, R]
//!
//! dh = dh from above + drecurrent · w_hhᵀ               backward, for t = T-1..=0
//! dm = dh · projectionᵀ                                 or dh itself
//! dcontext = drecurrent · w_hhᵀ
//!
//! dw_hh = sum over t of (h_before + context)ᵀ · drecurrent   afterwards
//! dw_ih = sum over t of xᵀ · dinput                     the same
//! dprojection = sum over t of mᵀ · dh
//! ```
//!
//! The embedding is folded: `table = embedding · w_ih + bias`, one row a symbol, so the first layer's
//! input costs a look-up instead of a product. The context, `[T, B, R]`, is what is known of each step beside its
//! token: the embeddings of the last few characters. Most networks have none.

use crate::kernels::cell::{Backward, Cell, Forward, InputProducts};
use crate::kernels::panels::{Axis, LANES, Packed, Strip, read_rows, unpack, write_rows};
use crate::kernels::product::{AddRows, GROUP, Outer, Product, Slab, Start, Term};
use pulp::Arch;
use std::ops::Range;

/// A layer, as the kernels see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerShape {
    /// The equations.
    pub(crate) cell: &'static dyn Cell,
    /// Units, H.
    pub(crate) hidden: usize,
    /// Width of the projection, R; `None` where there is none.
    pub(crate) projection: Option<usize>,
    /// Where the products of the input come from.
    pub(crate) input: InputShape,
    /// Whether the recurrence has a bias of its own.
    pub(crate) recurrent_bias: bool,
    /// Whether the projection has a bias, and that is to have a gradient.
    pub(crate) projection_bias: bool,
}

/// Where the input of a layer comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InputShape {
    /// A table of so many symbols.
    Table(usize),
    /// A layer below, of so wide an output.
    Below(usize),
}

impl LayerShape {
    /// The columns of `w_ih` and `w_hh`.
    pub(crate) fn gate_axis(self) -> Axis {
        Axis::gates(self.cell.gates(), self.hidden)
    }

    /// What is kept, and the gradients of the products.
    fn kept_axis(self) -> Axis {
        Axis::gates(self.cell.kept(), self.hidden)
    }

    /// The units.
    pub(crate) fn unit_axis(self) -> Axis {
        Axis::plain(self.hidden)
    }

    /// What the layer above sees.
    pub(crate) fn output_axis(self) -> Axis {
        Axis::plain(self.output())
    }

    /// R, or H without a projection.
    pub(crate) fn output(self) -> usize {
        self.projection.unwrap_or(self.hidden)
    }

    /// Number of numbers of each weight, row-major: of a layer above another `w_ih` `[in, G H]` and its bias
    /// `[G H]`, of the first one the table `[V, G H]`; of both `w_hh` `[R, G H]`, the bias of the recurrence
    /// `[G H]`, the projection `[H, R]` and its bias `[R]`, where they are.
    pub(crate) fn weights(self) -> Vec<usize> {
        let (columns, output) = (self.gate_axis().len(), self.output());
        let mut lengths = match self.input {
            InputShape::Table(symbols) => vec![symbols * columns],
            InputShape::Below(width) => vec![width * columns, columns],
        };
        lengths.push(output * columns);
        lengths.extend(self.recurrent_bias.then_some(columns));
        lengths.extend(self.projection.map(|_| self.hidden * output));
        lengths.extend(self.projection_bias.then_some(output));
        lengths
    }

    /// The gradients of the products of the input, or of the recurrence, as a factor.
    fn gradients<'a>(self, kept: &'a [Strip], chosen: &'static [usize]) -> Slab<'a> {
        Slab::some(kept, self.cell.kept(), chosen)
    }
}

/// The weights of a layer, packed for a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackedLayer {
    /// The table `[unit panel][symbol][gate]`, or the bias as a table of one row.
    base: Vec<Strip>,
    /// Rows of the table; 0 if there is none.
    symbols: usize,
    w_ih: Packed,
    w_ih_t: Packed,
    w_hh: Packed,
    w_hh_t: Packed,
    /// `[unit panel][gate]`, or empty.
    recurrent_bias: Vec<Strip>,
    projection: Packed,
    projection_t: Packed,
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
            InputShape::Below(width) => {
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

/// The state of a layer before a sequence or after it, for some rows of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateRows<'a> {
    /// Outputs, `[n, R]`.
    pub(crate) h: &'a [f32],
    /// Cell states, `[n, H]`.
    pub(crate) c: &'a [f32],
}

/// Where the gradient of a layer's output comes from, besides the layer itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Above<'a> {
    /// The gradient of what the output went into, times that weight's transpose.
    Product(Term<'a>),
    /// This step's output went nowhere else.
    Nothing,
}

/// A step of some rows that ran elsewhere, row-major.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordedStep<'a> {
    /// What is kept, `[n, K H]`.
    pub(crate) kept: &'a [f32],
    /// Cell states after it, `[n, H]`.
    pub(crate) states: &'a [f32],
    /// What went into the projection, `[n, H]`; empty without one.
    pub(crate) units: &'a [f32],
    /// Outputs, `[n, R]`.
    pub(crate) outputs: &'a [f32],
}

/// What the forward pass of a layer keeps for the backward pass, for some rows of a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerTape {
    shape: Option<LayerShape>,
    rows: usize,
    /// Whether the initial outputs are all zero: then they have no products.
    starts_at_zero: bool,
    /// What the cell keeps `[T][K H][B]`; the backward pass turns it into the gradients of the products.
    kept: Vec<Strip>,
    /// Cell states, with the initial ones first `[T+1][H][B]`.
    states: Vec<Strip>,
    /// What goes into the projection, m `[T][H][B]`; empty without one.
    units: Vec<Strip>,
    /// Outputs, with the initial ones first `[T+1][R][B]`.
    outputs: Vec<Strip>,
    /// Gradient of all that the projection gives `[T][R][B]`; empty without one.
    d_outputs: Vec<Strip>,
    /// The context `[T][R][B]`, empty without one; the forward pass adds the outputs before each step.
    recurrent_inputs: Vec<Strip>,
    /// Gradient of the context `[T][R][B]`.
    d_context: Vec<Strip>,
    /// Recurrent products of sixteen units `[G][B]`.
    products: Vec<Strip>,
    /// Gradients of the output, of m and of the cell state at the step at hand.
    d_h: Vec<Strip>,
    d_m: Vec<Strip>,
    d_state: Vec<Strip>,
}

impl LayerTape {
    /// Makes room for `steps` steps of `rows` rows (a multiple of the kernels' block), and begins with
    /// a state.
    pub(crate) fn begin(
        &mut self,
        shape: LayerShape,
        (steps, rows): (usize, usize),
        state: StateRows<'_>,
    ) {
        let axes = |s: LayerShape| (s.kept_axis(), s.unit_axis(), s.output_axis());
        if self.shape.map(axes) != Some(axes(shape)) || self.rows != rows {
            *self = Self {
                rows,
                ..Self::default()
            };
        }
        self.shape = Some(shape);
        self.starts_at_zero = state.h.iter().all(|&h| h == 0.0);
        let slab = |axis: Axis| axis.panels() * rows;
        let (units, outputs) = (slab(shape.unit_axis()), slab(shape.output_axis()));
        let projected = shape.projection.map_or(0, |_| steps);
        for (strips, length) in [
            (&mut self.kept, steps * slab(shape.kept_axis())),
            (&mut self.states, (steps + 1) * units),
            (&mut self.outputs, (steps + 1) * outputs),
            (&mut self.units, projected * units),
            (&mut self.d_outputs, projected * outputs),
            (&mut self.products, shape.cell.gates() * rows),
            (&mut self.d_h, outputs),
            (&mut self.d_m, projected.min(1) * units),
            (&mut self.d_state, units),
            (&mut self.recurrent_inputs, 0),
            (&mut self.d_context, 0),
        ] {
            strips.resize(length, Strip::default());
        }
        let h = &mut self.outputs[..outputs];
        read_rows(state.h, shape.output_axis(), h, rows);
        let c = &mut self.states[..units];
        read_rows(state.c, shape.unit_axis(), c, rows);
        self.d_state.fill(Strip::default());
    }

    /// Takes a context `[T, B, R]`, of which these rows are read.
    pub(crate) fn read_context(&mut self, context: &[f32], batch: usize, rows: &Range<usize>) {
        let outputs = self.shape().output_axis();
        let (slab, width) = (outputs.panels() * self.rows, outputs.len());
        let steps = context.len() / (batch * width);
        self.recurrent_inputs.resize(steps * slab, Strip::default());
        self.d_context.resize(steps * slab, Strip::default());
        let slabs = self.recurrent_inputs.chunks_exact_mut(slab);
        for (slab, step) in slabs.zip(context.chunks_exact(batch * width)) {
            let step = &step[rows.start * width..rows.end * width];
            read_rows(step, outputs, slab, self.rows);
        }
    }

    /// Writes the gradient of the context at step `t` of these rows, `[n, R]`.
    pub(crate) fn write_context_gradient(&self, t: usize, to: &mut [f32]) {
        let outputs = self.shape().output_axis();
        write_rows(
            self.slab(&self.d_context, outputs, t),
            self.rows,
            outputs,
            to,
        );
    }

    /// What the recurrent product of step `t` reads; `None` where it is zero.
    fn recurrent_input(&self, t: usize) -> Option<&[Strip]> {
        if !self.recurrent_inputs.is_empty() {
            return Some(self.slab(&self.recurrent_inputs, self.shape().output_axis(), t));
        }
        (t > 0 || !self.starts_at_zero).then(|| self.output(t))
    }

    /// The layer that ran.
    pub(crate) fn shape(&self) -> LayerShape {
        self.shape.expect("the tape has begun")
    }

    /// Slab `t` of an array whose slabs have the columns of `axis`.
    fn slab<'a>(&self, strips: &'a [Strip], axis: Axis, t: usize) -> &'a [Strip] {
        let length = axis.panels() * self.rows;
        &strips[t * length..][..length]
    }

    /// The outputs after `t` steps.
    pub(crate) fn output(&self, t: usize) -> &[Strip] {
        self.slab(&self.outputs, self.shape().output_axis(), t)
    }

    /// What was kept at step `t`, or the gradients of the products.
    fn kept(&self, t: usize) -> &[Strip] {
        self.slab(&self.kept, self.shape().kept_axis(), t)
    }

    /// The gradient of the layer's input at step `t` as a term of the layer below.
    pub(crate) fn d_input<'a>(&'a self, weights: &'a PackedLayer, t: usize) -> Term<'a> {
        let shape = self.shape();
        let d_input = shape.gradients(self.kept(t), shape.cell.input());
        (d_input, &weights.w_ih_t)
    }

    /// Writes the state after `steps` steps.
    pub(crate) fn end(&self, steps: usize, h: &mut [f32], c: &mut [f32]) {
        let (outputs, units) = (self.shape().output_axis(), self.shape().unit_axis());
        write_rows(self.output(steps), self.rows, outputs, h);
        write_rows(self.slab(&self.states, units, steps), self.rows, units, c);
    }

    /// Takes step `t` of some rows that ran elsewhere.
    pub(crate) fn record(&mut self, t: usize, step: RecordedStep<'_>) {
        let (shape, rows) = (self.shape(), self.rows);
        for (values, axis, strips, t) in [
            (step.kept, shape.kept_axis(), &mut self.kept, t),
            (step.states, shape.unit_axis(), &mut self.states, t + 1),
            (step.units, shape.unit_axis(), &mut self.units, t),
            (step.outputs, shape.output_axis(), &mut self.outputs, t + 1),
        ] {
            let length = axis.panels() * rows;
            if !values.is_empty() {
                read_rows(values, axis, &mut strips[t * length..][..length], rows);
            }
        }
    }

    /// Computes the products of the input of step `t`, where that is the output of the layer below.
    pub(crate) fn input_products(
        &mut self,
        arch: Arch,
        weights: &PackedLayer,
        x: &[Strip],
        t: usize,
    ) {
        let (shape, rows) = (self.shape(), self.rows);
        let length = shape.kept_axis().panels() * rows;
        arch.dispatch(Product {
            rows,
            start: Start::Bias(&weights.base),
            terms: &[(Slab::all(x), &weights.w_ih)],
            out: &mut self.kept[t * length..][..length],
            block: shape.cell.kept(),
        });
    }

    /// Runs step `t`; the products of its input are there, or come from the table by its tokens.
    pub(crate) fn forward(
        &mut self,
        arch: Arch,
        weights: &PackedLayer,
        tokens: Option<&[u8]>,
        t: usize,
    ) {
        let (shape, rows) = (self.shape(), self.rows);
        let slab = |axis: Axis| axis.panels() * rows;
        let (unit_slab, output_slab) = (slab(shape.unit_axis()), slab(shape.output_axis()));
        let (before, after) = self.states.split_at_mut((t + 1) * unit_slab);
        let (h, next) = self.outputs.split_at_mut((t + 1) * output_slab);
        let (h, next) = (&h[t * output_slab..], &mut next[..output_slab]);
        let recurrent_input = match self.recurrent_inputs.is_empty() {
            true => (t > 0 || !self.starts_at_zero).then_some(h),
            false => {
                let context = &mut self.recurrent_inputs[t * output_slab..][..output_slab];
                add(h, context);
                Some(&*context)
            }
        };
        let kept_slab = slab(shape.kept_axis());
        let step = Forward {
            rows,
            input: match tokens {
                Some(tokens) => InputProducts::Table(&weights.base, weights.symbols, tokens),
                None => InputProducts::InPlace,
            },
            recurrence: recurrent_input.map(|input| (Slab::all(input), &weights.w_hh)),
            recurrent_bias: &weights.recurrent_bias,
            products: &mut self.products,
            kept: &mut self.kept[t * kept_slab..][..kept_slab],
            before: &before[t * unit_slab..],
            after: &mut after[..unit_slab],
            output: match shape.projection {
                None => &mut *next,
                Some(_) => &mut self.units[t * unit_slab..][..unit_slab],
            },
        };
        shape.cell.forward(arch, step);
        if shape.projection.is_some() {
            let m = &self.units[t * unit_slab..][..unit_slab];
            arch.dispatch(Product {
                rows,
                start: Start::Zero,
                terms: &[(Slab::all(m), &weights.projection)],
                out: next,
                block: GROUP,
            });
        }
    }

    /// Goes back through step `t` of `steps`.
    pub(crate) fn backward(
        &mut self,
        arch: Arch,
        weights: &PackedLayer,
        above: Above<'_>,
        (t, steps): (usize, usize),
    ) {
        let (shape, rows) = (self.shape(), self.rows);
        let slab = |axis: Axis| axis.panels() * rows;
        let (unit_slab, kept_slab) = (slab(shape.unit_axis()), slab(shape.kept_axis()));
        let (kept, later) = self.kept[t * kept_slab..].split_at_mut(kept_slab);
        let from_above = match above {
            Above::Product(term) => Some(term),
            Above::Nothing => None,
        };
        let has_context = !self.d_context.is_empty();
        let from_later = (t + 1 < steps && !has_context).then(|| {
            let later = &later[..kept_slab];
            let d_recurrent = shape.gradients(later, shape.cell.recurrent());
            (d_recurrent, &weights.w_hh_t)
        });
        let terms: [&[Term<'_>]; 2] = [from_above.as_slice(), from_later.as_slice()];
        let terms = terms.concat();
        if terms.is_empty() {
            self.d_h.fill(Strip::default());
        }
        arch.dispatch(Product {
            rows,
            start: Start::Zero,
            terms: &terms,
            out: &mut self.d_h,
            block: GROUP,
        });
        if t + 1 < steps && has_context {
            let length = slab(shape.output_axis());
            add(&self.d_context[(t + 1) * length..][..length], &mut self.d_h);
        }
        let d_output = match shape.projection {
            None => &self.d_h,
            Some(_) => {
                let length = self.d_h.len();
                self.d_outputs[t * length..][..length].copy_from_slice(&self.d_h);
                arch.dispatch(Product {
                    rows,
                    start: Start::Zero,
                    terms: &[(Slab::all(&self.d_h), &weights.projection_t)],
                    out: &mut self.d_m,
                    block: GROUP,
                });
                &self.d_m
            }
        };
        let (before, after) = self.states[t * unit_slab..].split_at(unit_slab);
        let step = Backward {
            rows,
            kept: &mut *kept,
            states: [before, &after[..unit_slab]],
            d_output,
            d_state: &mut self.d_state,
        };
        shape.cell.backward(arch, step);
        if has_context {
            let d_recurrent = shape.gradients(kept, shape.cell.recurrent());
            let length = slab(shape.output_axis());
            arch.dispatch(Product {
                rows,
                start: Start::Zero,
                terms: &[(d_recurrent, &weights.w_hh_t)],
                out: &mut self.d_context[t * length..][..length],
                block: GROUP,
            });
        }
    }
}

/// `to += from`.
fn add(from: &[Strip], to: &mut [Strip]) {
    for (to, from) in to.iter_mut().zip(from) {
        for (to, from) in to.0.iter_mut().zip(from.0) {
            *to += from;
        }
    }
}

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
            InputShape::Below(width) => (1, depth(Axis::plain(width))),
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
        if let InputShape::Below(width) = layer.input {
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
    /// `[T, rows]`, if the layer read tokens.
    pub(crate) tokens: &'a [u8],
    /// The layer below, if it read that.
    pub(crate) below: Option<&'a LayerTape>,
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
        arch.dispatch(AddRows {
            rows,
            chosen: self.cell.input(),
            dy,
            tokens: ran.tokens.get(t * rows..(t + 1) * rows),
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
        if let Some(below) = ran.below {
            self.w_ih.add(below.output(t + 1), dy, rows);
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
