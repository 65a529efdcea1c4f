//! What is written of the boards is what they are: the sizes of their firmware, and the tables of
//! `docs/BOARDS.md`.

mod page;
mod sizes;

/// One test, because the tables have the sizes in them, and both may be written anew.
#[test]
fn sizes_and_tables_are_those_of_the_boards() {
    let is_blessed = std::env::var_os("BLESS").is_some();
    sizes::compare(is_blessed);
    page::compare(is_blessed);
}
