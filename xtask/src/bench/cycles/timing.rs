//! The cycles of instructions at zero wait states, as `docs/CYCLES.md` tells them.

use std::ops::{Add, AddAssign};

use super::disassembly::Instruction;

/// Cycles, by the likeliest reading of the tables and by the two ends of what they leave open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cycles {
    pub(crate) least: u64,
    pub(crate) likely: u64,
    pub(crate) most: u64,
}

impl Cycles {
    const fn new(least: u64, likely: u64, most: u64) -> Self {
        Cycles {
            least,
            likely,
            most,
        }
    }

    /// The same in every reading.
    const fn all(cycles: u64) -> Self {
        Self::new(cycles, cycles, cycles)
    }

    pub(crate) fn map(self, f: impl Fn(u64) -> u64) -> Self {
        Self::new(f(self.least), f(self.likely), f(self.most))
    }
}

impl Add for Cycles {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::new(
            self.least + other.least,
            self.likely + other.likely,
            self.most + other.most,
        )
    }
}

impl AddAssign for Cycles {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The table of a core.
#[derive(Debug)]
pub(crate) struct Timing {
    /// The first instructions of a row that match count, by their names; an ending `*` stands for
    /// any rest. What no row has takes one cycle.
    rows: &'static [(&'static [&'static str], Time)],
    /// What a branch that is taken takes besides: B, BX and BLX; BL; a load of several words into pc.
    taken: [Cycles; 3],
    /// Whether a load right after another takes a cycle less, and one waits a cycle for an address
    /// that was computed right before.
    is_pipelined: bool,
}

/// What an instruction takes.
#[derive(Clone, Copy, Debug)]
enum Time {
    /// This.
    Cycles(Cycles),
    /// One, and one for each register in the list.
    Multiple,
    /// Two; one right after another load.
    Load,
    /// One; two with an offset in a register, but not right after a load.
    Store,
}

const fn cycles(cycles: u64) -> Time {
    Time::Cycles(Cycles::all(cycles))
}

/// ARM DDI 0432C, table 3-1: 32-bit multiply of one cycle. The least is a Cortex-M0+ (ARM DDI 0484C),
/// whose pipeline is shorter; the most a Cortex-M0 whose multiply takes 32 cycles.
pub(crate) static CORTEX_M0: Timing = Timing {
    rows: &[
        (&["ldr*", "str*"], cycles(2)),
        (&["ldm*", "stm*", "push", "pop"], Time::Multiple),
        (&["mul*"], Time::Cycles(Cycles::new(1, 1, 32))),
        (
            &["mrs", "msr", "dmb", "dsb", "isb"],
            Time::Cycles(Cycles::new(3, 4, 4)),
        ),
    ],
    taken: [
        Cycles::new(1, 2, 2),
        Cycles::new(2, 3, 3),
        Cycles::new(2, 3, 3),
    ],
    is_pipelined: false,
};

/// What Cortex-M3 and M4 have in common.
macro_rules! thumb2 {
    ($($row:expr),* $(,)?) => {
        Timing {
            rows: &[
                $($row,)*
                (&["ldrd", "strd"], cycles(3)),
                (&["ldr*"], Time::Load),
                (&["str*"], Time::Store),
                (&["ldm*", "stm*", "push", "pop"], Time::Multiple),
                (&["sdiv", "udiv"], Time::Cycles(Cycles::new(2, 6, 12))),
                (&["tbb", "tbh"], cycles(2)),
                (&["mrs", "msr"], cycles(2)),
                (
                    &["it", "itt", "ite", "ittt", "itte", "itet", "itee", "itttt"],
                    Time::Cycles(Cycles::new(0, 1, 1)),
                ),
            ],
            taken: [Cycles::new(1, 2, 3); 3],
            is_pipelined: true,
        }
    };
}

/// ARM DDI 0337I, table 3-1.
pub(crate) static CORTEX_M3: Timing = thumb2![
    (&["mla", "mls"], cycles(2)),
    (&["smull", "umull"], Time::Cycles(Cycles::new(3, 5, 5))),
    (&["smlal", "umlal"], Time::Cycles(Cycles::new(4, 7, 7))),
];

/// ARM DDI 0439B, tables 3-1 and 7-1.
pub(crate) static CORTEX_M4: Timing = thumb2![
    (&["vldm*", "vstm*", "vpush", "vpop"], Time::Multiple),
    (&["vldr*", "vstr*"], cycles(2)),
    (
        &[
            "vmla*", "vmls*", "vnmla*", "vnmls*", "vfma*", "vfms*", "vfnm*"
        ],
        cycles(3)
    ),
    (&["vdiv*", "vsqrt*"], cycles(14)),
];

/// What a block of instructions takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    /// Without the branch at its end.
    cycles: Cycles,
    /// What the branch takes besides, where it is taken.
    taken: Cycles,
    is_always_taken: bool,
}

impl Cost {
    /// Of a block that ends at `end`, with `next` as the address after it.
    pub(super) fn before(&self, next: u64, end: u64) -> Cycles {
        match self.is_always_taken || next != end {
            true => self.cycles + self.taken,
            false => self.cycles,
        }
    }
}

impl Timing {
    /// Of instructions one after the other.
    pub(super) fn cost(&self, instructions: &[Instruction<'_>]) -> Cost {
        let before = std::iter::once(None).chain(instructions.iter().map(Some));
        let mut cycles = Cycles::default();
        for (instruction, before) in instructions.iter().zip(before) {
            cycles += self.cycles(instruction, before);
        }
        let (taken, is_always_taken) = match instructions.last() {
            Some(last) => self.taken(last),
            None => (Cycles::default(), false),
        };
        Cost {
            cycles,
            taken,
            is_always_taken,
        }
    }

    /// What a row says of an instruction.
    fn time(&self, name: &str) -> Time {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        let mut rows = self.rows.iter();
        rows.find(|(names, _)| names.iter().any(|pattern| fits(pattern)))
            .map_or(cycles(1), |&(_, time)| time)
    }

    fn cycles(&self, instruction: &Instruction<'_>, before: Option<&Instruction<'_>>) -> Cycles {
        let time = self.time(instruction.name);
        let before = before.filter(|_| self.is_pipelined);
        let is_after_load = before.is_some_and(|before| {
            matches!(self.time(before.name), Time::Load)
                && !instruction.addresses_by(before.destination())
        });
        // A load or store of several words follows no other in the pipeline.
        let waits = before.is_some_and(|before| {
            matches!(self.time(before.name), Time::Cycles(_))
                && !["cmp", "cmn", "tst", "teq"].contains(&before.name)
                && instruction.addresses_by(before.destination())
        });
        let cycles = match time {
            Time::Cycles(cycles) => cycles,
            Time::Multiple => Cycles::all(1 + instruction.listed()),
            Time::Load if is_after_load => Cycles::all(1),
            Time::Load => Cycles::all(2),
            Time::Store if instruction.has_register_offset() && !is_after_load => Cycles::all(2),
            Time::Store => Cycles::all(1),
        };
        cycles + Cycles::all(waits.into())
    }

    /// What the branch at the end of a block takes besides, and whether it is taken always.
    fn taken(&self, last: &Instruction<'_>) -> (Cycles, bool) {
        let [branch, call, load] = self.taken;
        match last.name {
            "bl" => (call, true),
            "b" | "bx" | "blx" | "tbb" | "tbh" => (branch, true),
            _ if last.loads_pc() && matches!(self.time(last.name), Time::Multiple) => (load, true),
            _ if last.loads_pc() => (branch, true),
            _ => (branch, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What instructions take one after the other, with a branch at the end that is not taken and
    /// one that is.
    fn cost(timing: &Timing, lines: &[&str]) -> [Cycles; 2] {
        let lines: Vec<_> = lines
            .iter()
            .map(|text| format!("0x00000100:  0000  {text}"))
            .collect();
        let instructions = lines.iter().map(|line| Instruction::parse(line).unwrap());
        let cost = timing.cost(&instructions.collect::<Vec<_>>());
        [cost.before(0x102, 0x102), cost.before(0x200, 0x102)]
    }

    fn likely(timing: &Timing, lines: &[&str]) -> u64 {
        cost(timing, lines)[0].likely
    }

    #[test]
    fn loads_follow_each_other_as_the_manual_of_cortex_m3_says() {
        for (lines, cycles) in [
            (&["ldr r0, [r1]", "ldr r1, [r2]"][..], 3),
            (&["ldr r0, [r1, r2]", "str r0, [r3, #0x14]"], 3),
            (&["ldr r0, [r1, r2]", "str r1, [r3, r2]"], 3),
            (&["ldr r0, [r1, r5]", "ldr r1, [r2]", "ldr r2, [r3, #4]"], 4),
            // The second needs the first one's result.
            (&["ldr r0, [r1]", "ldr r1, [r0]"], 4),
            // An address that was computed right before, or not.
            (&["adds r0, r0, r1", "ldr r1, [r0]"], 4),
            (&["adds r0, r0, r1", "adds r2, r2, r3", "ldr r1, [r0]"], 4),
            (&["ldm r0!, {r1, r2, r3}"], 4),
            (&["ldrd r1, r2, [r0], #8"], 3),
        ] {
            assert_eq!(likely(&CORTEX_M3, lines), cycles, "{lines:?}");
            assert_eq!(likely(&CORTEX_M4, lines), cycles, "{lines:?}");
        }
    }

    #[test]
    fn multiplications_are_those_of_the_core() {
        let mla = &["mla r0, r1, r2, r0"];
        assert_eq!(likely(&CORTEX_M3, mla), 2);
        assert_eq!(likely(&CORTEX_M4, mla), 1);
        assert_eq!(likely(&CORTEX_M4, &["smlad r0, r1, r2, r0"]), 1);
        assert_eq!(
            cost(&CORTEX_M3, &["smlal r0, r1, r2, r3"])[0],
            Cycles::new(4, 7, 7)
        );
        assert_eq!(
            cost(&CORTEX_M0, &["muls r0, r1, r0"])[0],
            Cycles::new(1, 1, 32)
        );
    }

    #[test]
    fn a_branch_costs_more_where_it_is_taken() {
        for (timing, line, untaken, taken) in [
            (
                &CORTEX_M0,
                "bne #0x200",
                Cycles::all(1),
                Cycles::new(2, 3, 3),
            ),
            (
                &CORTEX_M0,
                "bl #0x200",
                Cycles::new(3, 4, 4),
                Cycles::new(3, 4, 4),
            ),
            (
                &CORTEX_M0,
                "pop {r4, pc}",
                Cycles::new(5, 6, 6),
                Cycles::new(5, 6, 6),
            ),
            (
                &CORTEX_M3,
                "bne #0x200",
                Cycles::all(1),
                Cycles::new(2, 3, 4),
            ),
            (
                &CORTEX_M4,
                "bx lr",
                Cycles::new(2, 3, 4),
                Cycles::new(2, 3, 4),
            ),
        ] {
            assert_eq!(cost(timing, &[line]), [untaken, taken], "{line}");
        }
    }
}
