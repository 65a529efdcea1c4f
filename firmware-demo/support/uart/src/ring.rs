use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

use crate::uart::Fault;

/// Bytes of the ring: what a line of 115,200 baud brings in 88 ms. A power of two, so that the counts
/// of bytes may wrap.
pub(crate) const ROOM: usize = 1024;
const _: () = assert!(ROOM.is_power_of_two());

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
        Ring::after(0)
    }

    /// One through which so many bytes have gone.
    const fn after(bytes: usize) -> Self {
        Ring {
            bytes: [const { AtomicU8::new(0) }; ROOM],
            written: AtomicUsize::new(bytes),
            read: AtomicUsize::new(bytes),
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

    /// Bytes in it.
    pub(crate) fn len(&self) -> usize {
        let written = self.written.load(Ordering::Acquire);
        written.wrapping_sub(self.read.load(Ordering::Relaxed))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
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

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(ring: &Ring) -> Vec<u8> {
        std::iter::from_fn(|| ring.pop()).collect()
    }

    /// Also where the counts of bytes wrap.
    #[test]
    fn what_overflows_is_lost_and_counted_and_the_rest_stays() {
        for ring in [Ring::new(), Ring::after(usize::MAX - ROOM / 2)] {
            let sent: Vec<u8> = (0..ROOM + 300).map(|i| (i % 251) as u8).collect();
            for (count, &byte) in sent.iter().enumerate() {
                ring.push(Ok(byte));
                assert_eq!(ring.lost() as usize, (count + 1).saturating_sub(ROOM));
            }
            assert_eq!(drained(&ring), sent[..ROOM]);
            assert!(ring.is_empty());
            // It goes on as before, and forgets no loss.
            ring.push(Ok(7));
            assert_eq!((drained(&ring), ring.lost()), (vec![7], 300));
            assert_eq!(ring.framing_errors(), 0);
        }
    }

    #[test]
    fn a_full_ring_takes_a_byte_for_each_that_is_read() {
        let ring = Ring::new();
        (0..ROOM).for_each(|_| ring.push(Ok(1)));
        assert_eq!(ring.pop(), Some(1));
        ring.push(Ok(2));
        ring.push(Ok(3));
        assert_eq!(ring.lost(), 1);
        assert_eq!(drained(&ring).last(), Some(&2));
    }

    #[test]
    fn an_overrun_is_a_lost_byte_and_a_missing_stop_bit_an_error() {
        let ring = Ring::new();
        for received in [Ok(1), Err(Fault::Overrun), Err(Fault::Framing), Ok(2)] {
            ring.push(received);
        }
        assert_eq!((ring.lost(), ring.framing_errors()), (1, 1));
        assert_eq!(drained(&ring), [1, 2]);
    }

    /// An interrupt that is faster than the program: every byte is read in its order, or counted.
    #[test]
    fn two_threads_lose_no_byte_without_counting_it() {
        const SENT: u32 = 200_000;
        static RING: Ring = Ring::new();
        let sender = std::thread::spawn(|| {
            for i in 0..SENT {
                RING.push(Ok(i as u8));
            }
        });
        let mut read = 0;
        loop {
            let is_over = sender.is_finished();
            let bytes = drained(&RING).len() as u32;
            read += bytes;
            if is_over && bytes == 0 {
                break;
            }
        }
        sender.join().unwrap();
        assert_eq!(read + RING.lost(), SENT);
    }
}
