//! What is written of the boards is what they are: the sizes of their firmware, the tables of
//! `docs/BOARDS.md`, and that of `host-trainer budget`.

mod budget;
mod features;
mod page;
mod sizes;

/// One test, because the tables have the sizes in them, and both may be written anew.
#[test]
fn sizes_and_tables_are_those_of_the_boards() {
    let is_blessed = std::env::var_os("BLESS").is_some();
    sizes::compare(is_blessed);
    page::compare(is_blessed);
}

#[test]
fn each_board_is_built_with_the_features_of_its_file() {
    features::compare();
}

#[test]
fn the_table_of_budget_is_that_of_the_boards() {
    budget::compare(std::env::var_os("BLESS").is_some());
}
