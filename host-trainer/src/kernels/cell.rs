//! What a recurrent cell is to the kernels, and one step of it, forward and backward, on panels.
//!
//! In the loops here arrays are not mapped by closures that compute: the compiler leaves those out of line, without the
//! instructions of the CPU at hand.
//!
//! A cell of G gates gets the products of its input and of the output before, `[G]` for each unit, apart
//! from each other, and the number that the unit holds (the cell state). It gives the next such number,
//! the unit's output, and K numbers to keep for the way back: the gates first. On the way back these become K
//! gradients, in which each gate's input product and recurrent product have theirs.

use crate::kernels::panels::{LANES, Strip, get, put};
use crate::kernels::product::{Start, Sum, Term};
use pulp::{Arch, Simd, WithSimd};
use std::fmt::Debug;
use std::marker::PhantomData;

/// The equations of a cell of `G` gates that keeps `K` numbers a unit, on vectors of any width.
pub(crate) trait Equations<const G: usize, const K: usize>:
    Debug + Send + Sync + 'static
{
    /// Where among the gradients that of each gate's input product is.
    const INPUT: [usize; G];
    /// Where among the gradients that of each gate's recurrent product is.
    const RECURRENT: [usize; G];

    /// From both products and the cell state before: what is kept, and the cell state after.
    fn advance<S: Simd>(
        simd: S,
        input: [S::f32s; G],
        recurrent: [S::f32s; G],
        before: S::f32s,
    ) -> ([S::f32s; K], S::f32s);

    /// The unit's output, from what is kept and the cell state after.
    fn output<S: Simd>(simd: S, kept: [S::f32s; K], after: S::f32s) -> S::f32s;

    /// From what was kept, the cell states before and after, and the gradients of the unit's output and of
    /// the cell state after: the gradients of the products, and of the cell state before.
    fn backward<S: Simd>(
        simd: S,
        kept: [S::f32s; K],
        states: [S::f32s; 2],
        d_output: S::f32s,
        d_after: S::f32s,
    ) -> ([S::f32s; K], S::f32s);
}

/// A cell with its equations in a form that can be stored: made from [`Equations`] by [`Of`].
pub(crate) trait Cell: Debug + Send + Sync {
    /// Number of gates, G.
    fn gates(&self) -> usize;
    /// Numbers that are kept, K.
    fn kept(&self) -> usize;
    /// [`Equations::INPUT`].
    fn input(&self) -> &'static [usize];
    /// [`Equations::RECURRENT`].
    fn recurrent(&self) -> &'static [usize];
    /// Runs a step of many rows.
    fn forward(&self, arch: Arch, step: Forward<'_>);
    /// Goes back through a step of many rows.
    fn backward(&self, arch: Arch, step: Backward<'_>);
    /// Runs a step of one row.
    fn step(&self, arch: Arch, step: Step<'_>);
}

/// The cell of certain equations.
#[derive(Debug)]
pub(crate) struct Of<E, const G: usize, const K: usize>(PhantomData<E>);

impl<E, const G: usize, const K: usize> Of<E, G, K> {
    pub(crate) const NEW: Self = Self(PhantomData);
}

impl<E: Equations<G, K>, const G: usize, const K: usize> Cell for Of<E, G, K> {
    fn gates(&self) -> usize {
        G
    }

    fn kept(&self) -> usize {
        K
    }

    fn input(&self) -> &'static [usize] {
        &E::INPUT
    }

    fn recurrent(&self) -> &'static [usize] {
        &E::RECURRENT
    }

    fn forward(&self, arch: Arch, step: Forward<'_>) {
        arch.dispatch(By::<_, E, G, K>(step, PhantomData));
    }

    fn backward(&self, arch: Arch, step: Backward<'_>) {
        arch.dispatch(By::<_, E, G, K>(step, PhantomData));
    }

    fn step(&self, arch: Arch, step: Step<'_>) {
        arch.dispatch(By::<_, E, G, K>(step, PhantomData));
    }
}

/// Work with the equations that it is done by.
struct By<W, E, const G: usize, const K: usize>(W, PhantomData<E>);

/// Where the products of the input come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InputProducts<'a> {
    /// The row of each row's token: `[unit panel][token][gate]` with the number of tokens, and a token for
    /// each row.
    Table(&'a [Strip], usize, &'a [u8]),
    /// They are where the gates will be.
    InPlace,
}

/// One step of a layer: the products of the recurrence, and the equations of its cell.
pub(crate) struct Forward<'a> {
    /// Rows of every slab.
    pub(crate) rows: usize,
    /// The products of the input.
    pub(crate) input: InputProducts<'a>,
    /// The output before and the recurrent weights, whose groups are the gates of sixteen units; nothing where the
    /// output before is zero.
    pub(crate) recurrence: Option<Term<'a>>,
    /// Added to the recurrent products: `[unit panel][gate]`, or empty.
    pub(crate) recurrent_bias: &'a [Strip],
    /// Memory for the recurrent products of sixteen units, `[gate]`.
    pub(crate) products: &'a mut [Strip],
    /// What is kept, `[unit panel][K]`.
    pub(crate) kept: &'a mut [Strip],
    /// The cell states before.
    pub(crate) before: &'a [Strip],
    /// The cell states after.
    pub(crate) after: &'a mut [Strip],
    /// The units' outputs.
    pub(crate) output: &'a mut [Strip],
}

impl<E: Equations<G, K>, const G: usize, const K: usize> WithSimd for By<Forward<'_>, E, G, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(step, _) = self;
        let rows = step.rows;
        let kept = step.kept.chunks_exact_mut(K * rows);
        let states = step.before.chunks_exact(rows);
        let out = step.after.chunks_exact_mut(rows);
        let out = out.zip(step.output.chunks_exact_mut(rows));
        let recurrent = step.products;
        for (group, ((kept, before), (after, output))) in kept.zip(states).zip(out).enumerate() {
            let bias = step.recurrent_bias.get(group * G..(group + 1) * G);
            let sum = Sum {
                rows,
                start: bias.map_or(Start::Zero, Start::Bias),
                terms: step.recurrence.as_slice(),
                group,
            };
            sum.write::<S, G>(simd, recurrent);
            // Each of these loops takes rows that do not wait for each other: their long chains of operations run side
            // by side.
            for row in 0..rows {
                for part in 0..LANES / S::F32_LANES {
                    let recurrent =
                        std::array::from_fn(|g| get::<S>(&recurrent[g * rows + row], part));
                    let input = match step.input {
                        InputProducts::Table(table, symbols, tokens) => {
                            let token = usize::from(tokens[row]);
                            let strips = &table[(group * symbols + token) * G..][..G];
                            std::array::from_fn(|g| get::<S>(&strips[g], part))
                        }
                        InputProducts::InPlace => {
                            std::array::from_fn(|g| get::<S>(&kept[g * rows + row], part))
                        }
                    };
                    let before = get::<S>(&before[row], part);
                    let (values, state) = E::advance(simd, input, recurrent, before);
                    for (k, &value) in values.iter().enumerate() {
                        put::<S>(&mut kept[k * rows + row], part, value);
                    }
                    put::<S>(&mut after[row], part, state);
                }
            }
            for row in 0..rows {
                for part in 0..LANES / S::F32_LANES {
                    let values = std::array::from_fn(|k| get::<S>(&kept[k * rows + row], part));
                    let after = get::<S>(&after[row], part);
                    put::<S>(&mut output[row], part, E::output(simd, values, after));
                }
            }
        }
    }
}

/// One step back through a cell: what was kept becomes the gradients of the products.
pub(crate) struct Backward<'a> {
    /// Rows of every slab.
    pub(crate) rows: usize,
    /// What was kept, `[unit panel][K]`.
    pub(crate) kept: &'a mut [Strip],
    /// The cell states before and after.
    pub(crate) states: [&'a [Strip]; 2],
    /// The gradient of the units' outputs.
    pub(crate) d_output: &'a [Strip],
    /// The gradient of the cell states after, which becomes that of the cell states before.
    pub(crate) d_state: &'a mut [Strip],
}

impl<E: Equations<G, K>, const G: usize, const K: usize> WithSimd for By<Backward<'_>, E, G, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(step, _) = self;
        let rows = step.rows;
        let [before, after] = step.states.map(|states| states.chunks_exact(rows));
        let gradients = step.d_output.chunks_exact(rows);
        let gradients = gradients.zip(step.d_state.chunks_exact_mut(rows));
        let kept = step.kept.chunks_exact_mut(K * rows);
        for ((kept, (before, after)), (d_output, d_state)) in
            kept.zip(before.zip(after)).zip(gradients)
        {
            for row in 0..rows {
                for part in 0..LANES / S::F32_LANES {
                    let values = std::array::from_fn(|k| get::<S>(&kept[k * rows + row], part));
                    let states = [get::<S>(&before[row], part), get::<S>(&after[row], part)];
                    let d_output = get::<S>(&d_output[row], part);
                    let d_after = get::<S>(&d_state[row], part);
                    let (d, d_before) = E::backward(simd, values, states, d_output, d_after);
                    for (k, d) in d.into_iter().enumerate() {
                        put::<S>(&mut kept[k * rows + row], part, d);
                    }
                    put::<S>(&mut d_state[row], part, d_before);
                }
            }
        }
    }
}

/// One step of one row, in plain order.
pub(crate) struct Step<'a> {
    /// The products of the input `[G * H]`.
    pub(crate) input: &'a [f32],
    /// The products of the recurrence `[G * H]`.
    pub(crate) recurrent: &'a [f32],
    /// What is kept `[K * H]`, the gates first.
    pub(crate) kept: &'a mut [f32],
    /// The cell states before `[H]`.
    pub(crate) before: &'a [f32],
    /// The cell states after `[H]`.
    pub(crate) after: &'a mut [f32],
    /// The units' outputs `[H]`.
    pub(crate) output: &'a mut [f32],
}

impl<E: Equations<G, K>, const G: usize, const K: usize> WithSimd for By<Step<'_>, E, G, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(step, _) = self;
        let hidden = step.before.len();
        for start in (0..hidden).step_by(LANES) {
            let at = start..hidden.min(start + LANES);
            let block = |g: usize| g * hidden + at.start..g * hidden + at.end;
            let input: [Strip; G] = std::array::from_fn(|g| load(&step.input[block(g)]));
            let recurrent: [Strip; G] = std::array::from_fn(|g| load(&step.recurrent[block(g)]));
            let mut state = load(&step.before[at.clone()]);
            let (mut kept, mut output) = ([Strip::default(); K], Strip::default());
            for part in 0..LANES / S::F32_LANES {
                let input = std::array::from_fn(|g| get::<S>(&input[g], part));
                let recurrent = std::array::from_fn(|g| get::<S>(&recurrent[g], part));
                let before = get::<S>(&state, part);
                let (values, after) = E::advance(simd, input, recurrent, before);
                for (kept, value) in kept.iter_mut().zip(values) {
                    put::<S>(kept, part, value);
                }
                put::<S>(&mut state, part, after);
                put::<S>(&mut output, part, E::output(simd, values, after));
            }
            for (k, values) in kept.iter().enumerate() {
                step.kept[block(k)].copy_from_slice(&values.0[..at.len()]);
            }
            step.after[at.clone()].copy_from_slice(&state.0[..at.len()]);
            step.output[at.clone()].copy_from_slice(&output.0[..at.len()]);
        }
    }
}

/// Up to [`LANES`] numbers; zeros where `from` is shorter.
#[inline(always)]
fn load(from: &[f32]) -> Strip {
    let mut strip = Strip::default();
    strip.0[..from.len()].copy_from_slice(from);
    strip
}
