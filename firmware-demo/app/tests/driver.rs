//! A console on a serial port that does what serial ports do.

mod common;

use std::collections::VecDeque;

use common::{Desktop, LETTERS, MockBoard, letters, written};
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write};
use firmware_app::{Console, SEED, drive, run};
use lstm_core::Model;

/// What arrives.
#[derive(Clone, Copy)]
enum Arrival {
    Byte(u8),
    /// An overrun, or a wrong stop bit.
    Failure,
    /// From here on, nobody is connected.
    Gone,
    /// Nothing, until so many bytes have been sent.
    After(usize),
}

/// A serial port that takes a few bytes at a time, and fails when it is full.
struct Port {
    arrivals: VecDeque<Arrival>,
    sent: Vec<u8>,
    /// How much it takes at once: these, over and over.
    chunks: &'static [usize],
    writes: usize,
    room: usize,
}

impl Port {
    fn new(room: usize) -> Self {
        Port {
            arrivals: VecDeque::new(),
            sent: Vec::new(),
            chunks: &[usize::MAX],
            writes: 0,
            room,
        }
    }

    fn with(mut self, bytes: &[u8]) -> Self {
        self.arrivals
            .extend(bytes.iter().map(|&b| Arrival::Byte(b)));
        self
    }

    fn text(&self) -> String {
        String::from_utf8(self.sent.clone())
            .unwrap()
            .replace("\r\n", "\n")
    }

    /// What comes next, if it is there.
    fn next(&mut self) -> Option<Arrival> {
        if let Some(&Arrival::After(bytes)) = self.arrivals.front()
            && self.sent.len() >= bytes
        {
            self.arrivals.pop_front();
        }
        self.arrivals
            .front()
            .copied()
            .filter(|a| !matches!(a, Arrival::After(_)))
    }
}

impl ErrorType for Port {
    type Error = ErrorKind;
}

impl ReadReady for Port {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        Ok(self.next().is_some())
    }
}

impl Read for Port {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ErrorKind> {
        let next = self.next().expect("only what has arrived is read");
        if matches!(next, Arrival::Gone) {
            return Err(ErrorKind::NotConnected);
        }
        self.arrivals.pop_front();
        match next {
            Arrival::Byte(byte) => {
                bytes[0] = byte;
                Ok(1)
            }
            _ => Err(ErrorKind::Other),
        }
    }
}

impl Write for Port {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        assert!(!bytes.is_empty());
        let chunk = self.chunks[self.writes % self.chunks.len()];
        self.writes += 1;
        let room = self.room - self.sent.len();
        if room == 0 {
            return Err(ErrorKind::TimedOut);
        }
        let count = bytes.len().min(chunk).min(room);
        self.sent.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        // A test that is done waits for nothing more.
        match self.arrivals.is_empty() {
            true => Err(ErrorKind::BrokenPipe),
            false => Ok(()),
        }
    }
}

fn run_on(port: &mut Port) -> ErrorKind {
    run(
        port,
        &mut MockBoard::default(),
        &LETTERS.0,
        &mut Desktop::new(),
    )
}

fn banner_length() -> usize {
    let mut port = Port::new(200);
    run_on(&mut port);
    port.text().find('\n').unwrap() + 2
}

#[test]
fn it_streams_until_the_port_fails() {
    for room in [0, 1, 20, 60, 3000] {
        let mut port = Port::new(room);
        assert_eq!(run_on(&mut port), ErrorKind::TimedOut);
        assert_eq!(port.sent.len(), room);
    }
    let mut port = Port::new(2000);
    run_on(&mut port);
    let text = port.text();
    let (banner, text) = text.split_once('\n').unwrap();
    assert!(banner.starts_with("# model cifg-96"), "{banner}");
    assert_eq!(text, written(&letters(), "", SEED, text.len()));
}

#[test]
fn partial_writes_lose_nothing() {
    let typed = b"a line\r:temp 0.5\r:help\r";
    let mut whole = Port::new(4000).with(typed);
    run_on(&mut whole);
    for chunks in [&[1][..], &[3], &[2, 0, 0, 1, 40], &[0, 7]] {
        let mut port = Port::new(4000).with(typed);
        port.chunks = chunks;
        assert_eq!(run_on(&mut port), ErrorKind::TimedOut);
        assert_eq!(port.text(), whole.text(), "{chunks:?}");
    }
}

#[test]
fn a_line_that_arrives_in_bits_is_one_line() {
    let start = banner_length();
    let mut port = Port::new(3000);
    // The first at once; each other when the echo of the one before has been seen, or later.
    for (at, byte) in b"shall i ".iter().enumerate() {
        let echo = if at == 0 {
            start
        } else {
            start + "> ".len() + at
        };
        port.arrivals
            .extend([Arrival::After(echo), Arrival::Byte(*byte)]);
    }
    port.arrivals.push_back(Arrival::Byte(b'\r'));
    run_on(&mut port);
    let text = port.text();
    let (_, text) = text.split_once("\n> shall i ").unwrap();
    assert_eq!(text, written(&letters(), "shall i ", SEED, text.len()));
}

#[test]
fn an_overrun_is_counted_and_the_line_goes_on() {
    let mut port = Port::new(3000).with(b":te");
    port.arrivals.extend([Arrival::Failure; 3]);
    port = port.with(b"mp 0.5\r:stats\r");
    // Some errors the board knows of alone.
    let mut board = MockBoard {
        port_errors: 2,
        ..MockBoard::default()
    };
    run(&mut port, &mut board, &LETTERS.0, &mut Desktop::new());
    let text = port.text();
    assert!(text.contains("> :temp 0.5\n# temperature 0.5\n> :stats\n# 0 characters, "));
    assert!(text.contains(" 0 bytes lost, 5 port errors\n"), "{text}");
}

#[test]
fn what_arrives_while_a_line_is_at_work_waits() {
    let mut port = Port::new(3000).with(b":selftest\r:pause\r");
    assert_eq!(run_on(&mut port), ErrorKind::BrokenPipe);
    let text = port.text();
    let end = "# selftest PASS\n> :pause\n# paused; :resume goes on\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn a_board_that_waits_sleeps_and_flushes() {
    let mut port = Port::new(3000).with(b":pause\r");
    let (model, mut ram, mut board) = (letters(), Desktop::new(), MockBoard::default());
    let mut console = Console::new(Ok(model), &LETTERS.0, &mut ram);
    // The flush of the pause fails, which ends the drive.
    assert_eq!(
        drive(&mut console, &mut port, &mut board),
        ErrorKind::BrokenPipe
    );
    assert!(port.text().ends_with("# paused; :resume goes on\n"));
    assert_eq!(board.naps, 0);
    // On another port it still pauses, and naps until a line has come.
    let mut port = Port::new(500);
    port.chunks = &[0, 0, 0, 1];
    port = port.with(b":resume\r");
    assert_eq!(
        drive(&mut console, &mut port, &mut board),
        ErrorKind::TimedOut
    );
    assert!(board.naps > 100);
}

#[test]
fn a_console_goes_on_with_the_next_port() {
    let (model, mut ram, mut board) = (letters(), Desktop::new(), MockBoard::default());
    let mut console = Console::new(Ok(model), &LETTERS.0, &mut ram);
    let mut first = Port::new(500);
    drive(&mut console, &mut first, &mut board);
    console.greet();
    let mut second = Port::new(500);
    drive(&mut console, &mut second, &mut board);
    let (first, second) = (first.text(), second.text());
    let (_, first) = first.split_once('\n').unwrap();
    let (banner, second) = second.trim_start().split_once('\n').unwrap();
    assert!(banner.starts_with("# model "), "{banner}");
    // The character on its way when the port failed is gone.
    let text = written(&model, "", SEED, first.len() + 1 + second.len());
    assert_eq!(format!("{first}?{second}").len(), text.len());
    assert!(text.starts_with(first) && text.ends_with(second));
}

#[test]
fn whoever_connects_is_greeted_whatever_was_being_typed() {
    for typed in [&b"to be or"[..], b":load AAAA", b"x\x1b["] {
        let (model, mut ram, mut board) = (letters(), Desktop::new(), MockBoard::default());
        let mut console = Console::new(Ok(model), &LETTERS.0, &mut ram);
        let mut first = Port::new(500).with(typed);
        first.arrivals.push_back(Arrival::Gone);
        let error = drive(&mut console, &mut first, &mut board);
        assert_eq!(error, ErrorKind::NotConnected);
        console.greet();
        let mut second = Port::new(500);
        drive(&mut console, &mut second, &mut board);
        let text = second.text();
        let (banner, text) = text.trim_start().split_once('\n').unwrap();
        assert!(banner.starts_with("# model "), "{banner}");
        // The text goes on, and the line is gone.
        assert_eq!(text, written(&model, "", SEED, text.len()));
    }
}

#[test]
fn a_damaged_model_never_runs() {
    for bit in (0..64 * 8).chain(8 * 17_000..8 * 17_040) {
        let mut file = LETTERS;
        file.0[bit / 8] ^= 1 << (bit % 8);
        let mut port = Port::new(4000).with(b":resume\rto be\r:info\r:pause\r");
        let mut ram = Desktop::new();
        let stop = run(&mut port, &mut MockBoard::default(), &file.0, &mut ram);
        assert_eq!(stop, ErrorKind::BrokenPipe, "bit {bit}");
        let text = port.text();
        assert!(Model::from_region(&file.0).is_err());
        assert!(text.starts_with("# no model runs: "));
        assert!(
            text.ends_with("> :pause\n# paused; :resume goes on\n"),
            "{text}"
        );
        assert!(
            text.lines()
                .all(|line| line.starts_with("# ") || line.starts_with("> "))
        );
    }
}
