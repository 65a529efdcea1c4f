//! The memory that a firmware takes, read from its ELF file.

use std::{collections::BTreeMap, fs, path::Path};

use object::{Object, ObjectSection, ObjectSymbol, Section, SectionKind};

/// What the ELF file of a firmware says, in bytes.
#[derive(Debug)]
pub struct Sizes {
    /// In flash: code, constants, and initial values of variables.
    pub flash: u64,
    /// Variables with an initial value, which are copied from flash.
    pub data: u64,
    /// Variables that start as zeros.
    pub bss: u64,
    /// RAM that is left for the stack.
    pub stack_room: u64,
    /// Addresses and sizes by name.
    symbols: BTreeMap<String, (u64, u64)>,
}

/// The sections of the firmware's memory, without those for a debugger.
pub fn sections<'a>(elf: &'a object::File<'a>) -> impl Iterator<Item = Section<'a, 'a>> {
    elf.sections().filter(|section| {
        let kind = section.kind();
        section.size() > 0 && (is_constant(kind) || is_variable(kind))
    })
}

fn is_constant(kind: SectionKind) -> bool {
    use SectionKind::{ReadOnlyData, ReadOnlyString, Text};
    matches!(kind, Text | ReadOnlyData | ReadOnlyString)
}

fn is_variable(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::Data | SectionKind::UninitializedData)
}

impl Sizes {
    /// Reads an ELF file.
    pub fn of(path: &Path) -> Self {
        let bytes = fs::read(path).expect("the ELF file is read");
        let elf = object::File::parse(&*bytes).expect("an ELF file");
        let sum = |is_counted: fn(SectionKind) -> bool| {
            // riscv-rt makes a section of what is left for the stack.
            let sections = sections(&elf).filter(|s| s.name() != Ok(".stack"));
            let counted = sections.filter(|s| is_counted(s.kind()));
            counted.map(|s| s.size()).sum()
        };
        let symbols = elf.symbols().map(|symbol| {
            let name = symbol.name().expect("a symbol has a name");
            (name.to_owned(), (symbol.address(), symbol.size()))
        });
        let symbols: BTreeMap<_, _> = symbols.collect();
        let address = |name: &str| symbols.get(name).map(|&(address, _)| address);
        // Start-up code of other makers has other names.
        let stack = address("_stack_start").zip(address("__ebss"));
        Sizes {
            flash: sum(|kind| is_constant(kind) || kind == SectionKind::Data),
            data: sum(|kind| kind == SectionKind::Data),
            bss: sum(|kind| kind == SectionKind::UninitializedData),
            stack_room: stack.map_or(0, |(start, end)| start.saturating_sub(end)),
            symbols,
        }
    }

    /// The names of all symbols.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.symbols.keys().map(|name| &**name)
    }

    /// The address and the size of the first symbol with this in its name.
    ///
    /// # Panics
    ///
    /// There is none.
    pub fn symbol(&self, part: &str) -> (u64, u64) {
        let mut symbols = self.symbols.iter();
        let found = symbols.find(|(name, _)| name.contains(part));
        *found.unwrap_or_else(|| panic!("no symbol {part}")).1
    }

    /// Bytes of the workspace.
    pub fn workspace(&self) -> u64 {
        self.symbol("WORKSPACE").1
    }
}
