//! What the kernels of small CPUs share: the walk over blocks and over groups of columns.

/// The address of a whole block of weights.
#[derive(Clone, Copy)]
pub(super) struct Block(pub(super) *const u8);

/// The blocks of a matrix, checked once against the columns.
///
/// Every block that [`Blocks::next`] gives holds as many bytes as the columns call for, and the
/// number of columns is a positive multiple of 16.
pub(super) struct Blocks<'x, X> {
    /// The packed columns.
    pub(super) input: &'x [X],
    /// Where the next block begins; the kernel moves it to the end of a block.
    pub(super) block: *const u8,
    left: usize,
}

impl<'x, X> Blocks<'x, X> {
    /// The blocks of four rows of `bits` bits a weight, for `columns` columns.
    pub(super) fn new(weights: &[u8], bits: usize, input: &'x [X], columns: usize) -> Self {
        let left = match columns {
            0 => 0,
            columns if !columns.is_multiple_of(16) => 0,
            columns => weights.len() / (columns * bits / 2),
        };
        Blocks {
            input,
            block: weights.as_ptr(),
            left,
        }
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Block> {
        self.left = self.left.checked_sub(1)?;
        Some(Block(self.block))
    }
}

/// Packs groups of four columns into groups of `N` elements; the rest become zeros.
#[inline(always)]
pub(super) fn pack_groups<X: Copy + Default, const N: usize>(
    below: &[i8],
    own: &[i8],
    input: &mut [X],
    mut pack: impl FnMut([i8; 4]) -> [X; N],
) {
    let mut groups = input.as_chunks_mut::<N>().0.iter_mut();
    for_each_group(below, own, &mut |columns| {
        if let Some(group) = groups.next() {
            *group = pack(columns);
        }
    });
    for group in groups {
        *group = [X::default(); N];
    }
}

/// Packs pairs of columns into words `x0 * 2^16 + x1`, seen as halves.
///
/// The product of such a word with a pair of weights `w0 + w1 * 2^16` is
/// `w0 x1 + 2^16 (w0 x0 + w1 x1)` modulo `2^32`.
#[cfg(not(thumb = "v7em"))]
pub(super) fn pack_crossed_pairs(below: &[i8], own: &[i8], input: &mut [i16]) -> i32 {
    let mut sum = 0;
    pack_groups(below, own, input, |x| {
        let [x0, x1, x2, x3] = x.map(i16::from);
        sum += i32::from(x0 + x1 + x2 + x3);
        [x1, x0 + (x1 >> 15), x3, x2 + (x3 >> 15)]
    });
    8 * sum
}

/// Calls `put` with each four columns of (layer below, own hidden state), the last filled with
/// zeros.
fn for_each_group(below: &[i8], own: &[i8], put: &mut impl FnMut([i8; 4])) {
    let (below, uneven) = below.as_chunks::<4>();
    for group in below {
        put(*group);
    }
    if uneven.is_empty() {
        let (own, rest) = own.as_chunks::<4>();
        for group in own {
            put(*group);
        }
        if !rest.is_empty() {
            put(first4(rest.iter().copied()));
        }
    } else {
        let mut columns = uneven.iter().chain(own).copied().peekable();
        while columns.peek().is_some() {
            put(first4(columns.by_ref()));
        }
    }
}

fn first4(mut columns: impl Iterator<Item = i8>) -> [i8; 4] {
    [(); 4].map(|()| columns.next().unwrap_or(0))
}
