//! What the page is to the console: a board.

use firmware_app::{Board, Memory};

#[link(wasm_import_module = "page")]
#[allow(
    unsafe_code,
    reason = "the clock of the page has no arguments to get wrong"
)]
unsafe extern "C" {
    /// Microseconds since some moment, wrapping.
    safe fn ticks() -> u32;
}

/// The browser.
pub(crate) struct Browser {
    pub(crate) memory: Memory,
}

impl Board for Browser {
    fn name(&self) -> &'static str {
        "a browser"
    }

    fn ticks(&mut self) -> u32 {
        ticks()
    }

    fn ticks_per_second(&self) -> u32 {
        1_000_000
    }

    fn tick_unit(&self) -> &'static str {
        "microseconds (the browser's clock)"
    }

    fn memory(&mut self) -> Memory {
        self.memory
    }

    fn lost_bytes(&mut self) -> u32 {
        0
    }
}
