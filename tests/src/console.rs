use std::{
    io::{Read, Write},
    process::ChildStdin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::io::ioctl_fionread;
use tempfile::NamedTempFile;
use xtask::{boards::Board, qemu::Machine};

use crate::board_firmware;

/// The serial console of a board under QEMU. A board that keeps silent too long fails the test.
pub struct Console {
    machine: Machine,
    keys: ChildStdin,
    chunks: Receiver<Vec<u8>>,
    received: Vec<u8>,
    /// Whether the board has asked to wait (XOFF).
    is_held: Arc<AtomicBool>,
    _model: Option<NamedTempFile>,
}

impl Console {
    /// The longest that a test waits.
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
        let keys = machine.keys().expect("taken once");
        let (send, chunks) = channel();
        let is_held = Arc::new(AtomicBool::new(false));
        let held = Arc::clone(&is_held);
        // Ends with QEMU, at the latest when the console is dropped.
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n) = serial.read(&mut chunk) {
                // Without XON and XOFF, which only a paste obeys.
                let mut sent = chunk[..n].to_vec();
                sent.retain(|&byte| {
                    let is_flow = matches!(byte, 0x11 | 0x13);
                    if is_flow {
                        held.store(byte == 0x13, Ordering::SeqCst);
                    }
                    !is_flow
                });
                if n == 0 || !sent.is_empty() && send.send(sent).is_err() {
                    break;
                }
            }
        });
        Console {
            machine,
            keys,
            chunks,
            received: Vec::new(),
            is_held,
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

    /// Types bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        let sent = self.keys.write_all(bytes).and_then(|()| self.keys.flush());
        sent.expect("QEMU takes what is typed");
    }

    /// Types a long text, and waits when the board asks to.
    ///
    /// No more than a piece is on its way at a time, as on a serial line, however slow QEMU is.
    pub fn paste(&mut self, text: &[u8]) {
        for piece in text.chunks(32) {
            while self.is_held.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
            self.send(piece);
            while ioctl_fionread(&self.keys).expect("a pipe tells what it holds") > 0 {
                thread::sleep(Duration::from_millis(1));
            }
            // What the board asks for comes through a thread.
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What is sent until this comes, with it.
    pub fn until(&mut self, end: &str) -> String {
        let text = self.until_within(end, Self::LIMIT);
        text.unwrap_or_else(|| {
            let start = self.received.len().saturating_sub(1000);
            let seen = String::from_utf8_lossy(&self.received[start..]);
            panic!("found {seen:?} at last, expected {end:?}")
        })
    }

    /// What is sent until this comes, with it, if it comes within this time.
    pub fn until_within(&mut self, end: &str, time: Duration) -> Option<String> {
        let deadline = Instant::now() + time;
        let mut seen = 0;
        loop {
            let mut windows = self.received[seen..].windows(end.len());
            if let Some(at) = windows.position(|window| window == end.as_bytes()) {
                let text: Vec<_> = self.received.drain(..seen + at + end.len()).collect();
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
            seen = self.received.len().saturating_sub(end.len());
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.receive_within(left) {
                return None;
            }
        }
    }

    /// What has been sent so far.
    pub fn received(&mut self) -> String {
        while self.receive_within(Duration::ZERO) {}
        let received = std::mem::take(&mut self.received);
        String::from_utf8_lossy(&received).into_owned()
    }

    /// Types a command, and gives the lines that answer it: up to the last, which starts with
    /// `last`. The text must pause.
    pub fn ask(&mut self, command: &str, last: &str) -> String {
        // No more at a time than the ring of the port takes, however slow the board is.
        let mut prompt = "> ";
        for part in command.as_bytes().chunks(256) {
            let part = std::str::from_utf8(part).expect("an ASCII command");
            self.send(part.as_bytes());
            self.until(&format!("{prompt}{part}"));
            prompt = "";
        }
        self.send(b"\r");
        self.until("\n");
        let mut answer = String::new();
        loop {
            let line = self.line();
            answer += &line;
            answer.push('\n');
            if line.starts_with(last) {
                return answer;
            }
        }
    }

    /// Stops the text.
    pub fn pause(&mut self) {
        self.ask(":pause", "# paused");
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
        if !self.receive_within(Self::LIMIT) {
            let seen = String::from_utf8_lossy(&self.received);
            panic!("the board fell silent after {seen:?}");
        }
    }

    /// Whether something came before this time had passed.
    fn receive_within(&mut self, time: Duration) -> bool {
        match self.chunks.recv_timeout(time) {
            // The board ends lines as serial terminals want it.
            Ok(chunk) => self.received.extend(chunk.iter().filter(|&&b| b != b'\r')),
            Err(RecvTimeoutError::Timeout) => return false,
            Err(RecvTimeoutError::Disconnected) => {
                let seen = String::from_utf8_lossy(&self.received);
                panic!("QEMU ended after {seen:?}")
            }
        }
        true
    }
}
