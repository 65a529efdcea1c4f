//! The LSTM with coupled input and forget gates (CIFG, Greff et al. 2015): three gates i, g, o. What the input gate
//! lets in, the cell forgets: it is the LSTM with `f = 1 - i`, and
//!
//! ```text
//! da_i = dc * (g - c_before) * i (1 - i);   dc = dc * (1 - i)
//! ```

use super::lstm::through_output;
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
pub(super) struct Cifg;

impl Definition for Cifg {
    fn name(&self) -> &'static str {
        "cifg"
    }

    fn device(&self) -> lstm_core::CellKind {
        lstm_core::CellKind::Cifg
    }

    fn framework(&self) -> Option<Framework> {
        None
    }

    fn gates(&self) -> &'static [Gate] {
        const { &[Gate::sigmoid("i"), Gate::tanh("g"), Gate::sigmoid("o")] }
    }

    fn kernel(&self) -> &'static dyn Cell {
        &Of::<Self, 3, 3>::NEW
    }

    /// Uniform with variance 1/R.
    fn start_recurrence(&self, outputs: usize, columns: usize, random: &mut Random) -> Vec<f32> {
        random.uniform_vec(outputs * columns, (3.0 / outputs as f32).sqrt())
    }

    /// -1 for the input gate: the cell starts by keeping what it holds.
    fn start_bias(&self, bias: &mut [f32], hidden: usize) {
        bias[..hidden].fill(-1.0);
    }

    fn step(
        &self,
        input: &[Tensor],
        recurrent: &[Tensor],
        before: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let sum = |gate: usize| &input[gate] + &recurrent[gate];
        let (i, f) = (sigmoid(&sum(0)?)?, sigmoid(&sum(0)?.neg()?)?);
        let after = ((f * before)? + (i * sum(1)?.tanh()?)?)?;
        Ok(((sigmoid(&sum(2)?)? * after.tanh()?)?, after))
    }

    fn integer_step(&self, step: IntegerStep<'_>) {
        let hidden = step.before.len();
        for u in 0..hidden {
            let sum = |gate: usize| {
                let at = gate * hidden + u;
                step.input[at].wrapping_add(step.recurrent[at])
            };
            let [i, o] = [0, 2].map(|gate| integer::sigmoid(sum(gate)));
            let (f, g) = (integer::one_minus(i), integer::tanh(sum(1)));
            let c = integer::cell_state(f, (step.before[u] * ONE_Q11) as i16, i, g);
            step.after[u] = f32::from(c) / ONE_Q11;
            step.output[u] = f32::from(integer::hidden(o, c));
            let values = [i as f32 / ONE_Q15, g as f32 / ONE_Q14, o as f32 / ONE_Q15];
            for (gate, value) in values.into_iter().enumerate() {
                step.kept[gate * hidden + u] = value;
            }
        }
    }
}

impl Equations<3, 3> for Cifg {
    const INPUT: [usize; 3] = [0, 1, 2];
    const RECURRENT: [usize; 3] = [0, 1, 2];

    #[inline(always)]
    fn advance<S: Simd>(
        simd: S,
        [i, g, o]: [S::f32s; 3],
        recurrent: [S::f32s; 3],
        before: S::f32s,
    ) -> ([S::f32s; 3], S::f32s) {
        let i = sigmoid_of(simd, i, recurrent[0]);
        let g = tanh_of(simd, g, recurrent[1]);
        let o = sigmoid_of(simd, o, recurrent[2]);
        let keep = simd.sub_f32s(simd.splat_f32s(1.0), i);
        let after = simd.mul_add_e_f32s(keep, before, simd.mul_f32s(i, g));
        ([i, g, o], after)
    }

    #[inline(always)]
    fn output<S: Simd>(simd: S, [_, _, o]: [S::f32s; 3], after: S::f32s) -> S::f32s {
        simd.mul_f32s(o, tanh(simd, after))
    }

    #[inline(always)]
    fn backward<S: Simd>(
        simd: S,
        [i, g, o]: [S::f32s; 3],
        [before, after]: [S::f32s; 2],
        d_output: S::f32s,
        d_after: S::f32s,
    ) -> ([S::f32s; 3], S::f32s) {
        let mul = |a, b| simd.mul_f32s(a, b);
        let (d, d_o) = through_output(simd, o, after, d_output, d_after);
        let d_i = mul(mul(d, simd.sub_f32s(g, before)), slope(simd, i));
        let d_g = mul(mul(d, i), one_minus_square(simd, g));
        let keep = simd.sub_f32s(simd.splat_f32s(1.0), i);
        ([d_i, d_g, d_o], mul(d, keep))
    }
}
