//! `docs/sizes.txt`: the memory that the firmware of each board takes.

use cross_tests::{Sizes, board_firmware, compare_figures};
use xtask::{
    boards,
    table::{Table, grouped},
};

const SNAPSHOT: &str = "docs/sizes.txt";
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
    compare_figures(SNAPSHOT, HEAD, &table(), is_blessed);
}
