use core::sync::atomic::{AtomicBool, Ordering};

use crate::{
    ring::{ROOM, Ring},
    uart::Uart,
};

/// Asks the other side to wait, and to go on.
pub(crate) const XOFF: u8 = 0x13;
pub(crate) const XON: u8 = 0x11;

/// With so many bytes in the ring the other side is to wait. As many more may be on their way.
const MUCH: usize = ROOM / 2;
/// With so few it is to go on.
const LITTLE: usize = ROOM / 4;

/// Software flow control of what is received: a text that is pasted comes faster than a model reads.
///
/// The interrupt asks, since the program may be at a character of the model for longer than the ring has room; but never
/// in between the program's own bytes, which may be half-way in the registers of the UART.
pub(crate) struct Flow {
    /// The program is sending.
    is_sending: AtomicBool,
    /// The other side has been asked to wait.
    is_held: AtomicBool,
}

impl Flow {
    pub(crate) const fn new() -> Self {
        Flow {
            is_sending: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
        }
    }

    /// Asks to wait if the ring has become full enough. For the interrupt alone.
    pub(crate) fn received(&self, uart: impl Uart, ring: &Ring) {
        // Else the program asks, as soon as it has sent its byte.
        if !self.is_sending.load(Ordering::SeqCst) {
            self.hold(uart, ring);
        }
    }

    /// Sends a byte. For the program alone, as what follows.
    pub(crate) fn send(&self, uart: impl Uart, ring: &Ring, byte: u8) {
        self.is_sending.store(true, Ordering::SeqCst);
        uart.send(byte);
        self.hold(uart, ring);
        self.is_sending.store(false, Ordering::SeqCst);
    }

    /// Asks to go on if the ring has become empty enough.
    pub(crate) fn taken(&self, uart: impl Uart, ring: &Ring) {
        if self.is_held.load(Ordering::SeqCst) && ring.len() <= LITTLE {
            self.is_sending.store(true, Ordering::SeqCst);
            self.is_held.store(false, Ordering::SeqCst);
            uart.send(XON);
            self.is_sending.store(false, Ordering::SeqCst);
        }
    }

    fn hold(&self, uart: impl Uart, ring: &Ring) {
        if !self.is_held.load(Ordering::SeqCst) && ring.len() >= MUCH {
            self.is_held.store(true, Ordering::SeqCst);
            uart.send(XOFF);
        }
    }
}
