use core::convert::Infallible;

use embedded_io::{ErrorType, Write};

/// A UART that sends: all that the firmware needs of a board besides memory.
pub trait Uart {
    /// Sends a byte, and waits before if the UART is not ready for it.
    fn send(&mut self, byte: u8);

    /// Waits until the UART has taken all bytes.
    fn flush(&mut self);
}

/// The serial port that the firmware writes to.
pub(crate) struct Serial<U>(pub(crate) U);

impl<U> ErrorType for Serial<U> {
    type Error = Infallible;
}

impl<U: Uart> Write for Serial<U> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            self.0.send(byte);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        self.0.flush();
        Ok(())
    }
}
