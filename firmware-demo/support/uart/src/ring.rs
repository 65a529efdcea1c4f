use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

use crate::Fault;

/// Bytes of the ring: what a line of 115,200 baud brings in 88 ms.
const ROOM: usize = 1024;

/// Received bytes on their way from the interrupt to the program.
///
/// One writes and one reads, so plain loads and stores do; a Cortex-M0 has no compare-and-swap.
pub(crate) struct Ring {
    bytes: [AtomicU8; ROOM],
    /// Bytes written so far, and read so far. Both wrap.
    written: AtomicUsize,
    read: AtomicUsize,
    lost: AtomicU32,
    framing_errors: AtomicU32,
}

impl Ring {
    pub(crate) const fn new() -> Self {
        Ring {
            bytes: [const { AtomicU8::new(0) }; ROOM],
            written: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            lost: AtomicU32::new(0),
            framing_errors: AtomicU32::new(0),
        }
    }

    /// Adds a byte, or counts what went wrong with it. For the interrupt alone.
    pub(crate) fn push(&self, received: Result<u8, Fault>) {
        let written = self.written.load(Ordering::Relaxed);
        let has_room = written.wrapping_sub(self.read.load(Ordering::Acquire)) < ROOM;
        let count = match received {
            Ok(byte) if has_room => {
                self.bytes[written % ROOM].store(byte, Ordering::Relaxed);
                self.written
                    .store(written.wrapping_add(1), Ordering::Release);
                return;
            }
            Ok(_) | Err(Fault::Overrun) => &self.lost,
            Err(Fault::Framing) => &self.framing_errors,
        };
        count.store(
            count.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
    }

    /// Takes the oldest byte. For the program alone.
    pub(crate) fn pop(&self) -> Option<u8> {
        let read = self.read.load(Ordering::Relaxed);
        if self.written.load(Ordering::Acquire) == read {
            return None;
        }
        let byte = self.bytes[read % ROOM].load(Ordering::Relaxed);
        self.read.store(read.wrapping_add(1), Ordering::Release);
        Some(byte)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.written.load(Ordering::Acquire) == self.read.load(Ordering::Relaxed)
    }

    /// Bytes that found no room, here or in the UART.
    pub(crate) fn lost(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Bytes without a stop bit.
    pub(crate) fn framing_errors(&self) -> u32 {
        self.framing_errors.load(Ordering::Relaxed)
    }
}
