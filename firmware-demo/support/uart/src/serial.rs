use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write};

use crate::{flow::Flow, ring::Ring, uart::Uart};

/// Bytes that the interrupt has received and the program has not read yet.
pub(crate) static RECEIVED: Ring = Ring::new();

/// Whether the other side is to wait.
static FLOW: Flow = Flow::new();

/// Keeps what a UART has received until the program reads it.
pub fn keep_received(uart: impl Uart) {
    uart.receive(|received| RECEIVED.push(received));
    FLOW.received(uart, &RECEIVED);
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

impl<U: Uart> Read for Serial<U> {
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
        FLOW.taken(self.0, &RECEIVED);
        Ok(count)
    }
}

impl<U: Uart> Write for Serial<U> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            FLOW.send(self.0, &RECEIVED, byte);
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
    use core::cell::{Cell, RefCell};

    use super::*;
    use crate::{
        flow::{XOFF, XON},
        uart::Fault,
    };

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
        // It was asked to wait, once, and to go on.
        assert_eq!(line.sent.take(), [XOFF, XON]);

        line.arrives.replace(vec![Err(Fault::Framing)]);
        keep_received(&line);
        assert_eq!(RECEIVED.framing_errors(), 1);
        assert_eq!(port.read_ready(), Ok(false));

        assert_eq!(port.write(b"to be"), Ok(5));
        assert_eq!(line.sent.take(), b"to be");

        // A sender that waits when it is asked to loses nothing, however long its text is; it takes a while to
        // hear that it should.
        let lost = RECEIVED.lost();
        let (mut held, mut sent, mut read) = (false, 0u32, Vec::new());
        while read.len() < 10_000 {
            if !held && sent < 10_000 {
                line.arrives
                    .replace((sent..sent + 100).map(|i| Ok(i as u8)).collect());
                keep_received(&line);
                sent += 100;
            } else {
                let mut some = [0; 30];
                let count = port.read(&mut some).unwrap();
                read.extend_from_slice(&some[..count]);
                // The program writes meanwhile.
                assert_eq!(port.write(b"."), Ok(1));
            }
            for byte in line.sent.take() {
                match byte {
                    XOFF => held = true,
                    XON => held = false,
                    _ => assert_eq!(byte, b'.'),
                }
            }
        }
        assert!((0..10_000).all(|i| read[i] == i as u8));
        assert_eq!(RECEIVED.lost(), lost);
    }

    /// A UART on which the interrupt comes while the program sends.
    struct Busy<'a> {
        flow: &'a Flow,
        ring: &'a Ring,
        sent: RefCell<Vec<u8>>,
        is_within: Cell<bool>,
    }

    impl Uart for &Busy<'_> {
        fn receive(self, _: impl FnMut(Result<u8, Fault>)) {}

        fn send(self, byte: u8) {
            assert!(!self.is_within.replace(true), "a byte within a byte");
            if byte == b'a' {
                (0..600).for_each(|_| self.ring.push(Ok(1)));
                self.flow.received(self, self.ring);
            }
            self.sent.borrow_mut().push(byte);
            self.is_within.set(false);
        }

        fn flush(self) {}
    }

    #[test]
    fn an_interrupt_sends_nothing_within_a_byte_of_the_program() {
        let (flow, ring) = (Flow::new(), Ring::new());
        let busy = Busy {
            flow: &flow,
            ring: &ring,
            sent: RefCell::default(),
            is_within: Cell::default(),
        };
        flow.send(&busy, &ring, b'a');
        flow.send(&busy, &ring, b'b');
        flow.taken(&busy, &ring);
        assert_eq!(busy.sent.take(), [b'a', XOFF, b'b']);
        while ring.pop().is_some() {}
        flow.taken(&busy, &ring);
        flow.taken(&busy, &ring);
        assert_eq!(busy.sent.take(), [XON]);
        // And asked to wait by the interrupt itself.
        (0..600).for_each(|_| ring.push(Ok(1)));
        flow.received(&busy, &ring);
        flow.received(&busy, &ring);
        assert_eq!(busy.sent.take(), [XOFF]);
    }
}
