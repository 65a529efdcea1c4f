use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::{Peripherals, asm::wfi, peripheral::SYST, peripheral::syst::SystClkSource};
use cortex_m_rt::exception;

use crate::clock::Clock;

/// How often the timer has come to its end. It wraps.
static PERIODS: AtomicU32 = AtomicU32::new(0);

/// The timer of the core, which counts its cycles and wakes it every millisecond.
///
/// For chips whose timer goes on while the core sleeps: not for Nordic's, which have
/// [`NrfTimer`](crate::NrfTimer).
pub struct SysTick {
    hertz: u32,
    /// Cycles of a millisecond.
    period: u32,
}

impl SysTick {
    /// Starts the timer of a core of this clock, in hertz. To be called once.
    pub fn start(hertz: u32) -> Self {
        // The timer has 24 bits.
        let period = (hertz / 1000).clamp(1, 1 << 24);
        if let Some(mut core) = Peripherals::take() {
            core.SYST.set_clock_source(SystClkSource::Core);
            core.SYST.set_reload(period - 1);
            core.SYST.clear_current();
            core.SYST.enable_interrupt();
            core.SYST.enable_counter();
        }
        SysTick {
            hertz: hertz.max(1),
            period,
        }
    }
}

impl Clock for SysTick {
    const UNIT: &'static str = "cycles (SysTick)";

    fn ticks(&self) -> u32 {
        loop {
            let periods = PERIODS.load(Ordering::Relaxed);
            // It counts down.
            let passed = (self.period - 1).wrapping_sub(SYST::get_current());
            // Unless a period ended between the two readings.
            if PERIODS.load(Ordering::Relaxed) == periods {
                return periods.wrapping_mul(self.period).wrapping_add(passed);
            }
        }
    }

    fn hertz(&self) -> u32 {
        self.hertz
    }

    fn idle(&self) {
        wfi();
    }
}

#[exception]
fn SysTick() {
    let periods = PERIODS.load(Ordering::Relaxed);
    PERIODS.store(periods.wrapping_add(1), Ordering::Relaxed);
}
