//! The equations of the recurrent cells, on vectors of any width.
//!
//! With `a` the pre-activations, and with what stands above it in each pair left out where a layer
//! has no projection:
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
//!
//! The CIFG cell has the gates i, g, o; there `f` is `1 - i` and
//! `da_i = dc * (g - c_before) * i (1 - i)`.

use crate::kernels::panels::LANES;
use crate::kernels::vectorize::{sigmoid, tanh};
use crate::network::config::{CellKind, LayerConfig};
use pulp::{Simd, WithSimd};

/// The equations of a cell with `G` gates.
pub(crate) trait Equations<const G: usize> {
    /// From the pre-activations and the cell: the gates, the next cell and `m`.
    fn forward<S: Simd>(
        simd: S,
        a: [S::f32s; G],
        before: S::f32s,
    ) -> ([S::f32s; G], S::f32s, S::f32s);

    /// From the gates, the cell before and after, and the gradients of `m` and of the cell after:
    /// the gradients of the pre-activations and of the cell before.
    fn backward<S: Simd>(
        simd: S,
        gates: [S::f32s; G],
        cells: [S::f32s; 2],
        d_m: S::f32s,
        d_c: S::f32s,
    ) -> ([S::f32s; G], S::f32s);
}

/// Four gates: i, f, g, o.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lstm;

impl Equations<4> for Lstm {
    #[inline(always)]
    fn forward<S: Simd>(
        simd: S,
        [i, f, g, o]: [S::f32s; 4],
        before: S::f32s,
    ) -> ([S::f32s; 4], S::f32s, S::f32s) {
        let (i, f, o) = (sigmoid(simd, i), sigmoid(simd, f), sigmoid(simd, o));
        let g = tanh(simd, g);
        let c = simd.mul_add_e_f32s(f, before, simd.mul_f32s(i, g));
        ([i, f, g, o], c, simd.mul_f32s(o, tanh(simd, c)))
    }

    #[inline(always)]
    fn backward<S: Simd>(
        simd: S,
        [i, f, g, o]: [S::f32s; 4],
        [before, after]: [S::f32s; 2],
        d_m: S::f32s,
        d_c: S::f32s,
    ) -> ([S::f32s; 4], S::f32s) {
        let mul = |a, b| simd.mul_f32s(a, b);
        let (d, d_o) = through_output(simd, o, after, d_m, d_c);
        let d_i = mul(mul(d, g), slope(simd, i));
        let d_f = mul(mul(d, before), slope(simd, f));
        let d_g = mul(mul(d, i), one_minus_square(simd, g));
        ([d_i, d_f, d_g, d_o], mul(d, f))
    }
}

/// Three gates: i, g, o.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lean;

impl Equations<3> for Lean {
    #[inline(always)]
    fn forward<S: Simd>(
        simd: S,
        [i, g, o]: [S::f32s; 3],
        before: S::f32s,
    ) -> ([S::f32s; 3], S::f32s, S::f32s) {
        let (i, g, o) = (sigmoid(simd, i), tanh(simd, g), sigmoid(simd, o));
        let keep = simd.sub_f32s(simd.splat_f32s(1.0), i);
        let c = simd.mul_add_e_f32s(keep, before, simd.mul_f32s(i, g));
        ([i, g, o], c, simd.mul_f32s(o, tanh(simd, c)))
    }

    #[inline(always)]
    fn backward<S: Simd>(
        simd: S,
        [i, g, o]: [S::f32s; 3],
        [before, after]: [S::f32s; 2],
        d_m: S::f32s,
        d_c: S::f32s,
    ) -> ([S::f32s; 3], S::f32s) {
        let mul = |a, b| simd.mul_f32s(a, b);
        let (d, d_o) = through_output(simd, o, after, d_m, d_c);
        let d_i = mul(mul(d, simd.sub_f32s(g, before)), slope(simd, i));
        let d_g = mul(mul(d, i), one_minus_square(simd, g));
        let keep = simd.sub_f32s(simd.splat_f32s(1.0), i);
        ([d_i, d_g, d_o], mul(d, keep))
    }
}

/// The gradients of the cell and of the output gate's pre-activation.
#[inline(always)]
fn through_output<S: Simd>(
    simd: S,
    o: S::f32s,
    after: S::f32s,
    d_m: S::f32s,
    d_c: S::f32s,
) -> (S::f32s, S::f32s) {
    let mul = |a, b| simd.mul_f32s(a, b);
    let tanh_c = tanh(simd, after);
    let d = simd.mul_add_e_f32s(mul(d_m, o), one_minus_square(simd, tanh_c), d_c);
    (d, mul(mul(d_m, tanh_c), slope(simd, o)))
}

/// x (1 - x): the slope of the sigmoid where its value is x.
#[inline(always)]
fn slope<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.mul_f32s(x, simd.sub_f32s(simd.splat_f32s(1.0), x))
}

/// 1 - x^2: the slope of tanh where its value is x.
#[inline(always)]
fn one_minus_square<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.negate_mul_add_e_f32s(x, x, simd.splat_f32s(1.0))
}

/// Activations of one step of one text: `gates` `[4H]` or `[3H]` in their plain order, the rest
/// `[H]`.
pub(crate) fn step_forward(
    layer: LayerConfig,
    gates: &mut [f32],
    before: &[f32],
    after: &mut [f32],
    m: &mut [f32],
) {
    pulp::Arch::new().dispatch(StepForward {
        layer,
        gates,
        before,
        after,
        m,
    });
}

struct StepForward<'a> {
    layer: LayerConfig,
    gates: &'a mut [f32],
    before: &'a [f32],
    after: &'a mut [f32],
    m: &'a mut [f32],
}

impl WithSimd for StepForward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.layer.cell {
            CellKind::Lstm => self.units::<S, Lstm, 4>(simd),
            CellKind::Cifg => self.units::<S, Lean, 3>(simd),
        }
    }
}

impl StepForward<'_> {
    #[inline(always)]
    fn units<S: Simd, E: Equations<G>, const G: usize>(self, simd: S) {
        let hidden = self.layer.hidden;
        for start in (0..hidden).step_by(LANES) {
            let at = start..hidden.min(start + LANES);
            let gate = |g: usize| g * hidden + at.start..g * hidden + at.end;
            let mut gates: [[f32; LANES]; G] = std::array::from_fn(|g| load(&self.gates[gate(g)]));
            let mut c = load(&self.before[at.clone()]);
            let mut m = [0.0; LANES];
            for part in 0..LANES / S::F32_LANES {
                let a = std::array::from_fn(|g| S::as_simd_f32s(&gates[g]).0[part]);
                let before = S::as_simd_f32s(&c).0[part];
                let (a, after, output) = E::forward(simd, a, before);
                for (gates, a) in gates.iter_mut().zip(a) {
                    S::as_mut_simd_f32s(gates).0[part] = a;
                }
                S::as_mut_simd_f32s(&mut c).0[part] = after;
                S::as_mut_simd_f32s(&mut m).0[part] = output;
            }
            for (g, values) in gates.iter().enumerate() {
                self.gates[gate(g)].copy_from_slice(&values[..at.len()]);
            }
            self.after[at.clone()].copy_from_slice(&c[..at.len()]);
            self.m[at.clone()].copy_from_slice(&m[..at.len()]);
        }
    }
}

/// Up to [`LANES`] numbers; zeros where `from` is shorter.
#[inline(always)]
fn load(from: &[f32]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    lanes[..from.len()].copy_from_slice(from);
    lanes
}
