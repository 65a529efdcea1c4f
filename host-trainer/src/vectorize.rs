//! Elementwise loops, compiled for each instruction set and chosen at run time, and the
//! activations in a form that such loops can vectorize.

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

/// e^x, within 2 units in the last place; finite at both ends (x is clamped to ±87).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding and subtracting 1.5 * 2^23 rounds to an integer, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5e-1;
    let fraction = p * (r * r) + r + 1.0;
    let power = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    fraction * f32::from_bits(power)
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Hyperbolic tangent: a polynomial near zero, by [`exp`] elsewhere.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let y = x * x;
    let mut p = -5.704_988_7e-3;
    p = p * y + 2.063_908_8e-2;
    p = p * y - 5.373_971_5e-2;
    p = p * y + 1.333_144_2e-1;
    p = p * y - 3.333_328e-1;
    let near = p * y * x + x;
    let far = 1.0 - 2.0 / (1.0 + exp(2.0 * x.abs()));
    if x.abs() < 0.625 {
        near
    } else {
        far.copysign(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest error of `f` against `reference`, relative to the value.
    fn error(f: fn(f32) -> f32, reference: fn(f64) -> f64, limit: f32) -> f64 {
        let steps = 400_000;
        let at = |i: i32| limit * (i as f32 / steps as f32);
        let relative = |x: f32| {
            let (got, expected) = (f64::from(f(x)), reference(f64::from(x)));
            (got - expected).abs() / expected.abs().max(f64::from(f32::MIN_POSITIVE))
        };
        (-steps..=steps)
            .map(|i| relative(at(i)))
            .fold(0.0, f64::max)
    }

    #[test]
    fn activations_are_near_the_exact_ones() {
        let cases: [(&str, f64); 3] = [
            ("exp", error(exp, f64::exp, 80.0)),
            (
                "sigmoid",
                error(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 80.0),
            ),
            ("tanh", error(tanh, f64::tanh, 20.0)),
        ];
        for (name, error) in cases {
            println!("{name}: largest relative error {error:.2e}");
            assert!(error < 2.5e-7, "{name} {error:e}");
        }
        assert!(exp(1e9).is_finite() && sigmoid(-1e9) >= 0.0 && tanh(1e9) == 1.0);
        assert_eq!(tanh(-1e9), -1.0);
    }
}
