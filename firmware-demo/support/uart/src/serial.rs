use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write};

use crate::{ring::Ring, uart::Uart};

/// Bytes that the interrupt has received and the program has not read yet.
pub(crate) static RECEIVED: Ring = Ring::new();

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

#[cfg(test)]
mod tests {
    use core::cell::RefCell;

    use super::*;
    use crate::uart::Fault;

    /// A UART whose interrupt finds this, and which has sent that.
    struct Line {
        arrives: RefCell<Vec<Result<u8, Fault>>>,
        sent: RefCell<Vec<u8>>,
    }

    impl Uart for &Line {
        fn receive(self, take: impl FnMut(Result<u8, Fault>)) {
            self.arrives.borrow_mut().drain(..).for_each(take);
        }

        fn send(self, byte: u8) {
            self.sent.borrow_mut().push(byte);
        }

        fn flush(self) {}
    }

    /// One test, because a firmware has one ring.
    #[test]
    fn bytes_and_faults_of_the_interrupt_reach_the_port() {
        let line = Line {
            arrives: RefCell::new(vec![Ok(b'h'), Err(Fault::Overrun), Ok(b'i')]),
            sent: RefCell::new(Vec::new()),
        };
        let mut port = Serial(&line);
        assert_eq!(port.read_ready(), Ok(false));
        keep_received(&line);
        assert_eq!(port.read_ready(), Ok(true));
        let mut bytes = [0; 8];
        assert_eq!(port.read(&mut bytes), Ok(2));
        assert_eq!(&bytes[..2], b"hi");
        assert_eq!(RECEIVED.lost(), 1);

        // A long burst while the program computes: as many as there is room for, in order.
        line.arrives
            .replace((0..5000u32).map(|i| Ok(i as u8)).collect());
        keep_received(&line);
        let mut burst = vec![0; 5000];
        let read = port.read(&mut burst).unwrap();
        assert!((0..read).all(|i| burst[i] == i as u8));
        assert_eq!(read + RECEIVED.lost() as usize, 5000 + 1);
        assert!(read >= 1024);

        line.arrives.replace(vec![Err(Fault::Framing)]);
        keep_received(&line);
        assert_eq!(RECEIVED.framing_errors(), 1);
        assert_eq!(port.read_ready(), Ok(false));

        assert_eq!(port.write(b"to be"), Ok(5));
        assert_eq!(*line.sent.borrow(), b"to be");
    }
}
