//! The input is a product of a matrix and a vector: this CPU's kernels give the numbers of the
//! portable ones.

use crate::{Flash, is_planted};
use arbitrary::{Result, Unstructured};
use lstm_core::MAX_INTEGER_COLUMNS;
use lstm_core::export::{BLOCK_ROWS, COLUMN_ALIGN, MatrixBytes, SENSOR_COLUMN_ALIGN};
use lstm_core::kernel_test::{self, KERNELS, Kernel};

/// More blocks than a batch of a kernel.
const MAX_BLOCKS: usize = 26;
/// No sum is this by chance.
const UNTOUCHED: [i32; BLOCK_ROWS] = [0x5555_5555; BLOCK_ROWS];
/// Bytes of extreme weights: int8 stores 127, -127 and -128 as `ff 7f`, `01 81` and `00 80`, int4
/// 7 and -8 as `ff` and `00`.
const EXTREMES: [[u8; 2]; 6] = [
    [0xff, 0x7f],
    [0x01, 0x81],
    [0x00, 0x80],
    [0xff, 0xff],
    [0x00, 0x00],
    [0xff, 0x00],
];

pub(crate) fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok((kernel, case)) = Case::of(&mut input) else {
        return;
    };
    let Case {
        blocks,
        columns,
        weights,
        hidden,
        has_entries,
        below,
        dead_zones,
    } = &case;
    // The memory ends with the weights, so that a sanitizer sees a read beyond them.
    let weights = Flash::new(weights, 0);
    let sums = |sums_of: kernel_test::Sums, hidden: &[i8]| {
        let mut sums = [UNTOUCHED; MAX_BLOCKS];
        let case = kernel_test::Case {
            format: kernel.format,
            weights: weights.bytes(),
            blocks: *blocks,
            columns: *columns,
            hidden,
            has_entries: *has_entries,
            below: *below,
            dead_zones: *dead_zones,
        };
        let count = sums_of(&case, &mut sums);
        (count, sums)
    };
    let expected = sums(kernel.portable, hidden);
    let mut hidden = hidden.clone();
    // The last of an odd number of values is not multiplied.
    if is_planted() && hidden.len() % 2 == 1 {
        hidden.pop();
        hidden.push(0);
    }
    let found = sums(kernel.cpu, &hidden);
    assert_eq!(found, expected, "{:?}, {columns} columns", kernel.format);
    assert_eq!(expected.0, *blocks);
}

struct Case {
    blocks: usize,
    columns: usize,
    weights: Vec<u8>,
    hidden: Vec<i8>,
    has_entries: bool,
    below: usize,
    dead_zones: [u8; 2],
}

impl Case {
    fn of(input: &mut Unstructured<'_>) -> Result<(&'static Kernel, Self)> {
        let kernel = input.choose(KERNELS)?;
        let most = match input.int_in_range(0..=15u8)? {
            0 => MAX_INTEGER_COLUMNS / SENSOR_COLUMN_ALIGN,
            1..=3 => 48,
            _ => 20,
        };
        let columns = SENSOR_COLUMN_ALIGN * input.int_in_range(1..=most)?;
        let blocks = match input.int_in_range(0..=7u8)? {
            0 => input.int_in_range(0..=MAX_BLOCKS)?,
            _ => input.int_in_range(1..=4)?,
        };
        let used = columns - input.int_in_range(0..=COLUMN_ALIGN.min(columns) - 1)?;
        let has_entries = input.arbitrary()?;
        let pair = input.choose(&EXTREMES)?;
        let fillings = input.int_in_range(0..=15u8)?;
        let fill = match input.bytes(input.len())? {
            [] => &[0],
            fill => fill,
        };
        let bytes = MatrixBytes::new(kernel.format, blocks, columns).weights;
        let weights = match fillings % 4 {
            0 => pair.repeat(bytes / 2),
            // Extremes of either kind, a bit for each pair.
            1 => (0..bytes)
                .map(|i| match fill[i / 16 % fill.len()] >> (i / 2 % 8) & 1 {
                    0 => pair[i % 2],
                    _ => EXTREMES[0][i % 2],
                })
                .collect(),
            _ => fill.repeat(bytes.div_ceil(fill.len()))[..bytes].to_vec(),
        };
        let value = |i: usize| fill[(i * 5 + 3) % fill.len()] as i8;
        let hidden = (0..used).map(|i| match fillings / 4 {
            0 => 127,
            1 => [127, -127][usize::from(value(i) < 0)],
            _ => value(i).max(-127),
        });
        let hidden = hidden.collect();
        let zone = |i: usize| [0, 8, 127, fill[i % fill.len()] / 2][i % 4];
        Ok((
            kernel,
            Case {
                blocks,
                columns,
                weights,
                hidden,
                has_entries,
                below: usize::from(fill[0]) % (used + 1),
                dead_zones: [zone(fill.len()), zone(fill.len() / 4)],
            },
        ))
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let bytes = |seed: u32| (0..60u32).map(move |i| (i * i * 11 + seed * 41 * (i + 3)) as u8);
    (0..24).map(|seed| bytes(seed).collect()).collect()
}
