//! QEMU's log of what it translates and executes (`-d in_asm,exec,nochain`).
//!
//! QEMU translates a *block* of instructions at once, up to a branch, and logs it:
//!
//! ```text
//! IN: main
//! 0x00000404:  4808       ldr      r0, [pc, #0x20]
//! 0x00000406:  d001       beq      #0x412
//!
//! Trace 0: 0x7f97b0000500 [00800400/00000404/00000110/ff000200] main
//! ```
//!
//! A line `Trace` follows each time that the block is executed: where its translation lies, and its
//! address as the second number in brackets.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};

use super::{
    Call,
    disassembly::Instruction,
    timing::{Cost, Timing},
};

/// A translated block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// The address of its first instruction, and the one after its last.
    start: u64,
    end: u64,
    instructions: u64,
    cost: Cost,
}

/// The log so far.
pub(super) struct Trace {
    timing: &'static Timing,
    /// The lines of the block that was translated last, until it is executed.
    translated: Vec<String>,
    /// By where the translation lies.
    blocks: HashMap<u64, Block>,
    /// The block that is being executed.
    current: Option<Block>,
}

impl Trace {
    pub(super) fn new(timing: &'static Timing) -> Self {
        Trace {
            timing,
            translated: Vec::new(),
            blocks: HashMap::new(),
            current: None,
        }
    }

    /// Reads a line, and gives the block that was executed before, with the address after it.
    pub(super) fn line(&mut self, line: &str) -> Result<Option<(Block, u64)>> {
        if let Some(executed) = line.strip_prefix("Trace ") {
            let (place, start) = executed_block(executed)
                .with_context(|| format!("found {line:?} in QEMU's log"))?;
            let block = self.block(place, start)?;
            return Ok(self.current.replace(block).map(|before| (before, start)));
        }
        if line.starts_with("IN:") {
            self.translated.clear();
        } else if line.starts_with("0x") {
            self.translated.push(line.to_owned());
        } else if line.starts_with("Stopped execution") {
            // QEMU had something else to do before the block began.
            self.current = None;
        } else {
            ensure!(
                !line.starts_with("OBJD-"),
                "this QEMU has no disassembler; expected one that was built with capstone"
            );
        }
        Ok(None)
    }

    fn block(&mut self, place: u64, start: u64) -> Result<Block> {
        if self.translated.is_empty() {
            let block = self.blocks.get(&place).filter(|block| block.start == start);
            return block
                .copied()
                .with_context(|| format!("QEMU executed {start:#x} and had not translated it"));
        }
        let lines = self.translated.iter();
        let instructions: Vec<_> = lines.filter_map(|line| Instruction::parse(line)).collect();
        ensure!(
            instructions
                .first()
                .is_some_and(|first| first.address == start),
            "QEMU translated {:?} and executed {start:#x}",
            self.translated.first()
        );
        let block = Block {
            start,
            end: instructions.last().map_or(start, Instruction::end),
            instructions: instructions.len() as u64,
            cost: self.timing.cost(&instructions),
        };
        self.translated.clear();
        self.blocks.insert(place, block);
        Ok(block)
    }
}

/// Where the translation of an executed block lies, and the address of the block.
fn executed_block(line: &str) -> Option<(u64, u64)> {
    let (place, rest) = line.split_once(": 0x")?.1.split_once(" [")?;
    let start = rest.split('/').nth(1)?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(place)?, number(start)?))
}

/// The calls of a function.
pub(super) struct Calls {
    function: u64,
    /// The call under way, and the address that it returns to.
    current: Option<(Call, u64)>,
    /// The address after the block before.
    behind: u64,
    done: Vec<Call>,
}

impl Calls {
    pub(super) fn new(function: u64) -> Self {
        Calls {
            function,
            current: None,
            behind: 0,
            done: Vec::new(),
        }
    }

    /// Adds a block that was executed before the address `next`.
    pub(super) fn add(&mut self, block: Block, next: u64) {
        if block.start == self.function && self.current.is_none() {
            self.current = Some((Call::default(), self.behind));
        }
        if let Some((call, _)) = &mut self.current {
            call.instructions += block.instructions;
            call.cycles += block.cost.before(next, block.end);
        }
        self.done.extend(
            self.current
                .take_if(|&mut (_, return_address)| next == return_address)
                .map(|(call, _)| call),
        );
        self.behind = block.end;
    }

    /// How many have ended.
    pub(super) fn count(&self) -> usize {
        self.done.len()
    }

    pub(super) fn finish(self) -> Vec<Call> {
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::super::timing::CORTEX_M0;
    use super::*;

    /// A loop that calls the function at 0x200 twice; it branches within itself once.
    const LOG: &str = "\
----------------
IN: main
0x00000100:  f000 f87e  bl       #0x200

Trace 0: 0x7f0000000100 [00800400/00000100/00000110/ff000200] main
----------------
IN: function
0x00000200:  2001       movs     r0, #1
0x00000202:  d000       beq      #0x206

Trace 0: 0x7f0000000200 [00800400/00000200/00000110/ff000200] function
----------------
IN: function
0x00000204:  4770       bx       lr

Trace 0: 0x7f0000000300 [00800400/00000204/00000110/ff000200] function
----------------
IN: main
0x00000104:  e7fc       b        #0x100

Trace 0: 0x7f0000000400 [00800400/00000104/00000110/ff000200] main
Trace 0: 0x7f0000000100 [00800400/00000100/00000110/ff000200] main
Trace 0: 0x7f0000000200 [00800400/00000200/00000110/ff000200] function
Stopped execution of TB chain before 0x7f0000000200 [00000200] function
Trace 0: 0x7f0000000200 [00800400/00000200/00000110/ff000200] function
Trace 0: 0x7f0000000300 [00800400/00000204/00000110/ff000200] function
Trace 0: 0x7f0000000400 [00800400/00000104/00000110/ff000200] main
";

    fn calls(log: &str) -> Result<Vec<Call>> {
        let mut trace = Trace::new(&CORTEX_M0);
        let mut calls = Calls::new(0x200);
        for line in log.lines() {
            if let Some((block, next)) = trace.line(line)? {
                calls.add(block, next);
            }
        }
        Ok(calls.finish())
    }

    #[test]
    fn each_call_of_a_function_is_counted_from_its_first_instruction_to_its_last() {
        let calls = calls(LOG).unwrap();
        assert_eq!(calls.len(), 2);
        for call in calls {
            assert_eq!(call.instructions, 3);
            // 1, a branch that is not taken, and a return.
            assert_eq!(call.cycles.likely, 1 + 1 + 3);
        }
    }

    #[test]
    fn a_log_that_is_not_understood_is_an_error() {
        for (from, to, found) in [
            (
                "0x00000200:  2001 ",
                "OBJD-T: 0120 ",
                "this QEMU has no disassembler",
            ),
            (
                "Trace 0: 0x7f0000000200 [",
                "Trace 0: 0x7f0000000200 ",
                "in QEMU's log",
            ),
            (
                "IN: function\n0x00000200",
                "IN: function\n0x00000300",
                "and executed 0x200",
            ),
        ] {
            let error = calls(&LOG.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(found), "{error}");
        }
    }
}
