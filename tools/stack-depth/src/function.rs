//! What the instructions of a function do to the stack, and what they call.

use std::collections::{BTreeMap, BTreeSet};

use super::Role;

#[derive(Debug, Default)]
pub(super) struct Function {
    pub(super) name: String,
    /// Bytes that its instructions take from the stack.
    pub(super) frame: u64,
    pub(super) calls: BTreeSet<u64>,
    pub(super) indirect: BTreeSet<Role>,
    /// Where the tables lie through which it jumps.
    pub(super) tables: BTreeSet<u64>,
    /// Why its frame is not known.
    pub(super) unclear: Option<String>,
}

/// A number as llvm-objdump writes it.
pub(super) fn number(text: &str) -> Option<i64> {
    let text = text.trim().trim_start_matches('#');
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    Some(sign * value)
}

/// What stands between two marks.
pub(super) fn between(text: &str, start: char, end: char) -> Option<&str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// Bytes of the registers in `{r4-r7, lr}` or `{d8, d9}`.
fn registers(list: &str) -> u64 {
    let number = |name: &str| name.trim_start_matches(['r', 's', 'd']).parse::<u64>();
    let part = |part: &str| {
        let part = part.trim();
        let size = if part.starts_with('d') { 8 } else { 4 };
        let count = match part.split_once('-') {
            Some((a, b)) => match (number(a), number(b)) {
                (Ok(a), Ok(b)) => b + 1 - a,
                _ => 1,
            },
            None => 1,
        };
        size * count
    };
    list.split(',').map(part).sum()
}

/// The registers in `r4-r7`, or the one in `r4`.
fn range(part: &str) -> Vec<String> {
    let part = part.trim();
    let number = |name: &str| name.strip_prefix('r')?.parse::<u32>().ok();
    let ends = part.split_once('-').map(|(a, b)| (number(a), number(b)));
    match ends {
        Some((Some(first), Some(last))) => (first..=last).map(|n| format!("r{n}")).collect(),
        _ => vec![part.to_owned()],
    }
}

/// What the instructions before one say about the registers that it reads.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Known {
    /// The offset of the place that a register was loaded from.
    pub(super) loads: BTreeMap<String, i64>,
    /// The value of a register.
    pub(super) values: BTreeMap<String, i64>,
    /// The start of the table into which a register points.
    pub(super) tables: BTreeMap<String, u64>,
    /// The start of the table that a register was loaded from.
    pub(super) from_tables: BTreeMap<String, u64>,
    /// The low bits that were cleared in a register.
    pub(super) cleared: BTreeMap<String, u32>,
}

impl Known {
    pub(super) fn forget(&mut self, register: &str) {
        self.loads.remove(register);
        self.values.remove(register);
        self.tables.remove(register);
        self.from_tables.remove(register);
        self.cleared.remove(register);
    }

    /// Keeps what the other says too: two ways lead here.
    pub(super) fn meet(&mut self, other: &Self) {
        self.loads.retain(|k, v| other.loads.get(k) == Some(v));
        self.values.retain(|k, v| other.values.get(k) == Some(v));
        self.tables.retain(|k, v| other.tables.get(k) == Some(v));
        self.from_tables
            .retain(|k, v| other.from_tables.get(k) == Some(v));
        self.cleared.retain(|k, v| other.cleared.get(k) == Some(v));
    }

    /// Forgets what a function may change that is called.
    pub(super) fn call(&mut self) {
        for register in ["r0", "r1", "r2", "r3", "r12", "lr", "ra"] {
            self.forget(register);
        }
        for number in 0..8 {
            self.forget(&format!("a{number}"));
            self.forget(&format!("t{number}"));
        }
    }
}

impl Function {
    /// Counts one instruction, and gives the number that may be an address.
    pub(super) fn instruction(
        &mut self,
        operation: &str,
        operands: &str,
        known: &mut Known,
    ) -> Option<u64> {
        let first = operands.split(',').next().unwrap_or_default().trim();
        let rest = operands.split_once(',').map_or("", |(_, rest)| rest.trim());
        let mut address = None;
        match operation {
            "push" | "vpush" => {
                self.frame += between(operands, '{', '}').map_or(0, registers);
                return None;
            }
            "stmdb" | "vstmdb" if first == "sp!" => {
                self.frame += between(operands, '{', '}').map_or(0, registers);
                return None;
            }
            "str" | "strd" if operands.contains("[sp, #-") && operands.ends_with("]!") => {
                let offset = operands
                    .rsplit_once('#')
                    .map(|(_, n)| n.trim_end_matches("]!"));
                self.frame += offset.and_then(number).unwrap_or(0).unsigned_abs();
                return None;
            }
            "blx" | "bx" | "jalr" | "jr" if !operands.contains('<') => {
                let pointer = operands.trim();
                if operation == "bx" && pointer == "lr" {
                    return None;
                }
                let role = known
                    .loads
                    .get(pointer)
                    .map_or(Role::Unknown, |&o| Role::at(o));
                if operation == "jr" && pointer == "t0" && self.name.starts_with("OUTLINED") {
                    // Back to the functions that the compiler took this piece out of.
                    if self.frame > 0 {
                        self.unclear = Some("a frame that is left to the caller".into());
                    }
                } else if let ("jr", Some(&table)) = (operation, known.from_tables.get(pointer)) {
                    self.tables.insert(table);
                } else {
                    self.indirect.insert(role);
                }
                return None;
            }
            ".word" | ".long" => return number(operands).map(|n| n as u64),
            // These write more than their first register.
            "pop" | "ldm" | "ldmia" | "ldmdb" | "ldrd" | "umull" | "smull" | "umlal" | "smlal" => {
                let registers = between(operands, '{', '}').unwrap_or(operands);
                for register in registers.split(',').flat_map(range) {
                    known.forget(&register);
                }
            }
            _ => {}
        }
        if first == "sp" {
            self.move_stack_pointer(operation, rest, known);
            return None;
        }
        match operation {
            "movw" | "mov" | "movs" | "li" | "lui" if number(rest).is_some() => {
                let value = number(rest).unwrap_or(0);
                let value = if operation == "lui" {
                    value << 12
                } else {
                    value
                };
                known.values.insert(first.into(), value);
            }
            // The compiler makes an address of two halves, because the linker chooses it.
            "movt" => {
                let low = known.values.get(first).copied().unwrap_or(0);
                let value = low & 0xffff | number(rest).unwrap_or(0) << 16;
                known.values.insert(first.into(), value);
                address = Some(value as u64);
            }
            "addi" if rest.split(',').next().map(str::trim) == Some(first) => {
                let added = rest.split_once(',').and_then(|(_, n)| number(n));
                if let (Some(value), Some(added)) = (known.values.get_mut(first), added) {
                    *value += added;
                    address = Some(*value as u64);
                }
            }
            "add" => {
                let mut values = rest
                    .split(',')
                    .map(|register| known.values.get(register.trim()));
                let table = match (values.next().flatten(), values.next().flatten()) {
                    (Some(&table), None) | (None, Some(&table)) => Some(table as u32),
                    _ => None,
                };
                known.forget(first);
                if let Some(table) = table {
                    known.tables.insert(first.into(), table.into());
                }
                return None;
            }
            "bfc" => {
                let bits = rest.rsplit_once('#').and_then(|(_, n)| n.parse().ok());
                known.cleared.insert(first.into(), bits.unwrap_or(0));
            }
            "lsls" | "lsrs" => {
                let bits = rest.rsplit_once('#').and_then(|(_, n)| number(n));
                known.cleared.insert(first.into(), bits.unwrap_or(0) as u32);
            }
            _ => {
                known.values.remove(first);
                known.cleared.remove(first);
            }
        }
        let riscv = rest.split_once('(');
        let table = riscv.and_then(|(offset, register)| {
            let table = known.tables.get(register.trim_end_matches(')'))?;
            table.checked_add_signed(number(offset)?)
        });
        known.loads.remove(first);
        known.tables.remove(first);
        known.from_tables.remove(first);
        if let "ldr" | "lw" = operation {
            let arm = between(rest, '[', ']')
                .map(|place| place.rsplit_once('#').map_or(Some(0), |(_, n)| number(n)));
            let riscv = riscv.map(|(offset, _)| number(offset));
            if let Some(offset) = arm.or(riscv).flatten() {
                known.loads.insert(first.into(), offset);
            }
            if let Some(table) = table {
                known.from_tables.insert(first.into(), table);
            }
        }
        address
    }

    /// An instruction that writes the stack pointer.
    pub(super) fn move_stack_pointer(&mut self, operation: &str, rest: &str, known: &Known) {
        let last = rest.rsplit(',').next().unwrap_or(rest).trim();
        let value = number(last).or_else(|| known.values.get(last).copied());
        match (operation, value) {
            ("sub" | "subs" | "subw", Some(value)) => self.frame += value.unsigned_abs(),
            ("add" | "adds" | "addw" | "addi", Some(value)) if value < 0 => {
                self.frame += value.unsigned_abs();
            }
            // It gives back what it took.
            ("add" | "adds" | "addw" | "addi", Some(_)) => {}
            // It makes room for an aligned variable, or gives it back.
            ("mov" | "mv", _) => {
                self.frame += known.cleared.get(last).map_or(0, |bits| 1 << bits);
            }
            ("andi", Some(mask)) => self.frame += mask.unsigned_abs(),
            // Loads and stores of what lies on the stack.
            _ if rest.starts_with('[') => {}
            _ if operation.starts_with(['l', 's', 'c']) && !operation.starts_with("sub") => {}
            _ => self.unclear = Some(format!("{operation} sp, {rest}")),
        }
    }
}
