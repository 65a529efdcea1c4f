//! The input is what arrives at the serial port of the firmware, with pauses and faults.

use crate::payload::{self, Plan};
use crate::{Flash, is_planted};
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write};
use firmware_app::{Board, Memory, Ram};
use lstm_core::{Format, LayerShape, workspace_words};
use std::sync::OnceLock;

/// Enough for the model and for a snapshot of it.
const WORDS: usize = workspace_words(Format::Int8, &[LayerShape::lstm(2)]) + 40;
/// Instead of a byte: nothing arrives for a while, or the port fails to read.
const PAUSE: u8 = 0xf8;
const FAULT: u8 = 0xf9;
/// What arrives when the input is at its end, over and over: each time the console has to answer.
const END: &[u8] = b"\x03:resume\r:pause\r";
/// Bytes that the port takes: in all, and after the end of the input.
const ROOM: usize = 20_000;
const ROOM_AT_THE_END: usize = 200;

pub(crate) fn run(data: &[u8]) {
    let Some((&kind, input)) = data.split_first() else {
        return;
    };
    static MODEL: OnceLock<Flash> = OnceLock::new();
    static LARGE: OnceLock<Flash> = OnceLock::new();
    let model = |hidden: u16| {
        let layers = [LayerShape::lstm(hidden)];
        let plan = Plan::simple(Format::Int8, &layers).named("a\x1b[2J", "\nb\x1b\u{9b}");
        Flash::new(&payload::file(&plan, &[1, 200, 30]), 0)
    };
    let region = match kind % 8 {
        0 => &[0xff; 64],
        1 => LARGE.get_or_init(|| model(200)).bytes(),
        _ => MODEL.get_or_init(|| model(2)).bytes(),
    };
    let mut port = Port {
        input,
        sent: Vec::new(),
        room: ROOM,
        takes_one: kind & 8 != 0,
        is_broken: false,
    };
    let error = firmware_app::run(&mut port, &mut Desk(0), region, &mut Ram::<WORDS>::new());
    assert_eq!(
        error,
        ErrorKind::TimedOut,
        "it runs for as long as the port sends"
    );
    let sent = match std::str::from_utf8(&port.sent) {
        Ok(sent) => sent,
        // The last character found no room.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&port.sent[..error.valid_up_to()]).unwrap()
        }
        Err(error) => panic!("{error}"),
    };
    // No control character but the line ends, the backspace and the bell.
    let is_shown = |c: char| !c.is_control() || matches!(c, '\r' | '\n' | '\x08' | '\x07');
    assert!(sent.chars().all(is_shown), "{sent:?}");
    assert!(sent.starts_with("# "), "{sent:?}");
}

/// A serial port that takes no more at some time.
struct Port<'a> {
    input: &'a [u8],
    sent: Vec<u8>,
    room: usize,
    /// A byte at a time.
    takes_one: bool,
    /// After a planted fault it takes nothing.
    is_broken: bool,
}

impl ErrorType for Port<'_> {
    type Error = ErrorKind;
}

impl ReadReady for Port<'_> {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        match self.input {
            [] => {
                self.room = self.room.min(self.sent.len() + ROOM_AT_THE_END);
                self.input = END;
                Ok(true)
            }
            [PAUSE, rest @ ..] => {
                self.input = rest;
                Ok(false)
            }
            [FAULT, rest @ ..] => {
                self.input = rest;
                // Nothing comes back after a fault.
                self.is_broken = is_planted();
                Err(ErrorKind::Other)
            }
            _ => Ok(true),
        }
    }
}

impl Read for Port<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ErrorKind> {
        match (bytes, self.input) {
            ([byte, ..], [next, rest @ ..]) => {
                *byte = *next;
                self.input = rest;
                Ok(1)
            }
            _ => Ok(0),
        }
    }
}

impl Write for Port<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        if self.is_broken {
            return Err(ErrorKind::Other);
        }
        let most = if self.takes_one { 1 } else { usize::MAX };
        let count = bytes
            .len()
            .min(most)
            .min(self.room - self.sent.len().min(self.room));
        if count == 0 {
            return Err(ErrorKind::TimedOut);
        }
        self.sent.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// A board whose clock runs by itself.
struct Desk(u32);

impl Board for Desk {
    fn name(&self) -> &'static str {
        "a desk"
    }

    fn ticks(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x1000_0001);
        self.0
    }

    fn ticks_per_second(&self) -> u32 {
        1_000_000
    }

    fn tick_unit(&self) -> &'static str {
        "ticks"
    }

    fn memory(&mut self) -> Memory {
        Memory::default()
    }

    fn lost_bytes(&mut self) -> u32 {
        self.0
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let lines: [&[u8]; 7] = [
        b"shall i compare\r",
        b":temp 0.8\r:topk 2\r:topp 0.5\r",
        b":seed 7\r:reset\r:stats\r",
        b":speed 9\r:info\r:pause\r",
        b":save\r:load AAAA\r",
        b"\x1b[Aa\x7f\x15b\xf8\xf8\xf8\xc3\xa9\r\n",
        b":help\r\xf9:temp 1\xf8\xf9\r",
    ];
    lines.map(|line| [&[2], line].concat()).into()
}
