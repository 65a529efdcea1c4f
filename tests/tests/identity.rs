//! One .lstm file writes the same text on every core as on the host.

use std::{
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use cross_tests::{Console, difference, host_text};
use lstm_core::{Format, LayerShape, Model};
use xtask::{aligned::AlignedBytes, boards::Board, random_model::random_model};

/// One byte each.
const SYMBOLS: &str = "\n abcdefghijklmnopqrstuvwxyz";
const SEED: u64 = 1;

const M7: &str = "mps2-an500";
const M4: &str = "mps2-an386";
const M4_STM: &str = "nucleo-f446re";
const M3: &str = "mps2-an385";
const M3_SMALL: &str = "lm3s6965evb";
const M3_STM: &str = "bluepill";
const M0: &str = "microbit";
const RV32: &str = "riscv-virt";

const SMALL: LayerShape = LayerShape::lstm(64);
const LARGE: LayerShape = LayerShape::lstm(256);
const LEAN: LayerShape = LayerShape::cifg(384).project(96);

/// Boards that write so many characters of a random model each.
struct Case(Format, LayerShape, usize, &'static [&'static str]);

/// Compares all cases, as many at a time as the computer has cores. The slowest should come first.
fn compare(cases: &[Case]) {
    let runs: Vec<_> = cases
        .iter()
        .flat_map(|case| case.3.iter().map(move |board| (case, *board)))
        .collect();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some((case, board)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let board = Board::parse(board).unwrap();
            if let Some(difference) = run(board, case) {
                failures.lock().unwrap().push(difference);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn run(board: &Board, &Case(format, layer, chars, _): &Case) -> Option<String> {
    let start = Instant::now();
    let file = random_model(format, SYMBOLS, &[layer], SEED);
    let mut console = Console::start(board, Some(&file));
    let flash = AlignedBytes::new(&file);
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let expected = host_text(&model, chars);
    let banner = console.line();
    assert!(banner.starts_with("# model random"), "{banner}");
    let difference = difference(&console.chars(chars), &expected);
    let what = format!("{}, {format}, {layer:?}, {chars} characters", board.name);
    println!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    difference.map(|difference| format!("{what}: {difference}"))
}

#[test]
fn every_core_writes_what_the_host_writes() {
    use Format::{F32, Int4, Int8};
    compare(&[
        Case(Int8, SMALL, 100_000, &[M0, RV32]),
        Case(Int4, SMALL, 100_000, &[M0, RV32]),
        Case(Int8, SMALL, 100_000, &[M3, M4]),
        Case(Int4, SMALL, 100_000, &[M3, M4]),
        Case(Int4, SMALL, 10_000, &[M3_STM, M4_STM, M7]),
        // 256 units of int8 are too large for the flash of the small boards.
        Case(Int8, LARGE, 2_000, &[RV32, M3, M4, M4_STM, M7]),
        Case(Int4, LARGE, 2_000, &[M0, RV32, M3, M3_SMALL, M4]),
        Case(Int8, LEAN, 2_000, &[M0, RV32, M3, M3_SMALL, M4]),
        Case(Int4, LEAN, 2_000, &[M0, RV32, M3, M3_SMALL, M4]),
        // Millions of instructions a character where the core has no floats.
        Case(F32, SMALL, 1_000, &[M0, RV32, M3, M3_SMALL]),
        Case(F32, SMALL, 10_000, &[M4]),
    ]);
}

#[test]
#[ignore = "takes many minutes"]
fn every_core_writes_what_the_host_writes_at_length() {
    use Format::{F32, Int4, Int8};
    compare(&[
        Case(Int8, LARGE, 100_000, &[RV32, M3, M4, M7]),
        Case(Int4, SMALL, 100_000, &[M3_STM, M4_STM]),
        Case(Int4, LARGE, 100_000, &[M0, RV32, M3, M3_SMALL, M4]),
        Case(Int8, LEAN, 100_000, &[M0, RV32, M3, M3_SMALL, M4]),
        Case(Int4, LEAN, 100_000, &[M0, RV32, M3, M3_SMALL, M4]),
        Case(F32, SMALL, 10_000, &[M0, RV32, M3, M3_SMALL]),
        Case(F32, SMALL, 100_000, &[M4]),
        Case(F32, LARGE, 300, &[RV32, M3, M4]),
    ]);
}
