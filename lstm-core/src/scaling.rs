//! From the user's units to the columns of the first layer, and from logits to the user's units.

/// Two floats for each of some values, in the order of the file: the mean and the scale of what is read,
/// or the offset and the scale of what is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaling<'m> {
    /// Means or offsets, as the file has them.
    first: &'m [u32],
    /// Scales, as the file has them.
    scales: &'m [u32],
}

impl<'m> Scaling<'m> {
    /// Of no value.
    pub(crate) const NONE: Self = Scaling {
        first: &[],
        scales: &[],
    };

    pub(crate) fn new([first, scales]: [&'m [u32]; 2]) -> Self {
        Scaling { first, scales }
    }

    /// The first value whose numbers are not both finite.
    pub(crate) fn not_finite(self) -> Option<usize> {
        self.pairs()
            .position(|(first, scale)| !first.is_finite() || !scale.is_finite())
    }

    /// `(x - mean) * scale` of each channel: two roundings.
    pub(crate) fn normalized<'v>(
        self,
        values: &'v [f32],
    ) -> impl Iterator<Item = f32> + use<'m, 'v> {
        let values = values.iter().zip(self.pairs());
        values.map(|(&x, (mean, scale))| (x - mean) * scale)
    }

    /// `offset + scale * y` of each value: two roundings; `y` itself where there is no scaling.
    pub(crate) fn in_units(self, ys: impl Iterator<Item = f32>) -> impl Iterator<Item = f32> {
        let mut pairs = self.pairs();
        ys.map(move |y| match pairs.next() {
            Some((offset, scale)) => offset + scale * y,
            None => y,
        })
    }

    fn pairs(self) -> impl Iterator<Item = (f32, f32)> {
        let float = |&word: &u32| f32::from_bits(u32::from_le(word));
        self.first
            .iter()
            .map(float)
            .zip(self.scales.iter().map(float))
    }
}

/// A column of the integer formats: rounded, halves away from zero, saturated to -127..=127; 0 for what is
/// no number.
pub fn quantize_column(u: f32) -> i8 {
    let u = u.clamp(-127.0, 127.0);
    // Cut off; what is no number becomes 0, and its rest is not at least 0.5.
    let whole = u as i8;
    // Exact.
    let rest = u - f32::from(whole);
    if rest >= 0.5 {
        whole + 1
    } else if rest <= -0.5 {
        whole - 1
    } else {
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_rounded_halves_away_from_zero_and_saturate() {
        for (u, expected) in [
            (0.0, 0),
            (-0.0, 0),
            (0.499_999_97, 0),
            (0.5, 1),
            (-0.5, -1),
            (1.5, 2),
            (-2.5, -3),
            (126.499_99, 126),
            (126.5, 127),
            (127.4, 127),
            (-126.5, -127),
            (-1e30, -127),
            (f32::INFINITY, 127),
            (f32::NEG_INFINITY, -127),
            (f32::NAN, 0),
            (f32::MIN_POSITIVE, 0),
        ] {
            assert_eq!(quantize_column(u), expected, "{u}");
        }
    }

    /// Against the library's rounding.
    #[test]
    fn columns_are_those_of_the_library() {
        let step = if cfg!(miri) { 0x0fff_ffff } else { 9973 };
        for bits in (0..=u32::MAX).step_by(step) {
            let u = f32::from_bits(bits);
            let expected = u.round().clamp(-127.0, 127.0) as i8;
            assert_eq!(quantize_column(u), expected, "{u}");
        }
    }
}
