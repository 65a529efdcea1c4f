//! Matrix product of slices: a checked front of the `gemm` crate, the only unsafe code here.
#![allow(
    unsafe_code,
    reason = "gemm::gemm takes raw pointers; every shape is asserted first"
)]

/// A matrix that lies in a slice: element `(r, c)` is `data[r * row_stride + c * column_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major `[rows, columns]`.
    ///
    /// # Panics
    /// `data` is shorter than that.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        let size = rows.checked_mul(columns);
        assert!(
            size.is_some_and(|size| size <= data.len()),
            "matrix exceeds its slice"
        );
        Self {
            data,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The same numbers with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// `out = a · b`, or `out += a · b` where `accumulate`; `out` is row-major and dense
/// (`[m,k] · [k,n] = [m,n]`). Runs on the calling thread.
///
/// # Panics
/// The shapes do not fit.
pub fn gemm(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], accumulate: bool) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "inner dimensions differ");
    assert_eq!(out.len(), m * n, "the output has another size");
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !accumulate {
            out.fill(0.0);
        }
        return;
    }
    let stride = |s: usize| isize::try_from(s).expect("stride overflows");
    // SAFETY: `a` and `b` reach no further than their slices (asserted when they were made;
    // transposing keeps the set of elements), `out` holds m * n elements and is borrowed mutably,
    // so it overlaps neither; all are aligned as f32.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride(n),
            accumulate,
            a.data.as_ptr(),
            stride(a.column_stride),
            stride(a.row_stride),
            b.data.as_ptr(),
            stride(b.column_stride),
            stride(b.row_stride),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::random::Random;

    #[test]
    fn equals_the_three_loops() {
        let mut random = Random::new(1);
        for (m, n, k) in [(1, 1, 1), (3, 5, 7), (17, 27, 33), (64, 40, 1), (2, 3, 0)] {
            let a = random.uniform_vec(m * k + 2, 1.0);
            let b = random.uniform_vec(k * n, 1.0);
            let start = random.uniform_vec(m * n, 1.0);
            for (transposed, accumulate) in [(false, false), (false, true), (true, true)] {
                let left = if transposed {
                    Matrix::new(&a, k, m).transposed()
                } else {
                    Matrix::new(&a, m, k)
                };
                let mut out = start.clone();
                gemm(left, Matrix::new(&b, k, n), &mut out, accumulate);
                for r in 0..m {
                    for c in 0..n {
                        let at = |i: usize| {
                            if transposed {
                                a[i * m + r]
                            } else {
                                a[r * k + i]
                            }
                        };
                        let sum: f32 = (0..k).map(|i| at(i) * b[i * n + c]).sum();
                        let sum = sum + if accumulate { start[r * n + c] } else { 0.0 };
                        assert!((out[r * n + c] - sum).abs() < 1e-4);
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "matrix exceeds its slice")]
    fn too_short_a_slice_is_refused() {
        let _ = Matrix::new(&[0.0; 5], 2, 3);
    }
}
