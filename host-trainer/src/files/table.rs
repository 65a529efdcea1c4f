//! Tables for a terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};

/// A table: the columns in `left` are set to the left, all others, which are numbers, to the right.
pub(crate) fn table<R, C>(
    heads: &[&str],
    left: &[usize],
    rows: impl IntoIterator<Item = R>,
) -> String
where
    R: IntoIterator<Item = C>,
    C: ToString,
{
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads);
    for row in rows {
        table.add_row(row.into_iter().map(|cell| cell.to_string()));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if !left.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines();
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let found = table(&["part", "bits"], &[0], [["train", "2"], ["test", "10.5"]]);
        assert_eq!(found, "part   bits\ntrain     2\ntest   10.5\n");
    }
}
