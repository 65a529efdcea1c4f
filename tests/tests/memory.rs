//! The memory of the shipped firmware, read from its ELF file.

use std::{fs, path::Path};

use cross_tests::board_firmware;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use xtask::{
    boards::{Board, emulated},
    table::{Table, grouped},
};

/// Bytes that the start-up code and the board's own variables may take.
const FEW: u64 = 64;
/// As in the symbols that `board-support` defines.
const HIDDEN: u64 = 256;
/// What an LSTM may take besides what grows with its units.
const FIXED: u64 = 300;

/// What the ELF file of a firmware says.
struct Firmware {
    /// Bytes in flash: code, constants, and initial values of variables.
    flash: u64,
    /// Bytes of variables with an initial value, which are copied from flash.
    data: u64,
    /// Bytes of variables that start as zeros.
    bss: u64,
    /// Bytes of the workspace.
    workspace: u64,
    /// Bytes of the ring for received bytes.
    ring: u64,
    /// RAM that is left for the stack.
    stack: u64,
    /// State and scratch of an LSTM of [`HIDDEN`] units in int8, int4 and f32.
    lstm: [u64; 3],
}

/// The sections of the firmware's memory, without those for a debugger.
fn sections<'a>(elf: &'a object::File<'a>) -> impl Iterator<Item = object::Section<'a, 'a>> {
    elf.sections().filter(|section| {
        let kind = section.kind();
        section.size() > 0 && (is_constant(kind) || is_variable(kind))
    })
}

fn is_constant(kind: SectionKind) -> bool {
    use SectionKind::{ReadOnlyData, ReadOnlyString, Text};
    matches!(kind, Text | ReadOnlyData | ReadOnlyString)
}

fn is_variable(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::Data | SectionKind::UninitializedData)
}

impl Firmware {
    fn of(board: &Board) -> Self {
        let bytes = read(&board_firmware(board));
        let elf = object::File::parse(&*bytes).unwrap();
        let sum = |is_counted: fn(SectionKind) -> bool| {
            let sections = sections(&elf).filter(|s| s.name() != Ok(".stack"));
            sections
                .filter(|s| is_counted(s.kind()))
                .map(|s| s.size())
                .sum()
        };
        let symbol = |name: &str| {
            let mut symbols = elf.symbols().filter(|s| s.name().unwrap().contains(name));
            symbols.next().unwrap_or_else(|| panic!("no {name}"))
        };
        let address = |name: &str| symbol(name).address();
        Firmware {
            flash: sum(|kind| is_constant(kind) || kind == SectionKind::Data),
            data: sum(|kind| kind == SectionKind::Data),
            bss: sum(|kind| kind == SectionKind::UninitializedData),
            workspace: symbol("WORKSPACE").size(),
            ring: symbol("RECEIVED").size(),
            stack: address("_stack_start") - address("__ebss"),
            lstm: ["int8", "int4", "f32"].map(|f| address(&format!("workspace_lstm256_{f}"))),
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn variables_are_the_workspace_and_the_ring_and_no_weights() {
    for board in emulated() {
        let firmware = Firmware::of(board);
        assert!(firmware.data <= FEW, "{}: {}", board.name, firmware.data);
        let others = firmware.bss - firmware.workspace - firmware.ring;
        assert!(others <= FEW, "{}: {others}", board.name);
    }
}

#[test]
fn the_model_region_is_free_for_a_model() {
    for board in emulated() {
        let bytes = read(&board_firmware(board));
        let elf = object::File::parse(&*bytes).unwrap();
        let start = u64::from(board.model_address);
        let region = start..start + u64::from(board.model_room);
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
    for board in emulated() {
        let bytes = read(&board_firmware(board));
        let elf = object::File::parse(&*bytes).unwrap();
        let names: Vec<_> = elf.symbols().map(|symbol| symbol.name().unwrap()).collect();
        assert!(names.iter().any(|name| name.contains("WORKSPACE")));
        let is_refused = |name: &&&str| parts.iter().any(|part| name.contains(part));
        assert_eq!(names.iter().find(is_refused), None, "{}", board.name);
    }
}

#[test]
fn an_lstm_takes_few_bytes_of_ram_a_unit() {
    for board in emulated() {
        let [int8, int4, _] = Firmware::of(board).lstm;
        let most = |per_unit| per_unit * HIDDEN + FIXED;
        let is_m4 = board.target.starts_with("thumbv7em");
        assert!(int8 <= most(if is_m4 { 6 } else { 10 }), "{}", board.name);
        assert!(int4 <= most(10), "{}", board.name);
    }
}

/// Not only printed: every board's firmware must have been read.
#[test]
fn sizes_of_every_board() {
    let mut table = Table::new(&[
        "board",
        "core",
        "flash",
        "workspace",
        "other variables",
        "stack room",
        "LSTM 256 int8",
        "int4",
        "f32",
    ]);
    for board in emulated() {
        let firmware = Firmware::of(board);
        assert!(firmware.flash > 1000 && firmware.stack >= 4096);
        let mut row = vec![board.name.to_owned(), board.core.to_owned()];
        row.extend([
            grouped(firmware.flash),
            grouped(firmware.workspace),
            grouped(firmware.bss + firmware.data - firmware.workspace),
            grouped(firmware.stack),
        ]);
        row.extend(firmware.lstm.map(grouped));
        table.push(row);
    }
    println!("{}", table.render());
}
