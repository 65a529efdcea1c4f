//! What is typed, on its way to the board: at the pace of its serial line, and only while the board lets it.

use std::{
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// By which a board asks to wait, and to go on.
const XOFF: u8 = 0x13;
const XON: u8 = 0x11;
/// How long a byte takes at 115,200 baud.
const BYTE: Duration = Duration::from_micros(87);
/// Bytes that go at once.
const PIECE: usize = 64;

/// Whether the board has asked to wait.
#[derive(Clone, Default)]
pub(crate) struct Flow(Arc<AtomicBool>);

impl Flow {
    /// Takes out what the board asks by, and obeys it.
    pub(crate) fn obey(&self, received: &mut Vec<u8>) {
        received.retain(|&byte| {
            if matches!(byte, XOFF | XON) {
                self.0.store(byte == XOFF, Ordering::SeqCst);
            }
            !matches!(byte, XOFF | XON)
        });
    }

    /// Types what comes, until there is no more.
    pub(crate) fn send(&self, mut from: impl Read, mut keys: impl Write) -> io::Result<()> {
        let mut piece = [0; PIECE];
        loop {
            let count = from.read(&mut piece)?;
            let typed = piece.get(..count).unwrap_or_default();
            if typed.is_empty() {
                return Ok(());
            }
            while self.0.load(Ordering::SeqCst) {
                thread::sleep(BYTE);
            }
            keys.write_all(typed)?;
            keys.flush()?;
            thread::sleep(BYTE * count as u32);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What has been typed.
    pub(crate) struct Keys(pub(crate) Arc<Mutex<Vec<u8>>>);

    impl Write for Keys {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_the_board_asks_is_obeyed_and_not_shown() {
        let (flow, typed) = (Flow::default(), Arc::default());
        let mut received = b"to \x13be".to_vec();
        flow.obey(&mut received);
        assert_eq!(received, b"to be");
        let text: Vec<u8> = (0..500).map(|i| i as u8).collect();
        let sender = {
            let (flow, keys, text) = (flow.clone(), Keys(Arc::clone(&typed)), text.clone());
            thread::spawn(move || flow.send(&*text, keys))
        };
        thread::sleep(Duration::from_millis(20));
        assert!(typed.lock().unwrap().is_empty());
        flow.obey(&mut b"\x11".to_vec());
        sender.join().unwrap().unwrap();
        assert_eq!(*typed.lock().unwrap(), text);
    }
}
