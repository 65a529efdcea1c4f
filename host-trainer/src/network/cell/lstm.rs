//! The LSTM with four gates i, f, g, o, without peepholes, as in Keras and PyTorch.
//!
//! With `a` the sums of a gate's products:
//!
//! ```text
//! i, f, o = sigmoid(a_i, a_f, a_o);  g = tanh(a_g)      forward
//! c     = f * c + i * g;   m = o * tanh(c)
//!
//! dc   += dm * o * (1 - tanh(c)^2)                      backward
//! da_i  = dc * g * i (1 - i);      da_f = dc * c_before * f (1 - f)
//! da_g  = dc * i * (1 - g^2);      da_o = dm * tanh(c) * o (1 - o)
//! dc    = dc * f
//! ```

use super::{
    Definition, Framework, Gate, IntegerStep, ONE_Q11, ONE_Q14, ONE_Q15, one_minus_square,
    sigmoid_of, slope, tanh_of,
};
use crate::kernels::cell::{Cell, Equations, Of};
use crate::kernels::random::Random;
use crate::kernels::vectorize::tanh;
use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;
use lstm_core::export::integer;
use pulp::Simd;

/// The cell.
#[derive(Debug)]
pub(super) struct Lstm;

impl Definition for Lstm {
    fn name(&self) -> &'static str {
        "lstm"
    }

    fn device(&self) -> lstm_core::CellKind {
        lstm_core::CellKind::Lstm
    }

    fn framework(&self) -> Option<Framework> {
        Some(Framework {
            class: "LSTM",
            keras_gates: &[0, 1, 2, 3],
            keras_setting: None,
        })
    }

    fn gates(&self) -> &'static [Gate] {
        const {
            &[
                Gate::sigmoid("i"),
                Gate::sigmoid("f"),
                Gate::tanh("g"),
                Gate::sigmoid("o"),
            ]
        }
    }

    fn kernel(&self) -> &'static dyn Cell {
        &Of::<Self, 4, 4>::NEW
    }

    /// Orthogonal.
    fn start_recurrence(&self, outputs: usize, columns: usize, random: &mut Random) -> Vec<f32> {
        random.orthogonal(outputs, columns)
    }

    /// One for the forget gate: the cell starts by keeping what it holds.
    fn start_bias(&self, bias: &mut [f32], hidden: usize) {
        bias[hidden..2 * hidden].fill(1.0);
    }

    fn step(
        &self,
        input: &[Tensor],
        recurrent: &[Tensor],
        before: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let sum = |gate: usize| &input[gate] + &recurrent[gate];
        let (i, f) = (sigmoid(&sum(0)?)?, sigmoid(&sum(1)?)?);
        let after = ((f * before)? + (i * sum(2)?.tanh()?)?)?;
        Ok(((sigmoid(&sum(3)?)? * after.tanh()?)?, after))
    }

    fn integer_step(&self, step: IntegerStep<'_>) {
        let hidden = step.before.len();
        for u in 0..hidden {
            let sum = |gate: usize| {
                let at = gate * hidden + u;
                step.input[at].wrapping_add(step.recurrent[at])
            };
            let [i, f, o] = [0, 1, 3].map(|gate| integer::sigmoid(sum(gate)));
            let g = integer::tanh(sum(2));
            let c = integer::cell_state(f, (step.before[u] * ONE_Q11) as i16, i, g);
            step.after[u] = f32::from(c) / ONE_Q11;
            step.output[u] = f32::from(integer::hidden(o, c));
            let [i, f, o] = [i, f, o].map(|x| x as f32 / ONE_Q15);
            let values = [i, f, g as f32 / ONE_Q14, o];
            for (gate, value) in values.into_iter().enumerate() {
                step.kept[gate * hidden + u] = value;
            }
        }
    }
}

impl Equations<4, 4> for Lstm {
    const INPUT: [usize; 4] = [0, 1, 2, 3];
    const RECURRENT: [usize; 4] = [0, 1, 2, 3];

    #[inline(always)]
    fn advance<S: Simd>(
        simd: S,
        [i, f, g, o]: [S::f32s; 4],
        recurrent: [S::f32s; 4],
        before: S::f32s,
    ) -> ([S::f32s; 4], S::f32s) {
        let i = sigmoid_of(simd, i, recurrent[0]);
        let f = sigmoid_of(simd, f, recurrent[1]);
        let g = tanh_of(simd, g, recurrent[2]);
        let o = sigmoid_of(simd, o, recurrent[3]);
        let after = simd.mul_add_e_f32s(f, before, simd.mul_f32s(i, g));
        ([i, f, g, o], after)
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, [_, _, _, o]: [S::f32s; 4], after: S::f32s) -> S::f32s {
        simd.mul_f32s(o, tanh(simd, after))
    }

    #[inline(always)]
    fn backward<S: Simd>(
        simd: S,
        [i, f, g, o]: [S::f32s; 4],
        [before, after]: [S::f32s; 2],
        d_output: S::f32s,
        d_after: S::f32s,
    ) -> ([S::f32s; 4], S::f32s) {
        let mul = |a, b| simd.mul_f32s(a, b);
        let (d, d_o) = through_output(simd, o, after, d_output, d_after);
        let d_i = mul(mul(d, g), slope(simd, i));
        let d_f = mul(mul(d, before), slope(simd, f));
        let d_g = mul(mul(d, i), one_minus_square(simd, g));
        ([d_i, d_f, d_g, d_o], mul(d, f))
    }
}

/// The gradients of the cell state and of the output gate's sum.
#[inline(always)]
pub(super) fn through_output<S: Simd>(
    simd: S,
    o: S::f32s,
    after: S::f32s,
    d_output: S::f32s,
    d_after: S::f32s,
) -> (S::f32s, S::f32s) {
    let mul = |a, b| simd.mul_f32s(a, b);
    let tanh_c = tanh(simd, after);
    let d = simd.mul_add_e_f32s(mul(d_output, o), one_minus_square(simd, tanh_c), d_after);
    (d, mul(mul(d_output, tanh_c), slope(simd, o)))
}
