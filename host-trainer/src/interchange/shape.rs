//! Sizes that a file claims.

/// The numbers of a shape; `None` where they are too many to count.
pub(super) fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}
