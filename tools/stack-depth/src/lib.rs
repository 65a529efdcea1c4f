//! How deep the stack of a firmware can get, estimated from the machine code of its ELF file.
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
//!
//! What a register holds is followed along all ways through a function; where two ways meet, only
//! what both agree on counts.
//!
//! The result is an estimate, not a proof: the rules know the tables of `core::fmt` by the places of
//! their methods, which a later compiler may order in another way, and a word in memory that was
//! stored and is loaded again is not followed.

mod flow;
mod function;
#[cfg(test)]
mod tests;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

use flow::{Line, follow};
use function::{Function, between};
use walk::Walk;

/// The standard output of a command that must succeed.
fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where the compiler keeps its llvm-tools.
fn llvm_objdump() -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    let sysroot = output(rustc.args(["--print", "sysroot"]))?;
    let rustlib = Path::new(&sysroot).join("lib/rustlib");
    let folders = rustlib.read_dir()?.flatten().map(|entry| entry.path());
    let mut programs = folders.map(|folder| folder.join("bin/llvm-objdump"));
    let program = programs.find(|program| program.exists());
    program.context("found no llvm-objdump; `rustup component add llvm-tools` installs it")
}

/// The depth of a stack, and the calls that lead there.
#[derive(Debug)]
pub struct Depth {
    /// In bytes.
    pub bytes: u64,
    /// The functions on the stack then, each with its bytes; the interrupt last.
    pub path: Vec<String>,
}

/// Estimates the depth of the stack of the firmware in this ELF file.
///
/// # Errors
///
/// The first thing that the rules do not cover.
pub fn depth(elf: &Path) -> Result<Depth> {
    let (program, is_arm) = read(elf)?;
    program.depth(is_arm)
}

/// Estimates how deep each of these functions, and all that it calls, takes the stack, in the program of
/// this ELF file.
///
/// # Errors
///
/// As [`depth`], and a function that is not there.
pub fn depths(elf: &Path, functions: &[&str]) -> Result<Vec<Depth>> {
    let (program, _) = read(elf)?;
    let mut walk = Walk::of(&program);
    let depth = |name: &&str| {
        let (bytes, path) = walk.depth(program.named(name)?)?;
        Ok(Depth { bytes, path })
    };
    functions.iter().map(depth).collect()
}

/// Reads a program, and tells whether it is Arm's.
fn read(elf: &Path) -> Result<(Program, bool)> {
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
    let is_filling = |function: u64, address: u64| {
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
    Ok((program, is_arm))
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
    /// In a table of methods, after the words for drop, size and alignment.
    WriteStr,
    WriteChar,
    WriteFmt,
    /// In an argument, after the pointer to the value.
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

impl Program {
    fn read(
        listing: &str,
        word: impl Fn(u64) -> Option<i32>,
        is_filling: impl Fn(u64, u64) -> bool,
    ) -> Result<Self> {
        let mut program = Program::default();
        let mut code: BTreeMap<u64, Vec<Line<'_>>> = BTreeMap::new();
        let mut current = None;
        for text in listing.lines() {
            if let Some((start, name)) = heading(text) {
                current = Some(start);
                code.entry(start).or_default();
                name.clone_into(&mut program.functions.entry(start).or_default().name);
            } else if let (Some(start), Some(line)) = (current, Line::read(text))
                && !is_filling(start, line.address)
            {
                code.entry(start).or_default().push(line);
            }
        }
        let starts: BTreeSet<u64> = code.keys().copied().collect();
        let function_of = |address: u64| starts.range(..=address).next_back().copied();
        for (start, lines) in &code {
            let name = &program.functions[start].name;
            let (function, numbers) = follow(*start, name, lines, &function_of, &word);
            program.functions.insert(*start, function);
            program.numbers.extend(numbers);
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

    fn depth(&self, is_arm: bool) -> Result<Depth> {
        let mut walk = Walk::of(self);
        let mut depth = |name: &str| walk.depth(self.named(name)?);
        let (mut bytes, mut path);
        if is_arm {
            (bytes, path) = depth("Reset")?;
            let mut handlers = vec![depth("DefaultHandler")?, depth("SysTick")?];
            // A firmware may receive by it.
            handlers.extend(depth("uart_interrupt"));
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
        Ok(Depth { bytes, path })
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
