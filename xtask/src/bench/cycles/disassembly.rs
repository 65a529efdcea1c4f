//! A line of QEMU's disassembly.

/// An instruction as QEMU logs it, such as `0x00000404:  f8d0 100c  ldr.w    r1, [r0, #0xc]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Instruction<'a> {
    pub(super) address: u64,
    pub(super) bytes: u64,
    /// Without what says how wide the instruction is.
    pub(super) name: &'a str,
    pub(super) operands: &'a str,
}

impl<'a> Instruction<'a> {
    /// `None` for a line that is no instruction.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let (address, rest) = line.strip_prefix("0x")?.split_once(':')?;
        let address = u64::from_str_radix(address, 16).ok()?;
        let (mut bytes, mut rest) = (0, rest.trim_start());
        // Thumb is logged in half words.
        while let Some((word, after)) = rest.split_at_checked(4)
            && word.bytes().all(|b| b.is_ascii_hexdigit())
            && after.starts_with(' ')
        {
            bytes += 2;
            rest = after.trim_start();
        }
        let (name, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let name = name.strip_suffix(".w").unwrap_or(name);
        Some(Instruction {
            address,
            bytes,
            name: name.strip_suffix(".n").unwrap_or(name),
            operands: operands.trim(),
        })
    }

    /// The address after it.
    pub(super) fn end(&self) -> u64 {
        self.address + self.bytes
    }

    /// How many registers stand in braces.
    pub(super) fn listed(&self) -> u64 {
        self.braces()
            .map_or(0, |list| list.split(',').count() as u64)
    }

    fn braces(&self) -> Option<&'a str> {
        Some(self.operands.split_once('{')?.1.split_once('}')?.0)
    }

    /// Whether a register stands in a part of the operands, as a whole word.
    fn has(part: &str, register: &str) -> bool {
        let mut words = part.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| word == register)
    }

    /// The first operand, which most instructions write.
    pub(super) fn destination(&self) -> &'a str {
        let end = self
            .operands
            .find([',', ' '])
            .unwrap_or(self.operands.len());
        self.operands[..end].trim_end_matches('!')
    }

    /// Whether it loads `pc`, so that execution goes on elsewhere.
    pub(super) fn loads_pc(&self) -> bool {
        match self.braces() {
            Some(list) => Self::has(list, "pc"),
            None => self.destination() == "pc",
        }
    }

    /// Whether the address of a load or store comes from this register.
    pub(super) fn addresses_by(&self, register: &str) -> bool {
        match self.operands.split_once('[') {
            Some((_, address)) => Self::has(
                address.split_once(']').map_or(address, |(a, _)| a),
                register,
            ),
            // Loads and stores of several words name the base first; push and pop take sp.
            None if matches!(self.name, "push" | "pop") => register == "sp",
            None => self.braces().is_some() && self.destination() == register,
        }
    }

    /// Whether a load or store has an offset in a register.
    pub(super) fn has_register_offset(&self) -> bool {
        let address = self
            .operands
            .split_once('[')
            .map_or("", |(_, address)| address);
        let address = address
            .split_once(']')
            .map_or(address, |(address, _)| address);
        let mut parts = address.split(',').skip(1).map(str::trim);
        parts.next().is_some_and(|offset| !offset.starts_with('#'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_qemu_writes_them() {
        let line = "0x00000404:  f8d0 100c  ldr.w    r1, [r0, #0xc]";
        let load = Instruction::parse(line).unwrap();
        assert_eq!((load.address, load.end(), load.name), (0x404, 0x408, "ldr"));
        assert_eq!(load.destination(), "r1");
        assert!(load.addresses_by("r0") && !load.addresses_by("r1"));
        assert!(!load.has_register_offset());

        let pop = Instruction::parse("0x00002032:  bd80       pop      {r7, pc}").unwrap();
        assert_eq!((pop.end(), pop.listed()), (0x2034, 2));
        assert!(pop.loads_pc() && pop.addresses_by("sp"));

        let add = Instruction::parse("0x00000010:  1889       adds     r1, r1, r2").unwrap();
        assert_eq!((add.name, add.destination()), ("adds", "r1"));

        let indexed = "0x00000010:  f811 3012  ldrb.w   r3, [r1, r2, lsl #1]";
        assert!(Instruction::parse(indexed).unwrap().has_register_offset());

        assert_eq!(Instruction::parse("IN: Reset"), None);
        assert_eq!(Instruction::parse("----------------"), None);
    }
}
