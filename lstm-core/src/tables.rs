//! The tables of the integer formats, computed by the compiler, so that every target has the same.

/// The sigmoid over 256 intervals of 1/16, a line in each. That of the interval `k`, from `k / 16` on, is
/// at index `k` modulo 256, `k` in -128..128. The upper half of a word is where the line passes 0, in Q15;
/// the lower half its rise over the interval.
pub(crate) static SIGMOID: [u32; 256] = sigmoid_table();

/// `2^(-i/256)` for `i` in 0..256, as a fraction of 65,535.
pub(crate) static EXP2: [u16; 256] = exp2_table();

/// `e^x` for |x| <= 16, to about 1e-15 relative.
const fn exp(x: f64) -> f64 {
    if x < 0.0 {
        return 1.0 / exp(-x);
    }
    // Halve until small, sum the series, square back.
    let y = x / 1024.0;
    let mut term = 1.0;
    let mut sum = 0.0;
    let mut n = 1;
    while n < 12 {
        term = term * y / n as f64;
        sum += term;
        n += 1;
    }
    // sum = e^y - 1, kept apart from the 1 so that squaring loses no digits.
    let mut squarings = 0;
    while squarings < 10 {
        sum = sum * (2.0 + sum);
        squarings += 1;
    }
    1.0 + sum
}

/// The nearest whole number to a positive one.
const fn round(x: f64) -> i32 {
    (x + 0.5) as i32
}

const fn sigmoid_q15(k: i32) -> i32 {
    round(32768.0 / (1.0 + exp(-k as f64 / 16.0)))
}

const fn sigmoid_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut k = -128;
    while k < 128 {
        let (value, next) = (sigmoid_q15(k), sigmoid_q15(k + 1));
        let rise = next - value;
        table[(k & 0xff) as usize] = ((value - k * rise) << 16 | rise) as u32;
        k += 1;
    }
    table
}

const fn exp2_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < table.len() {
        table[i] = round(65535.0 * exp(-core::f64::consts::LN_2 * i as f64 / 256.0)) as u16;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_computes_what_the_library_does() {
        for i in -160..=160 {
            let x = f64::from(i) / 10.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-12, "{x}");
        }
        for (i, &value) in EXP2.iter().enumerate() {
            let exact = 65535.0 * (-(i as f64) / 256.0).exp2();
            assert!((f64::from(value) - exact).abs() <= 0.5 + 1e-9);
        }
        for k in -128..128i32 {
            let word = SIGMOID[(k & 0xff) as usize];
            let at = |k: i32| 32768.0 / (1.0 + (-f64::from(k) / 16.0).exp());
            let rise = f64::from(word & 0xffff);
            let value = f64::from(word >> 16) + f64::from(k) * rise;
            assert!((value - at(k)).abs() <= 0.5 + 1e-9);
            assert!((value + rise - at(k + 1)).abs() <= 0.5 + 1e-9);
        }
    }
}
