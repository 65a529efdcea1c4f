//! The most stack that a firmware can take, from the machine code of its ELF file.
//!
//! What a function takes is what its instructions subtract from the stack pointer, all of them
//! together. What calls what is read off the calls, by address. Three rules cover the rest; what
//! none of them covers is an error:
//!
//! * A call through a pointer goes to any function whose address stands anywhere in the program.
//!   Where the pointer is loaded from the place of a method in a table of `core::fmt::Write`, or
//!   from that of a formatter in an argument, it goes to one of these; where it is loaded from a
//!   constant table of functions, to one of the table's. A table of places in the function itself
//!   calls nothing.
//! * A formatter or a method of a writer is called through a pointer only where it is not on the
//!   stack yet: no type here contains itself, and no writer formats.
//! * One interrupt at a time, in the middle of the deepest call.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

use crate::shell::{output, root};

/// Where the compiler keeps its llvm-tools.
fn llvm_objdump() -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    let sysroot = output(rustc.args(["--print", "sysroot"]).current_dir(root()))?;
    let rustlib = Path::new(&sysroot).join("lib/rustlib");
    let folders = rustlib.read_dir()?.flatten().map(|entry| entry.path());
    let mut programs = folders.map(|folder| folder.join("bin/llvm-objdump"));
    let program = programs.find(|program| program.exists());
    program.context("found no llvm-objdump; `cargo xtask setup` installs it")
}

/// The most stack that the firmware in this ELF file can take, and the calls that take it.
#[derive(Debug)]
pub struct Bound {
    /// In bytes.
    pub bytes: u64,
    /// The functions on the stack then, each with its bytes; the interrupt last.
    pub path: Vec<String>,
}

/// Bounds the stack of the firmware in this ELF file.
///
/// # Errors
///
/// The first thing that the rules do not cover.
pub fn bound(elf: &Path) -> Result<Bound> {
    let bytes = fs::read(elf).with_context(|| elf.display().to_string())?;
    let file = object::File::parse(&*bytes).with_context(|| elf.display().to_string())?;
    let is_arm = file.architecture() == object::Architecture::Arm;
    let listing = output(
        Command::new(llvm_objdump()?)
            .args(["--disassemble", "--no-show-raw-insn"])
            .arg(elf),
    )?;
    // A word of the code or the constants.
    let word = |address: u64| {
        let mut sections = file.sections().filter(|section| {
            let kind = section.kind();
            kind == SectionKind::Text || is_constant(kind)
        });
        let data = sections.find_map(|s| s.data_range(address, 4).ok().flatten())?;
        Some(i32::from_le_bytes(data.try_into().ok()?))
    };
    // Behind the end of a function, the linker fills up with what looks like instructions.
    let ends = file.symbols().filter(|symbol| symbol.size() > 0);
    let ends: BTreeMap<_, _> = ends.map(|s| (s.address() & !1, s.size())).collect();
    let is_filling = |function: u64, line: &str| {
        let address = line
            .split_once(':')
            .map_or("", |(address, _)| address.trim());
        let address = u64::from_str_radix(address, 16).unwrap_or(0);
        ends.get(&function)
            .is_some_and(|size| address >= function + size)
    };
    let mut program = Program::read(&listing, word, is_filling)?;
    program.name(&file);
    program.take_addresses(&file, is_arm)?;
    let mut taken = program.taken.iter().map(|f| &program.functions[f].name);
    if !taken.any(|name| Role::of(name) == Role::WriteStr) {
        bail!("found no table with the methods of a writer, which every firmware has");
    }
    program.bound(is_arm)
}

/// With strings in it, a section of constants counts as one of strings.
fn is_constant(kind: SectionKind) -> bool {
    matches!(
        kind,
        SectionKind::ReadOnlyData | SectionKind::ReadOnlyString
    )
}

/// What a call through a pointer may go to, by the place that the pointer is loaded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    /// In a table of methods, behind the words for drop, size and alignment.
    WriteStr,
    WriteChar,
    WriteFmt,
    /// In an argument, behind the pointer to the value.
    Formatter,
    Unknown,
}

impl Role {
    fn at(offset: i64) -> Self {
        match offset {
            4 => Role::Formatter,
            12 => Role::WriteStr,
            16 => Role::WriteChar,
            20 => Role::WriteFmt,
            _ => Role::Unknown,
        }
    }

    /// Whether a pointer leads to a function of this role only where it is not on the stack yet.
    fn is_single(self) -> bool {
        self != Role::Unknown
    }

    /// By the name of a function.
    fn of(name: &str) -> Self {
        let name = name.rsplit_once("::h").map_or(name, |(path, hash)| {
            let is_hash = hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit());
            if is_hash { path } else { name }
        });
        match name.rsplit("::").next() {
            Some("write_str") => Role::WriteStr,
            Some("write_char") => Role::WriteChar,
            Some("write_fmt") => Role::WriteFmt,
            Some("fmt") => Role::Formatter,
            _ => Role::Unknown,
        }
    }
}

#[derive(Debug, Default)]
struct Function {
    name: String,
    /// Bytes that its instructions take from the stack.
    frame: u64,
    calls: BTreeSet<u64>,
    indirect: BTreeSet<Role>,
    /// Where the tables lie through which it jumps.
    tables: BTreeSet<u64>,
    /// Why its frame is not known.
    unclear: Option<String>,
}

#[derive(Debug, Default)]
struct Program {
    /// By address.
    functions: BTreeMap<u64, Function>,
    /// By symbol.
    symbols: BTreeMap<String, u64>,
    /// Functions whose address the program holds.
    taken: BTreeSet<u64>,
    /// Numbers in the code that may be addresses.
    numbers: BTreeSet<u64>,
}

/// A number as llvm-objdump writes it.
fn number(text: &str) -> Option<i64> {
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
fn between(text: &str, start: char, end: char) -> Option<&str> {
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

/// What the lines before an instruction say about the registers that it reads.
#[derive(Default)]
struct Known {
    /// The offset of the place that a register was loaded from.
    loads: BTreeMap<String, i64>,
    /// The value of a register.
    values: BTreeMap<String, i64>,
    /// The start of the table into which a register points.
    tables: BTreeMap<String, u64>,
    /// The start of the table that a register was loaded from.
    from_tables: BTreeMap<String, u64>,
    /// The low bits that were cleared in a register.
    cleared: BTreeMap<String, u32>,
}

impl Known {
    fn forget(&mut self, register: &str) {
        self.loads.remove(register);
        self.values.remove(register);
        self.tables.remove(register);
        self.from_tables.remove(register);
        self.cleared.remove(register);
    }
}

impl Program {
    fn read(
        listing: &str,
        word: impl Fn(u64) -> Option<i32>,
        is_filling: impl Fn(u64, &str) -> bool,
    ) -> Result<Self> {
        let mut program = Program::default();
        // By end, to find the function that a branch leads into.
        let mut starts = BTreeSet::new();
        for line in listing.lines() {
            if let Some((address, _)) = heading(line) {
                starts.insert(address);
            }
        }
        let function_of = |address: u64| starts.range(..=address).next_back().copied();
        let mut current = None;
        let mut known = Known::default();
        for line in listing.lines() {
            if let Some((address, name)) = heading(line) {
                current = Some(address);
                known = Known::default();
                let function = program.functions.entry(address).or_default();
                name.clone_into(&mut function.name);
                continue;
            }
            let (Some(address), Some(code)) = (current, instruction(line)) else {
                continue;
            };
            if is_filling(address, line) {
                continue;
            }
            let (operation, operands) = code.split_once('\t').unwrap_or((code, ""));
            let Some(function) = program.functions.get_mut(&address) else {
                continue;
            };
            let operation = operation.trim_end_matches(".w").trim_end_matches(".n");
            let constant = operands
                .split_once('@')
                .and_then(|(_, at)| word(number(at.split('<').next()?)? as u64).map(i64::from));
            if let ("ldr", Some(constant)) = (operation, constant) {
                let register = operands.split(',').next().unwrap_or_default();
                known.loads.remove(register);
                known.values.insert(register.into(), constant);
                continue;
            }
            program
                .numbers
                .extend(function.instruction(operation, operands, &mut known));
            let is_branch = operation.starts_with(['b', 'j', 'c', 't']);
            let target = operands.rsplit_once(" <").map(|(before, _)| before);
            let target = target.and_then(|before| before.rsplit([' ', '\t']).next());
            if is_branch && let Some(target) = target.and_then(number) {
                // RISC-V's `jalr 0x10(ra) <name>` names no address: see below.
                let target = function_of(target as u64);
                function.calls.extend(target.filter(|&t| t != address));
            }
        }
        program.resolve_names(listing);
        program.resolve_tables(word);
        Ok(program)
    }

    /// Finds out what the jumps through tables lead to.
    fn resolve_tables(&mut self, word: impl Fn(u64) -> Option<i32>) {
        let starts: Vec<_> = self.functions.keys().copied().collect();
        for (index, start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(u64::MAX);
            let tables = std::mem::take(&mut self.functions.entry(*start).or_default().tables);
            for table in tables {
                let entries = (table..).step_by(4);
                let entry = |at| word(at).map(|entry| u64::from(entry as u32));
                if entry(table).is_some_and(|entry| *start < entry && entry < end) {
                    continue;
                }
                let entries = entries.map_while(entry);
                // A table of interrupts has nothing where the chip has none.
                let functions: Vec<_> = entries
                    .take_while(|entry| *entry == 0 || self.functions.contains_key(entry))
                    .filter(|entry| *entry != 0)
                    .collect();
                let function = self.functions.entry(*start).or_default();
                match functions[..] {
                    [] => drop(function.indirect.insert(Role::Unknown)),
                    _ => function.calls.extend(functions),
                }
            }
        }
    }

    /// Adds the calls whose line gives a name and no address, as RISC-V's pair of instructions.
    fn resolve_names(&mut self, listing: &str) {
        let headings = listing.lines().filter_map(heading);
        let addresses: BTreeMap<_, _> = headings.map(|(address, name)| (name, address)).collect();
        let mut current = None;
        for line in listing.lines() {
            if let Some((address, _)) = heading(line) {
                current = Some(address);
                continue;
            }
            let Some(code) = instruction(line) else {
                continue;
            };
            let Some(name) = between(code, '<', '>') else {
                continue;
            };
            let Some(&target) = addresses.get(name) else {
                continue;
            };
            let is_jump = code.starts_with("jalr\t") || code.starts_with("jr\t");
            let is_address = code.starts_with("addi\t") || code.starts_with("mv\t");
            if let Some(current) = current
                && is_jump
                && current != target
                && let Some(function) = self.functions.get_mut(&current)
            {
                function.calls.insert(target);
            }
            if is_address {
                self.numbers.insert(target);
            }
        }
    }

    /// Takes the names from the symbols, of which an address may have several.
    fn name(&mut self, file: &object::File<'_>) {
        for symbol in file.symbols() {
            let address = symbol.address() & !1;
            if let (Some(function), Ok(name)) = (self.functions.get_mut(&address), symbol.name()) {
                self.symbols.insert(name.to_owned(), address);
                if function.name == name {
                    function.name = format!("{:#}", rustc_demangle::demangle(name));
                }
            }
        }
    }

    /// Finds the functions whose address stands in the code or among the constants.
    fn take_addresses(&mut self, file: &object::File<'_>, is_arm: bool) -> Result<()> {
        let mut numbers = std::mem::take(&mut self.numbers);
        for section in file.sections() {
            let is_table = section.name() == Ok(".vector_table");
            let kind = section.kind();
            let is_data = is_constant(kind) || kind == SectionKind::Data;
            if is_data && !is_table {
                let words = section.data()?.chunks_exact(4);
                numbers.extend(words.map(|word| {
                    u64::from(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
                }));
            }
        }
        // On Arm, the address of a function has its lowest bit set: it is Thumb code.
        let thumb = u64::from(is_arm);
        let functions = numbers.iter().filter(|&number| number & 1 == thumb);
        let functions = functions.map(|number| number & !1);
        // Only the core goes there. Where flash begins at 0, any number may look like the first.
        let by_core = ["Reset", "_start_trap"].map(|name| self.symbols.get(name).copied());
        self.taken = functions
            .filter(|&f| self.functions.contains_key(&f) && !by_core.contains(&Some(f)))
            .collect();
        Ok(())
    }

    fn named(&self, name: &str) -> Result<u64> {
        let address = self.symbols.get(name).copied();
        address.with_context(|| format!("found no function {name}"))
    }

    fn bound(&self, is_arm: bool) -> Result<Bound> {
        let mut walk = Walk {
            program: self,
            on_stack: Vec::new(),
            known: BTreeMap::new(),
        };
        let mut depth = |name: &str| walk.depth(self.named(name)?);
        let (mut bytes, mut path);
        if is_arm {
            (bytes, path) = depth("Reset")?;
            let handlers = [depth("DefaultHandler")?, depth("SysTick")?];
            let (most, interrupt) = handlers.into_iter().max().unwrap_or_default();
            // What the core itself saves, with the registers of an FPU and the alignment.
            const SAVED: u64 = 26 * 4 + 4;
            bytes += SAVED + most;
            path.push(format!("interrupt({SAVED})"));
            path.extend(interrupt);
        } else {
            (bytes, path) = depth("_start_rust")?;
            let (most, interrupt) = depth("_default_start_trap")?;
            bytes += most;
            path.extend(interrupt);
        }
        Ok(Bound { bytes, path })
    }
}

/// The address and the name in `00001234 <name>:`.
fn heading(line: &str) -> Option<(u64, &str)> {
    let (address, name) = line.strip_suffix(">:")?.split_once(" <")?;
    Some((u64::from_str_radix(address, 16).ok()?, name))
}

/// The instruction in `    1234:      \tpush\t{r4, lr}`.
fn instruction(line: &str) -> Option<&str> {
    let (address, code) = line.split_once(':')?;
    let is_address = address.trim().bytes().all(|b| b.is_ascii_hexdigit());
    is_address.then(|| code.trim())
}

impl Function {
    /// Counts one instruction, and gives the number that may be an address.
    fn instruction(&mut self, operation: &str, operands: &str, known: &mut Known) -> Option<u64> {
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
    fn move_stack_pointer(&mut self, operation: &str, rest: &str, known: &Known) {
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

/// A walk down the calls.
struct Walk<'a> {
    program: &'a Program,
    on_stack: Vec<u64>,
    /// Depths, by function and those above it that are called once.
    known: BTreeMap<(u64, Vec<u64>), (u64, Vec<String>)>,
}

impl Walk<'_> {
    fn depth(&mut self, address: u64) -> Result<(u64, Vec<String>)> {
        let Some(function) = self.program.functions.get(&address) else {
            bail!("found a call to {address:#x}, where no function begins");
        };
        if let Some(unclear) = &function.unclear {
            bail!("{}: cannot tell what `{unclear}` takes", function.name);
        }
        let is_single = |f: &u64| {
            let function = self.program.functions.get(f);
            function.is_some_and(|f| Role::of(&f.name).is_single())
        };
        let mut singles: Vec<_> = self.on_stack.iter().copied().filter(is_single).collect();
        singles.sort_unstable();
        singles.dedup();
        let key = (address, singles);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        // Each time round, one of these that was not there has come onto the stack.
        let times = self.on_stack.iter().filter(|&&f| f == address).count();
        if times > key.1.len() {
            let names = self
                .on_stack
                .iter()
                .map(|f| &*self.program.functions[f].name);
            let names: Vec<_> = names.collect();
            bail!("{} calls itself: {}", function.name, names.join(" > "));
        }

        let mut callees = function.calls.clone();
        for &role in &function.indirect {
            callees.extend(self.program.taken.iter().copied().filter(|f| {
                let is_new = !key.1.contains(f) && *f != address;
                let found = Role::of(&self.program.functions[f].name);
                let fits = role == Role::Unknown || found == Role::Unknown || role == found;
                fits && (!found.is_single() || is_new)
            }));
        }
        self.on_stack.push(address);
        let mut deepest = (0, Vec::new());
        for callee in callees {
            deepest = deepest.max(self.depth(callee)?);
        }
        self.on_stack.pop();
        let mut path = vec![format!("{}({})", function.name, function.frame)];
        path.extend(deepest.1);
        let depth = (function.frame + deepest.0, path);
        self.known.insert(key, depth.clone());
        Ok(depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound below `start`, and the path.
    fn depth(listing: &str) -> Result<(u64, Vec<String>)> {
        depth_with(listing, |_| None)
    }

    fn depth_with(listing: &str, word: impl Fn(u64) -> Option<i32>) -> Result<(u64, Vec<String>)> {
        let mut program = Program::read(listing, word, |_, _| false)?;
        program.taken = program
            .functions
            .keys()
            .copied()
            .filter(|&f| f > 0x100)
            .collect();
        let mut walk = Walk {
            program: &program,
            on_stack: Vec::new(),
            known: BTreeMap::new(),
        };
        walk.depth(0)
    }

    const CALLS: &str = "\
00000000 <start>:
       0:      \tpush\t{r4-r7, lr}
       2:      \tsub\tsp, #0x10
       4:      \tbl\t0x20 <small>
       8:      \tbl\t0x40 <large>

00000020 <small>:
      20:      \tpush\t{r7, lr}

00000040 <large>:
      40:      \tsub.w\tsp, sp, #0x100
      44:      \tb.w\t0x20 <small>
";

    #[test]
    fn the_deepest_call_counts() {
        let (bytes, path) = depth(CALLS).unwrap();
        assert_eq!(bytes, (5 * 4 + 16) + 256 + 8);
        assert_eq!(path, ["start(36)", "large(256)", "small(8)"]);
    }

    #[test]
    fn recursion_is_an_error() {
        let listing = CALLS.replace("push\t{r7, lr}", "bl\t0x40 <large>");
        let error = depth(&listing).unwrap_err().to_string();
        assert!(error.contains(" calls itself: start > "), "{error}");
    }

    #[test]
    fn a_pointer_may_lead_to_every_function_whose_address_is_taken() {
        let listing = format!(
            "{}\n00000200 <taken>:\n     200:      \tsub.w\tsp, sp, #0x400\n",
            CALLS.replace("push\t{r7, lr}", "blx\tr3")
        );
        assert_eq!(depth(&listing).unwrap().0, 36 + 256 + 1024);
    }

    /// RISC-V has one instruction for a jump within a function and for a call at its end.
    const JUMP: &str = "\
00000000 <start>:
       0:      \taddi\tsp, sp, -0x10
       2:      \tlui\ta1, 0x10
       6:      \taddi\ta1, a1, -0x80
       a:      \tadd\ta0, a0, a1
       c:      \tlw\ta0, 0x0(a0)
       e:      \tlw\ta2, 0x4(s1)
      10:      \tjr\ta0

00000080 <small>:
      80:      \taddi\tsp, sp, -0x20

00000200 <taken>:
     200:      \taddi\tsp, sp, -0x400
";

    #[test]
    fn a_jump_through_a_pointer_is_a_call_unless_a_table_says_more() {
        let table = |entries: &'static [i32]| {
            move |address: u64| {
                entries
                    .get((address.checked_sub(0xff80)? / 4) as usize)
                    .copied()
            }
        };
        let bytes = |listing: &str, entries| depth_with(listing, table(entries)).unwrap().0;
        // Places in `start`.
        assert_eq!(bytes(JUMP, &[0x12, 0x14]), 16);
        // Functions.
        assert_eq!(bytes(JUMP, &[0x80, 0x80]), 16 + 32);
        assert_eq!(bytes(JUMP, &[0, 0x80, 0x200, 0x12]), 16 + 1024);
        // Neither; no constant; and a pointer that was passed.
        assert_eq!(bytes(JUMP, &[0x7777]), 16 + 1024);
        assert_eq!(bytes(JUMP, &[]), 16 + 1024);
        assert_eq!(
            bytes(&JUMP.replace("0x0(a0)", "0x0(s0)"), &[0x12]),
            16 + 1024
        );
        let listing = JUMP.replace("lw\ta0, 0x0(a0)", "mv\ta0, s0");
        assert_eq!(bytes(&listing, &[0x12]), 16 + 1024);
        // A known call beside it changes nothing.
        let listing = JUMP.replace("lw\ta2, 0x4(s1)", "jalr\t0x70(ra) <small>");
        let listing = listing.replace("0x0(a0)", "0x0(s0)");
        assert_eq!(bytes(&listing, &[0x12]), 16 + 1024);
    }

    #[test]
    fn a_piece_that_the_compiler_took_out_returns() {
        let listing = JUMP
            .replace("start", "OUTLINED_FUNCTION_0")
            .replace("jr\ta0", "jr\tt0");
        let error = depth(&listing).unwrap_err().to_string();
        assert!(
            error.ends_with("a frame that is left to the caller` takes"),
            "{error}"
        );
        let listing = listing.replace("addi\tsp, sp, -0x10", "nop");
        assert_eq!(depth(&listing).unwrap().0, 0);
    }

    #[test]
    fn a_frame_that_cannot_be_told_is_an_error() {
        let listing = CALLS.replace("sub.w\tsp, sp, #0x100", "add\tsp, r4");
        let error = depth(&listing).unwrap_err().to_string();
        assert_eq!(error, "large: cannot tell what `add sp, r4` takes");
    }
}
