//! Figures that are kept in a file of the repository.

use std::fs;

use xtask::{shell::root, table::differences};

/// The share by which a figure may differ from the one in the file.
const TOLERANCE: f64 = 0.02;

/// Compares a table of figures with the one in a file, which is written anew first, with this head above the
/// table, if that is asked for.
///
/// # Panics
///
/// A figure differs by more than 2 %, or a row is another.
pub fn compare_figures(path: &str, head: &str, found: &str, is_blessed: bool) {
    println!("{found}");
    let file = root().join(path);
    if is_blessed {
        fs::write(&file, format!("{head}{found}")).expect("the file is written");
    }
    let expected = fs::read_to_string(file).expect("the file is read");
    let differences = differences(&expected, found, TOLERANCE);
    assert!(
        differences.is_empty(),
        "{path} differs by more than {} %; BLESS=1 writes it anew:\n{}",
        100.0 * TOLERANCE,
        differences.join("\n")
    );
}
