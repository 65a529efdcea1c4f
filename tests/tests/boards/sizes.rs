//! `docs/sizes.txt`: the memory that the firmware of each board takes.

use std::fs;

use cross_tests::{Sizes, board_firmware};
use xtask::{
    boards,
    shell::root,
    table::{Table, differences, grouped},
};

const SNAPSHOT: &str = "docs/sizes.txt";
/// The share by which a figure may differ from the snapshot's.
const TOLERANCE: f64 = 0.02;
const HEAD: &str = "\
Bytes that the firmware of each board takes, without a model. A test compares this file, to 2 %;
`BLESS=1 cargo test --release -p cross-tests --test boards` writes it anew.
variables: all of them. workspace: of the variables, the model's and the console's. stack-room: the
RAM left for the stack. stack-depth: the deepest that the stack can get, estimated from the machine
code by tools/stack-depth; -: not estimated.

";

/// The sizes of the firmware of every board.
fn table() -> String {
    let mut table = Table::new(&[
        "board",
        "core",
        "flash",
        "variables",
        "workspace",
        "stack-room",
        "stack-depth",
    ]);
    for board in boards::all() {
        let sizes = Sizes::of(&board_firmware(board));
        let variables = sizes.data + sizes.bss;
        let stack = match board.is_bare_metal() {
            true => {
                let depth = stack_depth::depth(&board_firmware(board)).unwrap();
                [sizes.stack_room, depth.bytes].map(grouped)
            }
            false => ["-", "-"].map(str::to_owned),
        };
        let mut row = vec![board.name.clone(), board.core.to_string()];
        row.extend([sizes.flash, variables, sizes.workspace()].map(grouped));
        row.extend(stack);
        table.push(row);
    }
    table.render()
}

/// Compares the sizes with those of the file, which is written anew first if that is asked for.
pub(crate) fn compare(is_blessed: bool) {
    let (path, found) = (root().join(SNAPSHOT), table());
    println!("{found}");
    if is_blessed {
        fs::write(&path, format!("{HEAD}{found}")).unwrap();
    }
    let differences = differences(&fs::read_to_string(path).unwrap(), &found, TOLERANCE);
    assert!(
        differences.is_empty(),
        "{SNAPSHOT} differs by more than {} %; BLESS=1 writes it anew:\n{}",
        100.0 * TOLERANCE,
        differences.join("\n")
    );
}
