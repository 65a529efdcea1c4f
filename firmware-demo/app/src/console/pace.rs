//! When a character is due.

use core::mem;

/// How fast text is to come.
#[derive(Default)]
pub(super) struct Pace {
    pub(super) is_paused: bool,
    /// Characters a second; 0 as fast as it can.
    pub(super) speed: u32,
    /// When the last character was due, in ticks.
    last_due: u32,
}

impl Pace {
    /// Whether a character is due now, by a clock with so many ticks a second.
    pub(super) fn is_due(&mut self, now: u32, second: u32) -> bool {
        // None is as fast as it can.
        let Some(interval) = second.checked_div(self.speed) else {
            return true;
        };
        let late = now.wrapping_sub(self.last_due);
        if late < interval {
            return false;
        }
        // What cannot be caught up with a character is let go.
        let on_time = late < interval.saturating_mul(2);
        self.last_due = match on_time {
            true => self.last_due.wrapping_add(interval),
            false => now,
        };
        true
    }
}

/// For how long no byte has come.
#[derive(Default)]
pub(super) struct Quiet {
    ticks: u64,
    /// When that was.
    then: u32,
    /// A byte has come since.
    is_over: bool,
}

impl Quiet {
    /// A byte has come.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Ticks until now.
    pub(super) fn until(&mut self, now: u32) -> u64 {
        match mem::take(&mut self.is_over) {
            true => self.ticks = 0,
            false => self.ticks += u64::from(now.wrapping_sub(self.then)),
        }
        self.then = now;
        self.ticks
    }
}
