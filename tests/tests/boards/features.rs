//! What `board.toml` says of the features of lstm-core is what cargo builds the firmware with.

use xtask::{
    boards::{self, Board},
    firmware,
    shell::cargo,
};

/// The features of lstm-core that cargo resolves for the firmware of this board.
fn built_with(board: &Board) -> Vec<String> {
    let mut tree = cargo(&firmware::folder(board));
    tree.args(["tree", "--target", &board.target]);
    tree.args([
        "--edges", "normal", "--prefix", "none", "--format", "{p} {f}",
    ]);
    let output = tree.output().unwrap();
    assert!(output.status.success(), "{tree:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let of_core = lines.lines().find(|line| line.starts_with("lstm-core "));
    let features = of_core.unwrap().split_whitespace().next_back().unwrap();
    let features = features.split(',').filter(|&feature| feature != "default");
    features.map(str::to_owned).collect()
}

/// Compares each board's file with its build.
pub(crate) fn compare() {
    for board in boards::all() {
        assert_eq!(
            board.features,
            built_with(board),
            "features of {}",
            board.name
        );
    }
}
