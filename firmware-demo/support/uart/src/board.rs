use firmware_app::Memory;

use crate::{clock::Clock, serial::RECEIVED};

/// What the console asks of a board.
pub(crate) struct Board<C> {
    pub(crate) label: &'static str,
    pub(crate) clock: C,
}

impl<C: Clock> firmware_app::Board for Board<C> {
    fn name(&self) -> &'static str {
        self.label
    }

    fn ticks(&mut self) -> u32 {
        self.clock.ticks()
    }

    fn ticks_per_second(&self) -> u32 {
        self.clock.hertz()
    }

    fn tick_unit(&self) -> &'static str {
        C::UNIT
    }

    fn memory(&mut self) -> Memory {
        support_memory::measure()
    }

    fn lost_bytes(&mut self) -> u32 {
        RECEIVED.lost()
    }

    fn port_errors(&mut self) -> u32 {
        RECEIVED.framing_errors()
    }

    fn idle(&mut self) {
        self.clock.idle();
    }
}
