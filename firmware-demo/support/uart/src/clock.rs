/// A counter that goes on by itself.
pub trait Clock {
    /// What a tick is, in the plural, for people.
    const UNIT: &'static str;

    /// Ticks so far; starts again at 0 after `u32::MAX`.
    fn ticks(&self) -> u32;

    /// Ticks a second; at least 1.
    fn hertz(&self) -> u32;

    /// Passes a little time: a millisecond at most, less if a byte arrives.
    fn idle(&self) {}
}

/// The number in the text that a board's build script hands over: `hertz(env!("BOARD_CLOCK"))`.
///
/// # Panics
///
/// In the compiler, if it is no number.
pub const fn hertz(text: &str) -> u32 {
    match u32::from_str_radix(text, 10) {
        Ok(hertz) => hertz,
        Err(_) => panic!("expected hertz"),
    }
}
