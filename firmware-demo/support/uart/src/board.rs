use firmware_app::Memory;

use crate::{clock::Clock, serial::RECEIVED};

/// What the console asks of a board.
pub(crate) struct Board<C>(pub(crate) C);

impl<C: Clock> firmware_app::Board for Board<C> {
    fn ticks(&mut self) -> u32 {
        self.0.ticks()
    }

    fn ticks_per_second(&self) -> u32 {
        self.0.hertz()
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
        self.0.idle();
    }
}
