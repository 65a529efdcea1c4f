//! The GRU (Cho et al. 2014) with the reset gate after the product and both biases, as in PyTorch and Keras: three gates
//! r, z, n. The cell state is the output.
//!
//! With `x` and `h` the products of the input and of the output before, each with its bias:
//!
//! ```text
//! r, z = sigmoid(x_r + h_r, x_z + h_z);  n = tanh(x_n + r * h_n)      forward
//! c    = z * c_before + (1 - z) * n;     m = c
//!
//! dc  += dm                                                           backward
//! dx_n = dc * (1 - z) * (1 - n^2);       dh_n = dx_n * r
//! da_r = dx_n * h_n * r (1 - r);         da_z = dc * (c_before - n) * z (1 - z)
//! dc   = dc * z
//! ```
//!
//! `h_n` is kept beside the gates.

use super::{
    Definition, Framework, Gate, IntegerStep, ONE_Q14, ONE_Q15, one_minus_square, sigmoid_of, slope,
};
use crate::kernels::cell::{Cell, Equations, Of};
use crate::kernels::random::Random;
use crate::kernels::vectorize::tanh;
use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;
use lstm_core::export::integer;
use pulp::Simd;

/// One in Q12.
const ONE_Q12: f32 = (1 << 12) as f32;

/// The cell.
#[derive(Debug)]
pub(super) struct Gru;

impl Definition for Gru {
    fn name(&self) -> &'static str {
        "gru"
    }

    fn device(&self) -> lstm_core::CellKind {
        lstm_core::CellKind::Gru
    }

    fn framework(&self) -> Option<Framework> {
        Some(Framework {
            class: "GRU",
            // Keras has z before r.
            keras_gates: &[1, 0, 2],
            keras_setting: Some("reset_after"),
        })
    }

    fn gates(&self) -> &'static [Gate] {
        const {
            // The device takes h_n in Q12.
            let n = Gate {
                recurrent_half: 1 << 5,
                ..Gate::tanh("n")
            };
            &[Gate::sigmoid("r"), Gate::sigmoid("z"), n]
        }
    }

    fn kernel(&self) -> &'static dyn Cell {
        &Of::<Self, 3, 4>::NEW
    }

    /// Orthogonal.
    fn start_recurrence(&self, outputs: usize, columns: usize, random: &mut Random) -> Vec<f32> {
        random.orthogonal(outputs, columns)
    }

    /// Zeros.
    fn start_bias(&self, _bias: &mut [f32], _hidden: usize) {}

    fn step(
        &self,
        input: &[Tensor],
        recurrent: &[Tensor],
        before: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let gate = |gate: usize| sigmoid(&(&input[gate] + &recurrent[gate])?);
        let (r, z) = (gate(0)?, gate(1)?);
        let n = (&input[2] + (r * &recurrent[2])?)?.tanh()?;
        let after = (&n + (z * (before - &n)?)?)?;
        Ok((after.clone(), after))
    }

    fn integer_step(&self, step: IntegerStep<'_>) {
        let hidden = step.before.len();
        for u in 0..hidden {
            let products = |gate: usize| {
                let at = gate * hidden + u;
                (step.input[at], step.recurrent[at])
            };
            let [r, z] = [0, 1].map(|gate| {
                let (x, h) = products(gate);
                integer::sigmoid(integer::added(x, h))
            });
            let (x, h) = products(2);
            let n = integer::tanh(integer::added(x, integer::scaled(r, h)));
            let c = integer::mixed(z, (step.before[u] * ONE_Q14) as i16, n);
            step.after[u] = f32::from(c) / ONE_Q14;
            step.output[u] = f32::from(integer::shown(c));
            let h = (h >> 6).clamp(-0xffff, 0xffff);
            let [r, z] = [r, z].map(|x| x as f32 / ONE_Q15);
            let values = [r, z, n as f32 / ONE_Q14, h as f32 / ONE_Q12];
            for (k, value) in values.into_iter().enumerate() {
                step.kept[k * hidden + u] = value;
            }
        }
    }
}

impl Equations<3, 4> for Gru {
    const INPUT: [usize; 3] = [0, 1, 2];
    const RECURRENT: [usize; 3] = [0, 1, 3];

    #[inline(always)]
    fn advance<S: Simd>(
        simd: S,
        [r, z, n]: [S::f32s; 3],
        recurrent: [S::f32s; 3],
        before: S::f32s,
    ) -> ([S::f32s; 4], S::f32s) {
        let r = sigmoid_of(simd, r, recurrent[0]);
        let z = sigmoid_of(simd, z, recurrent[1]);
        let h = recurrent[2];
        let n = tanh(simd, simd.mul_add_e_f32s(r, h, n));
        let after = simd.mul_add_e_f32s(z, simd.sub_f32s(before, n), n);
        ([r, z, n, h], after)
    }

    #[inline(always)]
    fn output<S: Simd>(_simd: S, _kept: [S::f32s; 4], after: S::f32s) -> S::f32s {
        after
    }

    #[inline(always)]
    fn backward<S: Simd>(
        simd: S,
        [r, z, n, h]: [S::f32s; 4],
        [before, _after]: [S::f32s; 2],
        d_output: S::f32s,
        d_after: S::f32s,
    ) -> ([S::f32s; 4], S::f32s) {
        let mul = |a, b| simd.mul_f32s(a, b);
        let d = simd.add_f32s(d_output, d_after);
        let d_z = mul(mul(d, simd.sub_f32s(before, n)), slope(simd, z));
        let new = simd.sub_f32s(simd.splat_f32s(1.0), z);
        let d_n = mul(mul(d, new), one_minus_square(simd, n));
        let d_r = mul(mul(d_n, h), slope(simd, r));
        ([d_r, d_z, d_n, mul(d_n, r)], mul(d, z))
    }
}
