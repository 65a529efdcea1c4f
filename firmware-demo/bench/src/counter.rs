//! Counting executed instructions.
//!
//! Under `-icount shift=0` an instruction takes a nanosecond of QEMU's time, so the timer of the
//! core counts instructions, in ticks of its clock.

/// A running counter.
pub struct Counter {
    /// Ticks that an empty measurement takes, times [`Counter::TRIALS`].
    overhead: u64,
}

impl Counter {
    const TRIALS: u32 = 1024;

    /// Starts the counter and measures how long it takes to read.
    pub fn start() -> Self {
        start();
        let mut overhead = 0;
        for trial in 0..Self::TRIALS {
            // So that the trials begin anywhere in a tick.
            for i in 0..trial % 64 {
                core::hint::black_box(i);
            }
            overhead += u64::from(ticks(|| {}).1);
        }
        Counter { overhead }
    }

    /// Runs `work` and gives its result and the ticks it took, less than one too many or too few.
    #[inline(always)]
    pub fn ticks<T>(&self, work: impl FnOnce() -> T) -> (T, u32) {
        ticks(work)
    }

    /// Instructions in `ticks`, which were summed over so many measurements.
    pub fn instructions(&self, ticks: u64, measurements: u32) -> u64 {
        let overhead = self.overhead * u64::from(measurements) / u64::from(Self::TRIALS);
        ticks.saturating_sub(overhead) * TICK.0 / TICK.1
    }
}

#[inline(always)]
fn ticks<T>(work: impl FnOnce() -> T) -> (T, u32) {
    let before = now();
    // Keeps the work between the two readings.
    let result = core::hint::black_box(work());
    (result, since(before))
}

/// Instructions a tick, as a fraction: 25 MHz.
#[cfg(feature = "mps2")]
const TICK: (u64, u64) = (40, 1);
/// Instructions a tick, as a fraction: 16 MHz.
#[cfg(feature = "microbit")]
const TICK: (u64, u64) = (125, 2);
/// Instructions a tick, as a fraction: `minstret` is exact.
#[cfg(feature = "virt")]
const TICK: (u64, u64) = (1, 1);

#[cfg(target_arch = "arm")]
use systick::{now, since, start};

#[cfg(target_arch = "arm")]
mod systick {
    use cortex_m::{Peripherals, peripheral::SYST, peripheral::syst::SystClkSource};

    /// SysTick has 24 bits.
    const RELOAD: u32 = 0x00ff_ffff;

    pub(super) fn start() {
        if let Some(mut core) = Peripherals::take() {
            core.SYST.set_clock_source(SystClkSource::Core);
            core.SYST.set_reload(RELOAD);
            core.SYST.clear_current();
            core.SYST.enable_counter();
        }
    }

    #[inline(always)]
    pub(super) fn now() -> u32 {
        SYST::get_current()
    }

    /// SysTick counts down.
    #[inline(always)]
    pub(super) fn since(before: u32) -> u32 {
        before.wrapping_sub(SYST::get_current()) & RELOAD
    }
}

#[cfg(target_arch = "riscv32")]
use minstret::{now, since, start};

#[cfg(target_arch = "riscv32")]
mod minstret {
    use riscv::register::minstret;

    pub(super) fn start() {}

    #[inline(always)]
    pub(super) fn now() -> u32 {
        minstret::read() as u32
    }

    #[inline(always)]
    pub(super) fn since(before: u32) -> u32 {
        now().wrapping_sub(before)
    }
}
