//! A layer step by step, forward and backward, and what it keeps between the two.

use super::packed::PackedLayer;
use super::shape::{InputShape, LayerShape};
use crate::kernels::{
    cell::{Backward, Forward, InputProducts},
    panels::{Axis, Strip, read_rows, write_rows},
    product::{GROUP, Product, Slab, Start, Term},
};
use pulp::Arch;
use std::ops::Range;

/// The state of a layer before a sequence or after it, for some rows of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateRows<'a> {
    /// Outputs, `[n, R]`.
    pub(crate) h: &'a [f32],
    /// Cell states, `[n, H]`.
    pub(crate) c: &'a [f32],
}

/// What a layer reads, of some rows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read<'a> {
    /// `[T, rows]`.
    Tokens(&'a [u8]),
    /// `[T][in][rows]`.
    Values(&'a [Strip]),
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
    pub(super) rows: usize,
    /// Whether the initial outputs are all zero: then they have no products.
    starts_at_zero: bool,
    /// What the cell keeps `[T][K H][B]`; the backward pass turns it into the gradients of the products.
    kept: Vec<Strip>,
    /// Cell states, with the initial ones first `[T+1][H][B]`.
    states: Vec<Strip>,
    /// What goes into the projection, m `[T][H][B]`; empty without one.
    pub(super) units: Vec<Strip>,
    /// Outputs, with the initial ones first `[T+1][R][B]`.
    outputs: Vec<Strip>,
    /// Gradient of all that the projection gives `[T][R][B]`; empty without one.
    pub(super) d_outputs: Vec<Strip>,
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
    pub(super) fn recurrent_input(&self, t: usize) -> Option<&[Strip]> {
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
    pub(super) fn slab<'a>(&self, strips: &'a [Strip], axis: Axis, t: usize) -> &'a [Strip] {
        let length = axis.panels() * self.rows;
        &strips[t * length..][..length]
    }

    /// The outputs after `t` steps.
    pub(crate) fn output(&self, t: usize) -> &[Strip] {
        self.slab(&self.outputs, self.shape().output_axis(), t)
    }

    /// The outputs after each step.
    pub(crate) fn outputs(&self) -> &[Strip] {
        let length = self.shape().output_axis().panels() * self.rows;
        &self.outputs[length..]
    }

    /// What it reads at step `t`, of the values of all steps.
    pub(super) fn input<'a>(&self, values: &'a [Strip], t: usize) -> &'a [Strip] {
        match self.shape().input {
            InputShape::Values(width) => self.slab(values, Axis::plain(width), t),
            InputShape::Table(_) => &[],
        }
    }

    /// What was kept at step `t`, or the gradients of the products.
    pub(super) fn kept(&self, t: usize) -> &[Strip] {
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

    /// Computes the products of the input of step `t`, where that is values: those of a table are looked up.
    pub(crate) fn input_products(
        &mut self,
        arch: Arch,
        weights: &PackedLayer,
        read: Read<'_>,
        t: usize,
    ) {
        let Read::Values(values) = read else {
            return;
        };
        let (shape, rows) = (self.shape(), self.rows);
        let x = self.input(values, t);
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
    pub(crate) fn forward(&mut self, arch: Arch, weights: &PackedLayer, read: Read<'_>, t: usize) {
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
            input: match read {
                Read::Tokens(tokens) => {
                    let tokens = &tokens[t * rows..][..rows];
                    InputProducts::Table(&weights.base, weights.symbols, tokens)
                }
                Read::Values(_) => InputProducts::InPlace,
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
