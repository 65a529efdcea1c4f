//! Elementwise loops, compiled for each instruction set and chosen at run time, and the
//! activations on vectors of any width.

use pulp::{Arch, Simd};

/// Defines a function whose body is compiled for every instruction set that `pulp` knows.
///
/// What the body calls must be `#[inline(always)]`.
macro_rules! vectorized {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$lt:lifetime>($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        $vis fn $name<$lt>($($arg: $ty),*) {
            struct Body<$lt> { $($arg: $ty),* }
            impl<$lt> pulp::NullaryFnOnce for Body<$lt> {
                type Output = ();
                #[inline(always)]
                fn call(self) {
                    let Self { $($arg),* } = self;
                    $body
                }
            }
            pulp::Arch::new().dispatch(Body { $($arg),* });
        }
    };
}
pub(crate) use vectorized;

/// The instruction sets that this CPU can run, the best one first.
pub fn instruction_sets() -> Vec<(&'static str, Arch)> {
    let mut sets = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        sets.extend(pulp::x86::V4::try_new().map(|v4| ("AVX-512", Arch::V4(v4))));
        sets.extend(pulp::x86::V3::try_new().map(|v3| ("AVX2", Arch::V3(v3))));
    }
    #[cfg(target_arch = "aarch64")]
    sets.extend(pulp::aarch64::Neon::try_new().map(|neon| ("NEON", Arch::Neon(neon))));
    sets.push(("portable", Arch::Scalar));
    sets
}

/// e^x as `(p, q)` with `e^x = p (1 + q)`: p a power of two, q = e^r - 1 for a rest r of at most ln 2 / 2, by the
/// reduction and the polynomial of Cephes's `expf` (Moshier 1989). Finite at both ends (x is clamped to ±87).
#[inline(always)]
fn exp_parts<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    // Adding and subtracting 1.5 * 2^23 rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let splat = |x| simd.splat_f32s(x);
    let fma = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    // Not every instruction set keeps what is not a number through a minimum.
    let clamped = simd.max_f32s(splat(-87.0), simd.min_f32s(splat(87.0), x));
    let x = simd.select_f32s(simd.equal_f32s(x, x), clamped, x);
    let shifted = fma(x, splat(std::f32::consts::LOG2_E), splat(ROUND));
    let n = simd.sub_f32s(shifted, splat(ROUND));
    let r = fma(n, splat(-0.693_359_4), x);
    let r = fma(n, splat(2.121_944_4e-4), r);
    let mut p = splat(1.987_569_1e-4);
    for c in [
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        5e-1,
    ] {
        p = fma(p, r, splat(c));
    }
    let q = fma(p, simd.mul_f32s(r, r), r);
    let exponent =
        simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let power = simd.add_u32s(exponent, simd.splat_u32s(127 << 23));
    (simd.transmute_f32s_u32s(power), q)
}

/// e^x, within 2 units in the last place; finite at both ends (x is clamped to ±87).
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (power, rest) = exp_parts(simd, x);
    simd.mul_add_e_f32s(power, rest, power)
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    simd.div_f32s(one, simd.add_f32s(one, exp(simd, simd.neg_f32s(x))))
}

/// Hyperbolic tangent, y / (y + 2) with y = e^2x - 1, which is exact near zero; within 3e-7 of its value.
#[inline(always)]
pub fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (power, rest) = exp_parts(simd, simd.add_f32s(x, x));
    let below = simd.sub_f32s(power, simd.splat_f32s(1.0));
    let y = simd.mul_add_e_f32s(power, rest, below);
    simd.div_f32s(y, simd.add_f32s(y, simd.splat_f32s(2.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Exact = fn(f64) -> f64;

    /// Applies a function to numbers on each instruction set.
    struct Apply<'a>(&'a str, &'a mut [f32]);

    impl pulp::WithSimd for Apply<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (vectors, rest) = S::as_mut_simd_f32s(self.1);
            assert!(rest.is_empty());
            for x in vectors {
                *x = match self.0 {
                    "exp" => exp(simd, *x),
                    "sigmoid" => sigmoid(simd, *x),
                    _ => tanh(simd, *x),
                };
            }
        }
    }

    #[test]
    fn activations_are_near_the_exact_ones_on_every_instruction_set() {
        let cases: [(&str, Exact, f32); 3] = [
            ("exp", f64::exp, 80.0),
            ("sigmoid", |x| 1.0 / (1.0 + (-x).exp()), 80.0),
            ("tanh", f64::tanh, 20.0),
        ];
        let steps = 1 << 18;
        for (set, arch) in instruction_sets() {
            for (name, exact, limit) in cases {
                let at = |i: i32| limit * ((i as f32 + 0.5) / steps as f32);
                let xs: Vec<f32> = (-steps..steps).map(at).collect();
                let mut ys = xs.clone();
                arch.dispatch(Apply(name, &mut ys));
                let relative = |(&x, &y): (&f32, &f32)| {
                    let expected = exact(f64::from(x));
                    (f64::from(y) - expected).abs() / expected.abs()
                };
                let error = xs.iter().zip(&ys).map(relative).fold(0.0, f64::max);
                println!("{set} {name}: largest relative error {error:.2e}");
                assert!(error < 3e-7, "{set} {name} {error:e}");
            }
            for (name, ..) in cases {
                let mut nothing = [f32::NAN; 16];
                arch.dispatch(Apply(name, &mut nothing));
                assert!(nothing.iter().all(|x| x.is_nan()), "{set} {name}");
            }
            let mut ends = [1e9f32; 16];
            ends[..8].fill(-1e9);
            arch.dispatch(Apply("tanh", &mut ends));
            assert!(ends[..8].iter().all(|&x| x == -1.0) && ends[8..].iter().all(|&x| x == 1.0));
            arch.dispatch(Apply("exp", &mut ends[..]));
            assert!(ends.iter().all(|x| x.is_finite()));
        }
    }
}
