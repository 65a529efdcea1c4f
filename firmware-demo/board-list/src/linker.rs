use crate::{board::Board, units::Region};

impl Board {
    /// The memory map in the language of linkers: a `memory.x` for the start-up code of cortex-m-rt or
    /// riscv-rt.
    pub fn memory_x(&self) -> String {
        let memory = &self.memory;
        let boot2 = memory.boot2.map_or(0, |boot2| boot2.0);
        let line = |name: &str, access: &str, start: u32, size: u32| {
            format!("    {name} ({access}) : ORIGIN = {start:#010x}, LENGTH = {size:#x}\n")
        };
        let region = |name, access, region: Region| line(name, access, region.start, region.size.0);
        let mut text = "MEMORY\n{\n".to_owned();
        if boot2 > 0 {
            text += &line("BOOT2", "rx", memory.code.start, boot2);
        }
        let code = (memory.code.start + boot2, memory.code.size.0 - boot2);
        text += &line("FLASH", "rx", code.0, code.1);
        text += &region("MODEL", "r", memory.model);
        text += &region("RAM", "rwx", memory.ram);
        text + "}\n"
    }

    /// The addresses between which the program finds the model, as symbols of the linker.
    pub fn model_symbols(&self) -> String {
        let model = self.memory.model;
        let start = self.memory.model_mapped_at.unwrap_or(model.start);
        let end = u64::from(start) + u64::from(model.size.0);
        format!("__model_start = {start:#x};\n__model_end = {end:#x};\n")
    }
}

#[cfg(test)]
mod tests {
    use crate::read;

    #[test]
    fn the_regions_of_a_board_with_a_second_stage() {
        let pico = include_str!("../../boards/pico/board.toml");
        let pico = &read("pico", pico).unwrap()[0];
        let expected = "\
MEMORY
{
    BOOT2 (rx) : ORIGIN = 0x10000000, LENGTH = 0x100
    FLASH (rx) : ORIGIN = 0x10000100, LENGTH = 0x7ff00
    MODEL (r) : ORIGIN = 0x10080000, LENGTH = 0x180000
    RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 0x42000
}
";
        assert_eq!(pico.memory_x(), expected);
        let symbols = "__model_start = 0x10080000;\n__model_end = 0x10200000;\n";
        assert_eq!(pico.model_symbols(), symbols);
    }

    #[test]
    fn a_model_that_is_mapped_elsewhere_has_the_address_that_the_program_reads() {
        let board = include_str!("../../boards/esp32c3/board.toml");
        let symbols = read("esp32c3", board).unwrap()[0].model_symbols();
        assert_eq!(
            symbols,
            "__model_start = 0x3c400000;\n__model_end = 0x3c600000;\n"
        );
    }
}
