//! Estimated cycles: the instructions that QEMU executes, by the tables of `docs/CYCLES.md`.

mod disassembly;
pub(super) mod timing;
mod trace;

use std::{
    fmt::{self, Display},
    fs,
    ops::ControlFlow,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSymbol, SymbolKind};

use super::machine::Machine;
pub(super) use timing::Cycles;
use trace::{Calls, Trace};

/// What one call of a function took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Call {
    /// Executed instructions, from the first of the function up to the one that returns.
    pub(super) instructions: u64,
    pub(super) cycles: Cycles,
}

impl Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cycles {
            least,
            likely,
            most,
        } = self.cycles;
        let instructions = self.instructions;
        write!(
            f,
            "{instructions} instructions, {likely} cycles ({least} to {most})"
        )
    }
}

/// What each of the first calls took, at most `most`, of a function that does not call itself.
///
/// # Errors
///
/// No function, or several, with `function` in their names; a machine without a table; a QEMU
/// without a disassembler.
pub(super) fn calls(
    machine: &Machine,
    program: &Path,
    function: &str,
    options: &[&str],
    most: usize,
) -> Result<Vec<Call>> {
    let timing = machine.timing.with_context(|| {
        let core = machine.core;
        format!("the cycles of a {core} are not known; expected a Cortex-M0, M3 or M4F")
    })?;
    let mut trace = Trace::new(timing);
    let mut calls = Calls::new(address(program, function)?);
    machine.log(program, options, |line| {
        if let Some((block, next)) = trace.line(line)? {
            calls.add(block, next);
        }
        Ok(match calls.count() < most {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    })?;
    let calls = calls.finish();
    ensure!(
        !calls.is_empty(),
        "{} never calls {function}",
        program.display()
    );
    Ok(calls)
}

/// The address of the function with this name, or of the only one with this text in its name.
fn address(program: &Path, function: &str) -> Result<u64> {
    let elf = fs::read(program).with_context(|| program.display().to_string())?;
    let elf = object::File::parse(&*elf).with_context(|| program.display().to_string())?;
    let mut found: Vec<_> = elf
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text)
        .filter(|symbol| symbol.name().is_ok_and(|name| name.contains(function)))
        .collect();
    if let Some(exact) = found.iter().position(|s| s.name() == Ok(function)) {
        found = vec![found.swap_remove(exact)];
    }
    ensure!(
        found.len() == 1,
        "{} has {} functions with {function:?} in their names, expected one",
        program.display(),
        found.len()
    );
    // The lowest bit says Thumb.
    Ok(found[0].address() & !1)
}

/// The mean over some calls.
pub(super) fn mean(calls: &[Call]) -> Call {
    let n = calls.len().max(1) as u64;
    let mut sum = Call::default();
    for call in calls {
        sum.instructions += call.instructions;
        sum.cycles += call.cycles;
    }
    let mean = |sum: u64| (sum + n / 2) / n;
    Call {
        instructions: mean(sum.instructions),
        cycles: sum.cycles.map(mean),
    }
}
