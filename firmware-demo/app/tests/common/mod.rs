//! A board, a desk with a console on it, and models in flash.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test takes what it needs"
)]

use firmware_app::{Board, Console, Memory, Poet, Ram, Step};
use lstm_core::export::{HEAD_BYTES, Head};
use lstm_core::{Aligned, Format, LayerShape, Model, ModelError, workspace_words};

const LEAN: LayerShape = LayerShape::cifg(96).project(32);
/// Enough for the models below.
pub const MODEL_WORDS: usize = {
    let (int8, int4) = (
        workspace_words(Format::Int8, &[LEAN]),
        workspace_words(Format::Int4, &[LEAN]),
    );
    if int8 > int4 { int8 } else { int4 }
};
/// And for a snapshot.
pub const WORDS: usize = MODEL_WORDS + 100;

pub type Desktop = Ram<WORDS>;

/// A model of small letters.
pub static LETTERS: Aligned<[u8; 17_684]> =
    Aligned(*include_bytes!("../../../../models/cifg-96-int4.lstm"));
/// The same network in another format.
pub static OTHER: Aligned<[u8; 23_828]> =
    Aligned(*include_bytes!("../../../../models/cifg-96.lstm"));

pub fn letters() -> Model<'static> {
    Model::from_bytes(&LETTERS.0).unwrap()
}

/// A file with another golden digest, after a right checksum.
pub fn with_wrong_golden() -> Box<Aligned<[u8; 17_684]>> {
    let mut file = Box::new(LETTERS);
    let last = file.0.len() - 1;
    file.0[last] ^= 0x40;
    let (head, payload) = file.0.split_at_mut(HEAD_BYTES);
    head.copy_from_slice(&Head::new(1, payload).to_bytes());
    file
}

/// What a poet writes that has read this after the firmware's prompt.
pub fn written(model: &Model<'_>, prompt: &str, seed: u64, chars: usize) -> String {
    let (mut words, mut logits) = (vec![0; WORDS], vec![0; 256]);
    let mut poet = Poet::new(*model, &mut words, &mut logits).unwrap();
    poet.restart();
    let sampler = poet.generator().sampler_mut();
    *sampler = sampler.clone().with_seed(seed);
    prompt.chars().for_each(|c| poet.read(c));
    (0..chars).map(|_| poet.write()).collect()
}

/// A board whose clock advances by a tick whenever it is asked, and by [`MockBoard::NAP`] when
/// there is nothing to do.
#[derive(Default)]
pub struct MockBoard {
    pub now: u32,
    pub naps: u32,
    pub lost: u32,
    pub port_errors: u32,
}

impl MockBoard {
    pub const NAP: u32 = 10;
}

impl Board for MockBoard {
    fn name(&self) -> &'static str {
        "mock, 1 MHz"
    }

    fn ticks(&mut self) -> u32 {
        self.now = self.now.wrapping_add(1);
        self.now
    }

    fn ticks_per_second(&self) -> u32 {
        10_000
    }

    fn tick_unit(&self) -> &'static str {
        "mock ticks"
    }

    fn memory(&mut self) -> Memory {
        Memory {
            code: 11,
            variables: 22,
            stack: 33,
            stack_high_water: Some(3),
        }
    }

    fn lost_bytes(&mut self) -> u32 {
        self.lost
    }

    fn port_errors(&mut self) -> u32 {
        self.port_errors
    }

    fn idle(&mut self) {
        self.now = self.now.wrapping_add(Self::NAP);
        self.naps += 1;
    }
}

/// A console, and what it has sent since it was last looked at.
pub struct Desk<'s, 'm> {
    pub console: Console<'s, 'm>,
    pub board: MockBoard,
    pub sent: String,
}

impl<'s, 'm> Desk<'s, 'm> {
    /// A console that has sent its banner.
    pub fn new<const WORDS: usize>(
        model: Result<Model<'m>, ModelError>,
        region: &'m [u8],
        ram: &'s mut Ram<WORDS>,
    ) -> Self {
        Desk::of(Console::new(model, region, ram))
    }

    /// This console, when it has sent its banner.
    pub fn of(console: Console<'s, 'm>) -> Self {
        let mut desk = Desk {
            console,
            board: MockBoard::default(),
            sent: String::new(),
        };
        desk.finish();
        desk
    }

    /// A step; whether it did something.
    pub fn step(&mut self) -> bool {
        match self.console.step(&mut self.board) {
            Step::Send(text) => {
                assert!(!text.is_empty());
                self.sent.push_str(text);
                true
            }
            Step::Busy => true,
            Step::Idle => {
                self.board.idle();
                false
            }
        }
    }

    /// Until the line that was typed is done.
    pub fn finish(&mut self) {
        while !self.console.is_listening() {
            self.step();
        }
    }

    /// Types bytes as they come, each as soon as the console listens.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.finish();
            self.sent.push_str(self.console.input(byte));
        }
        self.finish();
    }

    /// What it has sent, with the line ends of this computer.
    pub fn take(&mut self) -> String {
        let sent = std::mem::take(&mut self.sent);
        let text = sent.replace("\r\n", "\n");
        assert!(!text.contains('\r'), "{text:?}");
        text
    }

    /// Types a line, and gives what it sends for it.
    pub fn enter(&mut self, line: &str) -> String {
        self.take();
        self.type_bytes(line.as_bytes());
        self.type_bytes(b"\r");
        self.take()
    }

    /// Types a command while the text pauses, and gives what it says.
    pub fn answer(&mut self, command: &str) -> String {
        let sent = self.enter(command);
        let echo = format!("> {command}\n");
        let answer = sent.trim_start_matches('\n').strip_prefix(&echo);
        answer.unwrap_or_else(|| panic!("{sent:?}")).to_owned()
    }

    /// Lets seconds pass, in which nobody types.
    pub fn wait(&mut self, seconds: u32) {
        self.step();
        self.board.now = self
            .board
            .now
            .wrapping_add(seconds * self.board.ticks_per_second());
        self.step();
    }

    /// The next characters of text.
    pub fn chars(&mut self, count: usize) -> String {
        self.take();
        let mut text = String::new();
        let start = self.board.naps;
        while text.chars().count() < count {
            self.step();
            text += &self.take();
            assert!(self.board.naps - start < 10_000, "it does not write");
        }
        text
    }
}
