use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write};

use crate::ring::Ring;

/// Bytes that the interrupt has received and the program has not read yet.
pub(crate) static RECEIVED: Ring = Ring::new();

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

/// Keeps what a UART has received until the program reads it.
pub fn keep_received(uart: impl Uart) {
    uart.receive(|received| RECEIVED.push(received));
}

/// The serial port of the firmware.
pub(crate) struct Serial<U>(pub(crate) U);

impl<U> ErrorType for Serial<U> {
    type Error = Infallible;
}

impl<U> ReadReady for Serial<U> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!RECEIVED.is_empty())
    }
}

impl<U> Read for Serial<U> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        while let Some(place) = bytes.get_mut(count) {
            match RECEIVED.pop() {
                Some(byte) => *place = byte,
                // Only the first byte is waited for.
                None if count > 0 => break,
                None => continue,
            }
            count += 1;
        }
        Ok(count)
    }
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
