//! Slices taken apart without a path to a panic.

/// As `split_at_mut`; where the slice is shorter, all of it and nothing.
pub(crate) fn split<T>(slice: &mut [T], at: usize) -> (&mut [T], &mut [T]) {
    slice.split_at_mut(at.min(slice.len()))
}

/// The first `len` elements of a stretch of words seen as `T`, or all if there are fewer.
pub(crate) fn prefix<T: bytemuck::Pod>(words: &mut [u32], len: usize) -> &mut [T] {
    split(bytemuck::cast_slice_mut::<u32, T>(words), len).0
}

/// Writes fields one after the other, as far as there is room.
pub(crate) fn join(mut bytes: &mut [u8], fields: &[&[u8]]) {
    for field in fields {
        let (to, rest) = split(bytes, field.len());
        for (to, from) in to.iter_mut().zip(*field) {
            *to = *from;
        }
        bytes = rest;
    }
}
