/// What the console asks of a board besides a serial port.
pub trait Board {
    /// Its name and the clock of its core, for people: `"microbit, 16 MHz"`.
    fn name(&self) -> &'static str;

    /// A counter that runs on while the program does, and starts again at 0 after `u32::MAX`.
    fn ticks(&mut self) -> u32;

    /// How many of these ticks a second has; at least 1.
    fn ticks_per_second(&self) -> u32;

    /// What a tick is, in the plural, for people: `"cycles (SysTick)"`.
    fn tick_unit(&self) -> &'static str;

    /// The memory that the firmware takes on this board.
    fn memory(&mut self) -> Memory;

    /// Bytes that arrived while the board had no room for them, since it started.
    fn lost_bytes(&mut self) -> u32;

    /// Errors of the port since the start, such as a wrong stop bit, that reading from it does not
    /// return.
    fn port_errors(&mut self) -> u32 {
        0
    }

    /// Called while there is nothing to do: the console is paused, a line is being typed, or the
    /// next character is not due yet. A board may sleep until an interrupt; it must come back when
    /// a byte arrives, and often enough for [`Board::ticks`] to be read before it has gone once
    /// round.
    fn idle(&mut self) {}
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Flash of the firmware: code, constants, initial values of variables. Without the model.
    pub code: u32,
    /// RAM of variables, the workspace among them.
    pub variables: u32,
    /// RAM that is left for the stack.
    pub stack: u32,
    /// The most of it that the program has used so far, if the board can tell.
    pub stack_high_water: Option<u32>,
}
