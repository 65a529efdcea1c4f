//! What the registers hold along the ways through a function.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    function::{Function, Known, number},
    instruction,
};

/// A line of a listing.
#[derive(Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) address: u64,
    operation: &'a str,
    operands: &'a str,
}

impl<'a> Line<'a> {
    /// Reads `    1234:      \tpush\t{r4, lr}`.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (address, _) = text.split_once(':')?;
        let code = instruction(text)?;
        let (operation, operands) = code.split_once('\t').unwrap_or((code, ""));
        Some(Line {
            address: u64::from_str_radix(address.trim(), 16).ok()?,
            operation: operation.trim_end_matches(".w").trim_end_matches(".n"),
            operands,
        })
    }

    /// The address that it names, as in `beq\t0x1234 <name+0x12>`.
    fn target(&self) -> Option<u64> {
        if !self.operation.starts_with(['b', 'j', 'c', 't']) {
            return None;
        }
        // RISC-V's `jalr 0x10(ra) <name>` names no address.
        let (before, _) = self.operands.rsplit_once(" <")?;
        number(before.rsplit([' ', '\t']).next()?).map(|n| n as u64)
    }

    fn is_call(&self) -> bool {
        matches!(self.operation, "bl" | "blx" | "jal" | "jalr")
    }

    /// Whether what follows is reached by other ways alone.
    fn is_end(&self) -> bool {
        let first = self.operands.split(',').next().unwrap_or_default().trim();
        match self.operation {
            "b" | "bx" | "j" | "jr" | "ret" | "mret" | "tbb" | "tbh" | "udf" | "unimp" => true,
            "pop" => self.operands.contains("pc"),
            _ => first == "pc",
        }
    }

    /// Where a jump through a table leads, if it is one: the table lies after it, and each entry
    /// is half the way from there.
    pub(super) fn table(&self, word: impl Fn(u64) -> Option<i32>) -> Vec<u64> {
        let (table, size) = match self.operation {
            "tbb" => (self.address + 4, 1),
            "tbh" => (self.address + 4, 2),
            "add" if self.operands.starts_with("pc") => (self.address + 2, 1),
            _ => return Vec::new(),
        };
        let (mut targets, mut at, mut end) = (Vec::new(), table, u64::MAX);
        while at < end
            && let Some(word) = word(at)
        {
            let entry = word as u32 & ((1 << (8 * size)) - 1);
            let target = self.address + 4 + 2 * u64::from(entry);
            end = end.min(target);
            targets.push(target);
            at += size;
        }
        targets
    }
}

/// Follows all ways through a function. Gives what it does, and the numbers in it that may be
/// addresses.
pub(super) fn follow(
    start: u64,
    name: &str,
    lines: &[Line<'_>],
    function_of: &dyn Fn(u64) -> Option<u64>,
    word: &dyn Fn(u64) -> Option<i32>,
) -> (Function, BTreeSet<u64>) {
    // What is known where jumps lead. It only ever gets less.
    let mut known_at: BTreeMap<u64, Known> = BTreeMap::new();
    loop {
        let before = known_at.clone();
        let mut function = Function {
            name: name.to_owned(),
            ..Function::default()
        };
        let mut numbers = BTreeSet::new();
        // Nothing after a jump: then something else leads there.
        let mut here = Some(Known::default());
        for line in lines {
            let mut known = match (here.take(), known_at.get(&line.address)) {
                (Some(mut known), Some(other)) => {
                    known.meet(other);
                    known
                }
                (None, Some(known)) => known.clone(),
                (known, None) => known.unwrap_or_default(),
            };
            let mut jumps = line.table(word);
            numbers.extend(step(&mut function, line, &mut known, &mut jumps, word));
            if let Some(target) = line.target()
                && let Some(other) = function_of(target)
            {
                if other != start {
                    function.calls.insert(other);
                } else if !line.is_call() {
                    jumps.push(target);
                }
            }
            if line.is_call() {
                known.call();
            }
            for target in jumps {
                let other = known_at.entry(target).or_insert_with(|| known.clone());
                other.meet(&known);
            }
            here = (!line.is_end()).then_some(known);
        }
        if known_at == before {
            return (function, numbers);
        }
    }
}

/// One instruction: what it does to the function, to what is known, and the jumps through a table of
/// constants.
fn step(
    function: &mut Function,
    line: &Line<'_>,
    known: &mut Known,
    jumps: &mut Vec<u64>,
    word: &dyn Fn(u64) -> Option<i32>,
) -> Option<u64> {
    let Line {
        operation,
        operands,
        ..
    } = *line;
    let constant = || {
        let (_, at) = operands.split_once('@')?;
        word(number(at.split('<').next()?)? as u64).map(i64::from)
    };
    if let ("ldr", Some(constant)) = (operation, constant()) {
        let register = operands.split(',').next().unwrap_or_default();
        known.forget(register);
        known.values.insert(register.into(), constant);
        return None;
    }
    if let ("jr", Some(&table)) = (operation, known.from_tables.get(operands.trim())) {
        let entries = (table..).step_by(4).map_while(word);
        let places = entries.map(|entry| u64::from(entry as u32));
        jumps.extend(places.take_while(|&place| place > line.address));
    }
    function.instruction(operation, operands, known)
}
