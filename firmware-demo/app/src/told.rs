//! Lines that more than one command tells.

use lstm_core::{Error, Model};

use crate::{number::divide, output::Output};

/// How many characters or steps have taken so many ticks of this unit, of which a second has so many.
#[inline(never)]
pub(crate) fn pace(
    count: u32,
    what: &str,
    ticks: u64,
    (unit, second): (&str, u32),
    output: &mut Output,
) {
    output.remark("").number(count.into()).str(what);
    output.number(divide(ticks, count).0).str(" ").str(unit);
    output
        .str(" each, at ")
        .number(second.into())
        .str(" a second");
}

/// What is running.
pub(crate) fn name(model: &Model<'_>, output: &mut Output) {
    output.remark("model ").str(model.name()).str(", ");
    output.str(model.format().name()).str(", checksum ");
    output.hex(model.checksum());
}

/// Why no model runs.
pub(crate) fn no_model(error: &Error, output: &mut Output) {
    output.str("no model runs: ").error(error).end();
}
