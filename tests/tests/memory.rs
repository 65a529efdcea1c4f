//! The memory of the shipped firmware, read from its ELF file.

use std::{fs, process::Command};

use cross_tests::{Sizes, board_firmware, sections};
use object::ObjectSection;
use xtask::{
    boards::{Board, bare_metal},
    firmware,
};

/// Bytes that the start-up code and the board's own variables may take.
const FEW: u64 = 64;
/// As in the symbols that `support-uart` defines.
const HIDDEN: u64 = 256;
/// What an LSTM may take besides what grows with its units.
const FIXED: u64 = 300;

fn sizes_of(board: &Board) -> Sizes {
    Sizes::of(&board_firmware(board))
}

#[test]
fn variables_are_the_workspace_and_the_ring_and_no_weights() {
    for board in bare_metal() {
        let sizes = sizes_of(board);
        assert!(sizes.data <= FEW, "{}: {}", board.name, sizes.data);
        let ring = sizes.symbol("RECEIVED").1;
        let others = sizes.bss - sizes.workspace() - ring;
        assert!(others <= FEW, "{}: {others}", board.name);
    }
}

#[test]
fn the_model_region_is_free_for_a_model() {
    for board in bare_metal() {
        let bytes = fs::read(board_firmware(board)).unwrap();
        let elf = object::File::parse(&*bytes).unwrap();
        let region = board.memory.model.range();
        for section in sections(&elf) {
            let (start, end) = (section.address(), section.address() + section.size());
            assert!(
                end <= region.start || region.end <= start,
                "{}: {:?} lies in the model region",
                board.name,
                section.name()
            );
        }
    }
}

#[test]
fn there_is_no_heap_and_no_panic() {
    // Every panic goes through core::panicking, which the compiler never inlines.
    let parts = [
        "panicking",
        "__rust_alloc",
        "__rdl_alloc",
        "__rg_alloc",
        "malloc",
    ];
    for board in bare_metal() {
        let sizes = sizes_of(board);
        assert!(sizes.names().any(|name| name.contains("WORKSPACE")));
        let is_refused = |name: &&str| parts.iter().any(|part| name.contains(part));
        assert_eq!(sizes.names().find(is_refused), None, "{}", board.name);
    }
}

/// That a firmware links shows that it cannot panic; so one that can must not link.
#[test]
fn a_firmware_that_can_panic_does_not_link() {
    for name in ["mps2-an386", "microbit", "riscv-virt"] {
        let board = Board::parse(name).unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--release"]);
        build.args(["--target", &board.target]);
        build.args(["--features", "support-uart/planted-panic", "--target-dir"]);
        build.arg(firmware::target());
        let output = build.current_dir(firmware::folder(board)).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name} links with a panic");
        let expected = "undefined symbol: a_panic_can_be_reached";
        assert!(stderr.contains(expected), "{name}: {stderr}");
    }
}

#[test]
fn the_stack_takes_less_than_half_of_its_room() {
    for board in bare_metal() {
        let depth = stack_depth::depth(&board_firmware(board)).unwrap();
        let room = sizes_of(board).stack_room;
        println!("{}: {} of {room} bytes", board.name, depth.bytes);
        println!("    {}", depth.path.join(" > "));
        // Reading a model alone takes a kilobyte.
        assert!(depth.bytes > 1024, "{}: {depth:?}", board.name);
        assert!(
            2 * depth.bytes < room,
            "{}: {depth:?} of {room}",
            board.name
        );
    }
}

#[test]
fn an_lstm_takes_few_bytes_of_ram_a_unit() {
    for board in bare_metal() {
        let symbol = |format| format!("workspace_lstm256_{format}");
        let words = |format| sizes_of(board).symbol(&symbol(format)).0;
        let [int8, int4] = ["int8", "int4"].map(words);
        let most = |per_unit| per_unit * HIDDEN + FIXED;
        let is_m4 = board.target.starts_with("thumbv7em");
        assert!(int8 <= most(if is_m4 { 6 } else { 10 }), "{}", board.name);
        assert!(int4 <= most(10), "{}", board.name);
    }
}
