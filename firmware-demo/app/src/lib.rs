//! The firmware without its board.
//!
//! A board gives three things: a serial port ([`embedded_io::Write`]), the flash region in which a
//! model may lie, and RAM for one [`Workspace`]. [`run`] checks the model, prints one banner line
//! and then streams its text for ever:
//!
//! ```text
//! # model sonnets-256, int8, checksum 7f3a90c1
//! the sweet of beauty ...
//! ```
//!
//! The firmware holds no model. A region without one, or with a damaged one, gets one line that
//! says what was found; nothing of it is run.
//!
//! # Layers
//!
//! * [`Poet`] is the heart: it knows neither serial ports nor time. A [`Poet::step`] is one
//!   character.
//! * [`run`] is the driver: it moves characters from the poet to the port.
//! * `boards/NAME` is the rest: memory map, UART registers, entry. What boards share is in
//!   `board-support`.
//!
//! # Adding a board
//!
//! 1. Copy `boards/microbit`. Change `memory.x` (code, `MODEL` region, RAM), the UART and the
//!    workspace in `src/main.rs`, and the target and the name in `.cargo/config.toml` and
//!    `Cargo.toml`.
//! 2. If QEMU has a machine for it, add it to the table in `xtask/src/boards.rs`.

#![no_std]
#![forbid(unsafe_code)]

mod board;

use core::convert::Infallible;

use embedded_io::{Write, WriteFmtError};
use lstm_core::{Alphabet, Error, Model, Sampler, Session, Token, Workspace};

pub use board::{Board, Memory};

/// Fed to the network before it writes: a text starts where a line starts.
pub const PROMPT: &str = "\n";
/// Every start writes the same text, on every board and on the host.
pub const SEED: u64 = 1;
/// Below 1, so that likely characters come more often than the network says.
pub const TEMPERATURE: f32 = 0.8;
/// What every line of the firmware itself starts with, to tell it from the text of the model.
pub const REMARK: &str = "# ";

/// Why [`run`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<E> {
    /// The region holds no model that may run here; a line on the port says so.
    Model(Error),
    /// The serial port failed.
    Serial(E),
}

/// Checks the model in `region`, then streams its text to `serial` for as long as the port takes
/// it.
pub fn run<W: Write, const WORDS: usize, const VOCAB: usize>(
    serial: &mut W,
    region: &[u8],
    workspace: &mut Workspace<WORDS, VOCAB>,
) -> Stop<W::Error> {
    let Err(stop) = stream(serial, region, workspace);
    if let Stop::Model(error) = stop {
        // If the port fails too, the caller still learns of the model.
        let _ = writeln!(serial, "{REMARK}no model runs: {error}");
    }
    stop
}

fn stream<W: Write, const WORDS: usize, const VOCAB: usize>(
    serial: &mut W,
    region: &[u8],
    workspace: &mut Workspace<WORDS, VOCAB>,
) -> Result<Infallible, Stop<W::Error>> {
    let model = Model::from_region(region).map_err(Stop::Model)?;
    let mut poet = Poet::new(&model, workspace).map_err(Stop::Model)?;
    banner(serial, &model).map_err(Stop::Serial)?;
    loop {
        let mut utf8 = [0; 4];
        let character = poet.step().encode_utf8(&mut utf8);
        serial
            .write_all(character.as_bytes())
            .map_err(Stop::Serial)?;
    }
}

fn banner<W: Write>(serial: &mut W, model: &Model<'_>) -> Result<(), W::Error> {
    let (name, format, checksum) = (model.name(), model.format(), model.checksum());
    match writeln!(
        serial,
        "{REMARK}model {name}, {format}, checksum {checksum:08x}"
    ) {
        Err(WriteFmtError::Other(error)) => Err(error),
        // No Display used here fails by itself.
        Ok(()) | Err(WriteFmtError::FmtError) => Ok(()),
    }
}

/// A model that writes: one character a step, each fed back to the network.
pub struct Poet<'s, 'm> {
    alphabet: Alphabet<'m>,
    session: Session<'s, 'm>,
    sampler: Sampler,
    last: Token,
}

impl<'s, 'm> Poet<'s, 'm> {
    /// A poet that has read [`PROMPT`], with [`SEED`] and [`TEMPERATURE`].
    ///
    /// # Errors
    ///
    /// The model needs a larger workspace.
    pub fn new<const WORDS: usize, const VOCAB: usize>(
        model: &'s Model<'m>,
        workspace: &'s mut Workspace<WORDS, VOCAB>,
    ) -> Result<Self, Error> {
        let alphabet = model.alphabet();
        let mut session = Session::new(model, workspace)?;
        let mut prompt = PROMPT.chars().map(|c| alphabet.encode(c));
        let mut last = prompt.next().unwrap_or_default();
        for token in prompt {
            session.advance(last);
            last = token;
        }
        Ok(Poet {
            alphabet,
            session,
            sampler: Sampler::new(SEED).temperature(TEMPERATURE)?,
            last,
        })
    }

    /// Writes one character.
    pub fn step(&mut self) -> char {
        self.last = self.sampler.sample(self.session.step(self.last));
        self.alphabet.decode(self.last)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{string::String, vec::Vec};

    use embedded_io::{ErrorKind, ErrorType};
    use lstm_core::{Aligned, Format, file, workspace_words};

    use super::*;

    const SYMBOLS: &str = "\nab\u{e9}";
    const WORDS: usize = workspace_words(Format::F32, &[file::LayerShape::lstm(HIDDEN as u16)]);
    const HIDDEN: usize = 2;
    /// Bytes for a model and erased flash behind it.
    const REGION: usize = 4096;

    type Ram = Workspace<WORDS, { SYMBOLS.len() }>;

    /// A serial port that takes `chunk` bytes at a time, and fails when it is full.
    struct Port {
        sent: Vec<u8>,
        chunk: usize,
        room: usize,
    }

    impl Port {
        fn new(chunk: usize, room: usize) -> Self {
            let sent = Vec::new();
            Port { sent, chunk, room }
        }

        fn text(&self) -> &str {
            let valid = |e: std::str::Utf8Error| std::str::from_utf8(&self.sent[..e.valid_up_to()]);
            std::str::from_utf8(&self.sent).or_else(valid).unwrap()
        }
    }

    impl ErrorType for Port {
        type Error = ErrorKind;
    }

    impl Write for Port {
        fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
            let n = bytes.len().min(self.chunk).min(self.room - self.sent.len());
            if n == 0 {
                return Err(ErrorKind::TimedOut);
            }
            self.sent.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> Result<(), ErrorKind> {
            Ok(())
        }
    }

    /// A model of zeros, which finds every symbol equally likely, and erased flash behind it.
    fn region() -> Aligned<[u8; REGION]> {
        let shape = file::LayerShape {
            cell: file::Cell::Lstm,
            hidden: HIDDEN as u16,
            projection: None,
        };
        let layers = heapless::Vec::from_slice(&[shape]).unwrap();
        let data = [0; REGION];
        let data_bytes = file::data_bytes(Format::F32, SYMBOLS.chars().count(), &layers).unwrap();
        let mut payload = file::Payload {
            name: "zeros",
            symbols: SYMBOLS,
            fold_case: false,
            window: None,
            format: Format::F32,
            order: file::Order::Rows4,
            layers,
            padding: &[],
            data: &data[..data_bytes],
        };
        let mut region = Aligned([0xFF; REGION]);
        let bytes = |payload: &file::Payload<'_>| postcard::to_stdvec(payload).unwrap();
        let data_start = file::HEAD_BYTES + bytes(&payload).len() - data_bytes;
        let padding = file::round_up(data_start, file::ARRAY_ALIGN) - data_start;
        payload.padding = &data[..padding];
        let payload = bytes(&payload);
        let (head, rest) = region.0.split_at_mut(file::HEAD_BYTES);
        head.copy_from_slice(&file::Head::new(&payload).to_bytes());
        rest[..payload.len()].copy_from_slice(&payload);
        region
    }

    #[test]
    fn one_banner_line_then_text() {
        let mut port = Port::new(usize::MAX, 2000);
        let stop = run(&mut port, &region().0, &mut Ram::new());
        assert_eq!(stop, Stop::Serial(ErrorKind::TimedOut));
        let (banner, text) = port.text().split_once('\n').unwrap();
        assert!(
            banner.starts_with("# model zeros, f32, checksum "),
            "{banner}"
        );
        assert!(text.chars().all(|c| SYMBOLS.contains(c)), "{text:?}");
        for symbol in SYMBOLS.chars() {
            assert!(text.chars().filter(|&c| c == symbol).count() > 100);
        }
    }

    #[test]
    fn the_port_sends_what_the_poet_writes() {
        let region = region();
        let mut port = Port::new(usize::MAX, 2000);
        let _ = run(&mut port, &region.0, &mut Ram::new());
        let (_, sent) = port.text().split_once('\n').unwrap();

        let model = Model::from_region(&region.0).unwrap();
        let mut workspace = Ram::new();
        let mut poet = Poet::new(&model, &mut workspace).unwrap();
        let written: String = sent.chars().map(|_| poet.step()).collect();
        assert_eq!(sent, written);
    }

    #[test]
    fn a_port_that_takes_one_byte_at_a_time_loses_none() {
        let (mut wide, mut narrow) = (Port::new(usize::MAX, 500), Port::new(1, 500));
        let _ = run(&mut wide, &region().0, &mut Ram::new());
        let _ = run(&mut narrow, &region().0, &mut Ram::new());
        assert_eq!(wide.sent.len(), 500);
        assert_eq!(wide.sent, narrow.sent);
    }

    #[test]
    fn a_port_that_fails_stops_the_stream() {
        for room in 0..60 {
            let mut port = Port::new(usize::MAX, room);
            let stop = run(&mut port, &region().0, &mut Ram::new());
            assert_eq!(stop, Stop::Serial(ErrorKind::TimedOut));
            assert!(port.sent.len() <= room);
        }
    }

    #[test]
    fn erased_flash_gets_one_line() {
        let mut port = Port::new(3, 2000);
        let stop = run(&mut port, &[0xFF; 64], &mut Ram::new());
        assert_eq!(stop, Stop::Model(Error::Magic { found: [0xFF; 4] }));
        assert_eq!(
            port.text(),
            "# no model runs: not a .lstm file: it begins with ff ff ff ff, \
             expected 4c 53 54 4d (\"LSTM\")\n"
        );
    }

    #[test]
    fn a_damaged_model_gets_one_line_and_no_text() {
        for bit in 0..64 * 8 {
            let mut region = region();
            region.0[bit / 8] ^= 1 << (bit % 8);
            let mut port = Port::new(usize::MAX, 2000);
            let stop = run(&mut port, &region.0, &mut Ram::new());
            assert!(matches!(stop, Stop::Model(_)), "bit {bit}: {stop:?}");
            assert!(port.text().starts_with("# no model runs: "));
            assert_eq!(port.text().lines().count(), 1);
        }
    }

    #[test]
    fn a_workspace_too_small_gets_one_line() {
        let mut port = Port::new(usize::MAX, 2000);
        let stop = run(&mut port, &region().0, &mut Workspace::<1, 8>::new());
        assert!(matches!(
            stop,
            Stop::Model(Error::WorkspaceWords { found: 1, .. })
        ));
        assert_eq!(port.text().lines().count(), 1);
    }

    #[test]
    fn a_port_that_fails_does_not_hide_a_refusal() {
        let stop = run(&mut Port::new(usize::MAX, 0), &[], &mut Ram::new());
        assert!(matches!(
            stop,
            Stop::Model(Error::Truncated { found: 0, .. })
        ));
    }
}
