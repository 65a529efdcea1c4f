use std::{
    io::{Read, Write},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use tempfile::NamedTempFile;
use xtask::{boards::Board, firmware, qemu::Machine};

/// The serial console of a board under QEMU. A board that keeps silent too long fails the test.
pub struct Console {
    machine: Machine,
    chunks: Receiver<Vec<u8>>,
    received: Vec<u8>,
    deadline: Instant,
    _model: Option<NamedTempFile>,
}

impl Console {
    /// The time that a test may take on a board.
    const LIMIT: Duration = Duration::from_secs(300);

    /// Starts a board, with these bytes in its model region.
    ///
    /// It fails, with a line that says how to install it, where there is no QEMU.
    pub fn start(board: &Board, model: Option<&[u8]>) -> Self {
        let elf = firmware::build(board).unwrap_or_else(|error| panic!("{error:#}"));
        let model = model.map(|bytes| {
            let mut file = NamedTempFile::with_suffix(".lstm").expect("a temporary file");
            file.write_all(bytes).expect("the model is written");
            file
        });
        let path = model.as_ref().map(NamedTempFile::path);
        let mut machine =
            Machine::start(board, &elf, path).unwrap_or_else(|error| panic!("{error:#}"));
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
            deadline: Instant::now() + Self::LIMIT,
            _model: model,
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
        loop {
            let is_start = |b: &u8| b & 0xC0 != 0x80;
            let starts = self.received.iter().enumerate();
            // The start of the character after the last one, so that the last one is whole.
            let mut starts = starts.filter(|(_, b)| is_start(b)).map(|(i, _)| i);
            if let Some(end) = starts.nth(count) {
                let text: Vec<_> = self.received.drain(..end).collect();
                return String::from_utf8(text).expect("the board sends UTF-8");
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
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.chunks.recv_timeout(left) {
            Ok(chunk) => self.received.extend(chunk),
            Err(error) => panic!(
                "{} after {:?}",
                match error {
                    RecvTimeoutError::Timeout => "the board did not send enough",
                    RecvTimeoutError::Disconnected => "QEMU ended",
                },
                String::from_utf8_lossy(&self.received)
            ),
        }
    }
}
