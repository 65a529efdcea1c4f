use std::{
    io::{Read, Write},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use tempfile::NamedTempFile;
use xtask::{boards::Board, qemu::Machine};

use crate::board_firmware;

/// The serial console of a board under QEMU. A board that keeps silent too long fails the test.
pub struct Console {
    machine: Machine,
    chunks: Receiver<Vec<u8>>,
    received: Vec<u8>,
    _model: Option<NamedTempFile>,
}

impl Console {
    /// The longest silence that a test waits through.
    const LIMIT: Duration = Duration::from_secs(60);

    /// Starts a board, with these bytes in its model region.
    ///
    /// It fails, with a line that says how to install it, where there is no QEMU.
    pub fn start(board: &Board, model: Option<&[u8]>) -> Self {
        let elf = board_firmware(board);
        let model = model.map(|bytes| {
            let mut file = NamedTempFile::with_suffix(".lstm").expect("a temporary file");
            file.write_all(bytes).expect("the model is written");
            file
        });
        let path = model.as_ref().map(NamedTempFile::path);
        let machine = Machine::start(board, &elf, path);
        let mut console = Self::of(machine.unwrap_or_else(|error| panic!("{error:#}")));
        console._model = model;
        console
    }

    /// The console of a board that has been started.
    pub fn of(mut machine: Machine) -> Self {
        let mut serial = machine.serial().expect("taken once");
        let (send, chunks) = channel();
        // Ends with QEMU, at the latest when the console is dropped.
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n) = serial.read(&mut chunk) {
                if n == 0 || send.send(chunk[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Console {
            machine,
            chunks,
            received: Vec::new(),
            _model: None,
        }
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.received.iter().position(|&b| b == b'\n') {
                let line: Vec<_> = self.received.drain(..=end).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            self.receive();
        }
    }

    /// The next characters.
    pub fn chars(&mut self, count: usize) -> String {
        let (mut chars, mut end) = (0, 0);
        loop {
            while let Some(byte) = self.received.get(end) {
                let starts_a_character = byte & 0xC0 != 0x80;
                // At the start of one more, the last one is whole.
                if starts_a_character && chars == count {
                    let text: Vec<_> = self.received.drain(..end).collect();
                    return String::from_utf8(text).expect("the board sends UTF-8");
                }
                chars += usize::from(starts_a_character);
                end += 1;
            }
            self.receive();
        }
    }

    /// Whether the board sends nothing for this long.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        self.received.is_empty() && self.chunks.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
    }

    /// Whether the board still runs.
    pub fn is_running(&mut self) -> bool {
        self.machine.is_running()
    }

    fn receive(&mut self) {
        match self.chunks.recv_timeout(Self::LIMIT) {
            Ok(chunk) => self.received.extend(chunk),
            Err(error) => panic!(
                "{} after {} bytes",
                match error {
                    RecvTimeoutError::Timeout => "the board fell silent",
                    RecvTimeoutError::Disconnected => "QEMU ended",
                },
                self.received.len()
            ),
        }
    }
}
