//! A recurrent layer over a sequence, forward and backward, on panels.
//!
//! T steps, B rows (texts side by side), H units, R outputs (H without a projection). With `a` the
//! pre-activations `[B, 4H]` (3H in a CIFG layer) and the equations of [`crate::network::cell`] between them:
//!
//! ```text
//! a  = table[token], or bias + x · w_ih; + h · w_hh      forward, for t = 0..T
//! h  = m · projection                                    or m itself
//!
//! dh = dh from above + da · w_hhᵀ                        backward, for t = T-1..=0
//! dm = dh · projectionᵀ                                  or dh itself
//!
//! dw_hh = sum over t of h_beforeᵀ · da                   afterwards
//! dprojection = sum over t of mᵀ · dh                    the same
//! ```
//!
//! The embedding is folded: `table = embedding · w_ih + bias`, one row a symbol, so the first
//! layer's input costs a look-up instead of a product.

use crate::kernels::kernel::{
    AddRows, CellBackward, CellForward, OuterProduct, Product, Start, Term, WithGates,
};
use crate::kernels::panels::{Axis, LANES, Packed, Strip, read_rows};
use crate::network::cell::{Lean, Lstm};
use crate::network::config::{CellKind, LayerConfig};
use pulp::Arch;
use std::marker::PhantomData;

/// Panels that are computed together, but for those of the gates.
pub(crate) const GROUP: usize = 4;
/// Rows whose share of a weight's gradient is added at once: as many as the first cache holds.
const OUTER_ROWS: usize = 64;

impl LayerConfig {
    /// The columns of `w_hh`.
    pub(crate) fn gate_axis(self) -> Axis {
        Axis::gates(self.cell.gates().len(), self.hidden)
    }

    /// The units.
    pub(crate) fn unit_axis(self) -> Axis {
        Axis::plain(self.hidden)
    }

    /// What the layer above sees.
    pub(crate) fn output_axis(self) -> Axis {
        Axis::plain(self.output())
    }
}

/// What the pre-activations start from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Base<'a> {
    /// A folded table `[V, 4H]`.
    Table(&'a [f32]),
    /// `[4H]`, and the input's weights `[in, 4H]`.
    Bias(&'a [f32], &'a [f32]),
    /// What is in the tape's gates.
    Tape,
}

/// The weights of a layer, packed for a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackedLayer {
    /// The table `[unit panel][symbol][gate]`, or the bias as a table of one row.
    base: Vec<Strip>,
    /// Rows of the table; 0 if there is none.
    vocabulary: usize,
    w_ih: Packed,
    pub(crate) w_ih_t: Packed,
    w_hh: Packed,
    w_hh_t: Packed,
    projection: Packed,
    projection_t: Packed,
}

impl PackedLayer {
    /// Packs `w_hh` `[R, 4H]` and `projection` `[H, R]`.
    pub(crate) fn pack(
        &mut self,
        layer: LayerConfig,
        base: Base<'_>,
        w_hh: &[f32],
        projection: Option<&[f32]>,
    ) {
        let (gates, units, outputs) = (layer.gate_axis(), layer.unit_axis(), layer.output_axis());
        let count = gates.gate_count();
        let rows = match base {
            Base::Table(table) => table,
            Base::Bias(bias, _) => bias,
            Base::Tape => &[],
        };
        let symbols = rows.len() / gates.len();
        self.vocabulary = match base {
            Base::Table(_) => symbols,
            _ => 0,
        };
        self.base.resize(gates.panels() * symbols, Strip::default());
        for (symbol, row) in rows.chunks_exact(gates.len()).enumerate() {
            for panel in 0..gates.panels() {
                let at = (panel / count * symbols + symbol) * count + panel % count;
                let span = gates.span(panel);
                self.base[at] = Strip::default();
                self.base[at].0[..span.len()].copy_from_slice(&row[span]);
            }
        }
        if let Base::Bias(_, w_ih) = base {
            let inputs = Axis::plain(w_ih.len() / gates.len());
            self.w_ih.pack(w_ih, inputs, gates, count);
            self.w_ih_t.pack_transposed(w_ih, inputs, gates);
        }
        self.w_hh.pack(w_hh, outputs, gates, count);
        self.w_hh_t.pack_transposed(w_hh, outputs, gates);
        if let Some(projection) = projection {
            self.projection.pack(projection, units, outputs, GROUP);
            self.projection_t
                .pack_transposed(projection, units, outputs);
        }
    }
}

/// The input of a layer at one step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input<'a> {
    /// A token a row.
    Tokens(&'a [u8]),
    /// The output of the layer below.
    Below(&'a [Strip]),
    /// None: the tape's gates hold the pre-activations' start.
    Tape,
}

/// What the forward pass of a layer keeps for the backward pass, for some rows of a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerTape {
    layer: Option<LayerConfig>,
    rows: usize,
    /// Gates after their activation `[T][4H][B]`; the backward pass turns them into the gradients
    /// of the pre-activations.
    gates: Vec<Strip>,
    /// Cells, with the initial ones first `[T+1][H][B]`.
    cells: Vec<Strip>,
    /// What goes into the projection, m `[T][H][B]`; empty without one.
    units: Vec<Strip>,
    /// Outputs, with the initial ones first `[T+1][R][B]`.
    outputs: Vec<Strip>,
    /// Gradient of all that the projection gives `[T][R][B]`; empty without one.
    d_outputs: Vec<Strip>,
    /// Gradients of the output, of m and of the cell at the step at hand.
    d_h: Vec<Strip>,
    d_m: Vec<Strip>,
    d_c: Vec<Strip>,
}

impl LayerTape {
    /// Makes room for `steps` steps of `rows` rows (a multiple of the kernels' block), and begins
    /// with the state `h` `[n, R]`, `c` `[n, H]`.
    pub(crate) fn begin(
        &mut self,
        layer: LayerConfig,
        (steps, rows): (usize, usize),
        (h, c): (&[f32], &[f32]),
    ) {
        if self.layer != Some(layer) || self.rows != rows {
            *self = Self {
                layer: Some(layer),
                rows,
                ..Self::default()
            };
        }
        let slab = |axis: Axis| axis.panels() * rows;
        let (units, outputs) = (slab(layer.unit_axis()), slab(layer.output_axis()));
        let projected = layer.projection.map_or(0, |_| steps);
        for (strips, length) in [
            (&mut self.gates, steps * slab(layer.gate_axis())),
            (&mut self.cells, (steps + 1) * units),
            (&mut self.outputs, (steps + 1) * outputs),
            (&mut self.units, projected * units),
            (&mut self.d_outputs, projected * outputs),
            (&mut self.d_h, outputs),
            (&mut self.d_m, projected.min(1) * units),
            (&mut self.d_c, units),
        ] {
            strips.resize(length, Strip::default());
        }
        read_rows(h, layer.output_axis(), &mut self.outputs[..outputs], rows);
        read_rows(c, layer.unit_axis(), &mut self.cells[..units], rows);
        self.d_c.fill(Strip::default());
    }

    fn layer(&self) -> LayerConfig {
        self.layer.expect("the tape has begun")
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Slab `t` of an array whose slabs have the columns of `axis`.
    fn slab<'a>(&self, strips: &'a [Strip], axis: Axis, t: usize) -> &'a [Strip] {
        let length = axis.panels() * self.rows;
        &strips[t * length..][..length]
    }

    /// The outputs after `t` steps.
    pub(crate) fn output(&self, t: usize) -> &[Strip] {
        self.slab(&self.outputs, self.layer().output_axis(), t)
    }

    /// The cells after `t` steps.
    pub(crate) fn cell(&self, t: usize) -> &[Strip] {
        self.slab(&self.cells, self.layer().unit_axis(), t)
    }

    /// The gates of step `t`, or their gradients.
    pub(crate) fn gates(&self, t: usize) -> &[Strip] {
        self.slab(&self.gates, self.layer().gate_axis(), t)
    }

    /// As [`LayerTape::gates`], to be written.
    pub(crate) fn gates_mut(&mut self, t: usize) -> &mut [Strip] {
        let length = self.layer().gate_axis().panels() * self.rows;
        &mut self.gates[t * length..][..length]
    }

    /// Takes step `t` of `n` rows that ran elsewhere: gates `[n, 4H]`, the cells after it `[n, H]`,
    /// what went into the projection `[n, H]`, if there is one, and outputs `[n, R]`.
    pub(crate) fn record(&mut self, t: usize, [gates, cells, units, outputs]: [&[f32]; 4]) {
        let (layer, rows) = (self.layer(), self.rows);
        for (values, axis, strips, t) in [
            (gates, layer.gate_axis(), &mut self.gates, t),
            (cells, layer.unit_axis(), &mut self.cells, t + 1),
            (outputs, layer.output_axis(), &mut self.outputs, t + 1),
            (units, layer.unit_axis(), &mut self.units, t),
        ] {
            let length = axis.panels() * rows;
            if !values.is_empty() {
                read_rows(values, axis, &mut strips[t * length..][..length], rows);
            }
        }
    }

    /// The gradient of what the projection gave at step `t`.
    pub(crate) fn d_output(&self, t: usize) -> &[Strip] {
        self.slab(&self.d_outputs, self.layer().output_axis(), t)
    }

    /// The gradient of the output at the step at hand.
    pub(crate) fn d_h_mut(&mut self) -> &mut [Strip] {
        &mut self.d_h
    }

    /// Runs step `t`.
    pub(crate) fn forward(
        &mut self,
        arch: Arch,
        weights: &PackedLayer,
        input: Input<'_>,
        t: usize,
    ) {
        let (layer, rows) = (self.layer(), self.rows);
        let slab = |axis: Axis| axis.panels() * rows;
        let (unit_slab, output_slab) = (slab(layer.unit_axis()), slab(layer.output_axis()));
        let (before, after) = self.cells.split_at_mut((t + 1) * unit_slab);
        let (h, next) = self.outputs.split_at_mut((t + 1) * output_slab);
        let (h, next) = (&h[t * output_slab..], &mut next[..output_slab]);
        let recurrence: Term<'_> = (h, &weights.w_hh);
        let with_input;
        let (start, terms) = match input {
            Input::Tokens(tokens) => (
                Start::Table(&weights.base, weights.vocabulary, tokens),
                std::slice::from_ref(&recurrence),
            ),
            Input::Below(x) => {
                with_input = [(x, &weights.w_ih), recurrence];
                (Start::Bias(&weights.base), &with_input[..])
            }
            Input::Tape => (Start::Output, std::slice::from_ref(&recurrence)),
        };
        let gate_slab = slab(layer.gate_axis());
        let gates = &mut self.gates[t * gate_slab..][..gate_slab];
        let (before, after) = (&before[t * unit_slab..], &mut after[..unit_slab]);
        let m = match layer.projection {
            None => &mut *next,
            Some(_) => &mut self.units[t * unit_slab..][..unit_slab],
        };
        macro_rules! step {
            ($cell:ty, $gates:literal) => {
                arch.dispatch(WithGates::<_, $gates>(CellForward::<$cell> {
                    rows,
                    start,
                    terms,
                    gates,
                    before,
                    after,
                    m,
                    equations: PhantomData,
                }))
            };
        }
        match layer.cell {
            CellKind::Lstm => step!(Lstm, 4),
            CellKind::Cifg => step!(Lean, 3),
        }
        if layer.projection.is_some() {
            let m = &self.units[t * unit_slab..][..unit_slab];
            arch.dispatch(Product {
                rows,
                start: Start::Zero,
                terms: &[(m, &weights.projection)],
                out: next,
            });
        }
    }

    /// Goes back through step `t` of `steps`. The gradient of its output comes from `above`, a
    /// product, or, where there is none, from [`LayerTape::d_h_mut`]; `above` may be absent.
    pub(crate) fn backward(
        &mut self,
        arch: Arch,
        weights: &PackedLayer,
        above: Above<'_>,
        (t, steps): (usize, usize),
    ) {
        let (layer, rows) = (self.layer(), self.rows);
        let slab = |axis: Axis| axis.panels() * rows;
        let (unit_slab, gate_slab) = (slab(layer.unit_axis()), slab(layer.gate_axis()));
        let (gates, later) = self.gates[t * gate_slab..].split_at_mut(gate_slab);
        let mut terms: [Term<'_>; 2] = [(&[], &weights.w_hh_t); 2];
        let mut count = 0;
        let start = match above {
            Above::Given => Start::Output,
            Above::Product(term) => {
                terms[0] = term;
                count = 1;
                Start::Zero
            }
            Above::Nothing => {
                self.d_h.fill(Strip::default());
                Start::Zero
            }
        };
        if t + 1 < steps {
            terms[count] = (&later[..gate_slab], &weights.w_hh_t);
            count += 1;
        }
        arch.dispatch(Product {
            rows,
            start,
            terms: &terms[..count],
            out: &mut self.d_h,
        });
        let d_m = match layer.projection {
            None => &self.d_h,
            Some(_) => {
                let length = self.d_h.len();
                self.d_outputs[t * length..][..length].copy_from_slice(&self.d_h);
                arch.dispatch(Product {
                    rows,
                    start: Start::Zero,
                    terms: &[(&self.d_h, &weights.projection_t)],
                    out: &mut self.d_m,
                });
                &self.d_m
            }
        };
        let (before, after) = self.cells[t * unit_slab..].split_at(unit_slab);
        let cells = [before, &after[..unit_slab]];
        macro_rules! step {
            ($cell:ty, $gates:literal) => {
                arch.dispatch(WithGates::<_, $gates>(CellBackward::<$cell> {
                    rows,
                    gates,
                    cells,
                    d_m,
                    d_c: &mut self.d_c,
                    equations: PhantomData,
                }))
            };
        }
        match layer.cell {
            CellKind::Lstm => step!(Lstm, 4),
            CellKind::Cifg => step!(Lean, 3),
        }
    }
}

/// Where the gradient of a layer's output comes from, besides the layer itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Above<'a> {
    /// It was written to the tape.
    Given,
    /// The gradient of what the output went into, times that weight's transpose.
    Product(Term<'a>),
    /// This step's output went nowhere else.
    Nothing,
}

/// The gradients of a layer's weights, in panels.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerGradient {
    /// `[unit panel][symbol][gate]`: of the table, or of the bias (one symbol).
    pub(crate) base: Vec<Strip>,
    /// `[unit panel][input][gate]`, empty where the input is a table or comes with the tape.
    pub(crate) w_ih: Vec<Strip>,
    /// `[unit panel][R][gate]`.
    pub(crate) w_hh: Vec<Strip>,
    /// `[group][H][panel]`.
    pub(crate) projection: Vec<Strip>,
}

/// What a layer read: it says which gradients there are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Tokens, of so many symbols.
    Table(usize),
    /// A layer below, of so wide an output.
    Below(usize),
    /// Pre-activations.
    Tape,
}

/// A piece of a gradient that one thread computes.
pub(crate) enum Piece<'a> {
    /// What the gates of sixteen units give.
    Gates {
        unit_panel: usize,
        base: &'a mut [Strip],
        w_ih: &'a mut [Strip],
        w_hh: &'a mut [Strip],
    },
    /// A group of panels of the projection.
    Projection { group: usize, to: &'a mut [Strip] },
}

impl LayerGradient {
    /// The gradient of the table, `[V, 4H]`.
    pub(crate) fn table(&self, layer: LayerConfig, vocabulary: usize) -> Vec<f32> {
        let gates = layer.gate_axis();
        let count = gates.gate_count();
        let mut table = vec![0.0; vocabulary * gates.len()];
        for (unit_panel, strips) in self.base.chunks_exact(vocabulary * count).enumerate() {
            for (strips, row) in strips
                .chunks_exact(count)
                .zip(table.chunks_exact_mut(gates.len()))
            {
                for (gate, strip) in strips.iter().enumerate() {
                    let span = gates.span(unit_panel * count + gate);
                    row[span.clone()].copy_from_slice(&strip.0[..span.len()]);
                }
            }
        }
        table
    }

    /// Makes room, and cuts it into pieces.
    pub(crate) fn pieces(&mut self, layer: LayerConfig, kind: Kind) -> Vec<Piece<'_>> {
        let (units, count) = (layer.unit_axis(), layer.gate_axis().gate_count());
        let deep = |axis: Axis| axis.panels() * LANES;
        let (symbols, inputs) = match kind {
            Kind::Table(symbols) => (symbols, 0),
            Kind::Below(width) => (1, deep(Axis::plain(width))),
            Kind::Tape => (0, 0),
        };
        let outputs = layer.output_axis();
        let lengths = [symbols, inputs, deep(outputs)].map(|length| length * count);
        let projection = layer
            .projection
            .map_or(0, |_| deep(units) * outputs.panels());
        let mut pieces = Vec::new();
        let all = [&mut self.base, &mut self.w_ih, &mut self.w_hh];
        let mut all: [&mut [Strip]; 3] = {
            let mut lengths = lengths.iter();
            all.map(|strips| {
                let length = lengths.next().expect("three") * units.panels();
                strips.resize(length, Strip::default());
                &mut strips[..]
            })
        };
        for unit_panel in 0..units.panels() {
            let mut lengths = lengths.iter();
            let [base, w_ih, w_hh] = all.each_mut().map(|strips| {
                let length = *lengths.next().expect("three");
                strips.split_off_mut(..length).expect("one for each panel")
            });
            pieces.push(Piece::Gates {
                unit_panel,
                base,
                w_ih,
                w_hh,
            });
        }
        self.projection.resize(projection, Strip::default());
        let groups = self.projection.chunks_mut(deep(units) * GROUP).enumerate();
        pieces.extend(groups.map(|(group, to)| Piece::Projection { group, to }));
        pieces
    }
}

/// The tapes of a layer and what they read, of the rows that one thread ran.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran<'a> {
    pub(crate) tape: &'a LayerTape,
    /// `[T, rows]`, if the layer read tokens.
    pub(crate) tokens: &'a [u8],
    /// The layer below, if it read that.
    pub(crate) below: Option<&'a LayerTape>,
}

impl Piece<'_> {
    /// Computes the piece from what all threads ran.
    pub(crate) fn compute(self, arch: Arch, layer: LayerConfig, steps: usize, all: &[Ran<'_>]) {
        let each = || (0..steps).flat_map(|t| all.iter().map(move |ran| (t, ran)));
        match self {
            Self::Gates {
                unit_panel,
                base,
                w_ih,
                w_hh,
            } => {
                let width = layer.gate_axis().gate_count();
                base.fill(Strip::default());
                w_ih.fill(Strip::default());
                w_hh.fill(Strip::default());
                let mut of_input = Outer::new(arch, width, w_ih);
                let mut of_output = Outer::new(arch, width, w_hh);
                for (t, ran) in each() {
                    let rows = ran.tape.rows;
                    let group = width * rows;
                    let dy = &ran.tape.gates(t)[unit_panel * group..][..group];
                    if !base.is_empty() {
                        let tokens = ran.tokens.get(t * rows..(t + 1) * rows);
                        let table = &mut *base;
                        arch.dispatch(AddRows {
                            width,
                            dy,
                            tokens,
                            table,
                        });
                    }
                    if let Some(below) = ran.below {
                        of_input.add(below.output(t + 1), dy);
                    }
                    of_output.add(ran.tape.output(t), dy);
                }
                of_input.finish();
                of_output.finish();
            }
            Self::Projection { group, to } => {
                to.fill(Strip::default());
                let width = to.len() / (layer.unit_axis().panels() * LANES);
                let mut outer = Outer::new(arch, width, to);
                for (t, ran) in each() {
                    let tape = ran.tape;
                    let m = tape.slab(&tape.units, layer.unit_axis(), t);
                    let d_h = tape.slab(&tape.d_outputs, layer.output_axis(), t);
                    let d_h = &d_h[group * GROUP * tape.rows..][..width * tape.rows];
                    outer.add(m, d_h);
                }
                outer.finish();
            }
        }
    }
}

/// Collects slabs until they are many enough for one [`OuterProduct`].
pub(crate) struct Outer<'g, 'a> {
    arch: Arch,
    width: usize,
    gradient: &'g mut [Strip],
    blocks: Vec<(&'a [Strip], &'a [Strip])>,
    rows: usize,
}

impl<'g, 'a> Outer<'g, 'a> {
    pub(crate) fn new(arch: Arch, width: usize, gradient: &'g mut [Strip]) -> Self {
        Self {
            arch,
            width,
            gradient,
            blocks: Vec::new(),
            rows: 0,
        }
    }

    /// Adds `xᵀ · dy`, now or later.
    pub(crate) fn add(&mut self, x: &'a [Strip], dy: &'a [Strip]) {
        self.blocks.push((x, dy));
        self.rows += dy.len() / self.width;
        if self.rows >= OUTER_ROWS {
            self.finish();
        }
    }

    /// Adds what is left.
    pub(crate) fn finish(&mut self) {
        self.arch.dispatch(OuterProduct {
            width: self.width,
            blocks: &self.blocks,
            gradient: self.gradient,
        });
        self.blocks.clear();
        self.rows = 0;
    }
}
