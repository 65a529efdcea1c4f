/// What a UART notices instead of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A byte arrived before the one before it was taken, and is lost.
    Overrun,
    /// A stop bit was missing: the line was disturbed, or has another baud rate.
    Framing,
}

/// A UART. Its interrupt receives; sending waits.
pub trait Uart: Copy {
    /// Called by the interrupt: takes every byte that has arrived and the faults that the UART
    /// tells, and quits the interrupt.
    fn receive(self, take: impl FnMut(Result<u8, Fault>));

    /// Sends a byte, and waits before if the UART is not ready for it.
    fn send(self, byte: u8);

    /// Waits until the UART has taken all bytes.
    fn flush(self);
}
