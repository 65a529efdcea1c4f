//! The console: what a person types, and what a board answers.

mod command;
mod info;
mod load;
mod pace;
mod task;

use lstm_core::{Error, MAX_SYMBOLS, Model, ModelError, Workspace};

use crate::{
    Board, Memory,
    base64::{CHUNK_BYTES, encode},
    commands::HELP,
    editor::{Editor, Event, LONGEST_LINE, PROMPT},
    output::{Output, beginning},
    poet::Poet,
    program::Program,
    told::no_model,
};

use self::{
    info::{Copied, Figures, Place, Stats},
    load::{LOAD, Load},
    pace::{Pace, Quiet},
    task::{Prime, Task},
};

/// Seconds after which a line that nobody goes on with is dropped, so that a stray byte does not stop
/// the text for good.
const PATIENCE: u32 = 60;
/// The part of a second in which a line may follow another, as it does in a text that is pasted.
const PASTE: u32 = 50;

/// The RAM of a console and of a model for which `WORDS` are enough
/// ([`workspace_words`](lstm_core::workspace_words)), with any alphabet.
///
/// `:save`, `:load` and `:selftest` use the words that a model leaves over.
pub struct Ram<const WORDS: usize> {
    workspace: Workspace<WORDS, MAX_SYMBOLS>,
    buffers: Buffers,
}

impl<const WORDS: usize> Ram<WORDS> {
    /// Fit for a `static`.
    pub const fn new() -> Self {
        Ram {
            workspace: Workspace::new(),
            buffers: Buffers {
                editor: Editor::new(),
                output: Output::new(),
            },
        }
    }
}

impl<const WORDS: usize> Default for Ram<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

struct Buffers {
    editor: Editor,
    output: Output,
}

/// What a [`Console::step`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'c> {
    /// Send this before the next step.
    Send(&'c str),
    /// Something was done, and there is more to do.
    Busy,
    /// There is nothing to do until a byte arrives, or until the next character is due.
    Idle,
}

/// The console: bytes in, text out. It knows neither ports nor interrupts.
///
/// A step takes no longer than one character of the model (checking its checksum excepted).
pub struct Console<'s, 'm> {
    program: Program<'s, 'm>,
    region: &'m [u8],
    copied: Copied,
    editor: &'s mut Editor,
    output: &'s mut Output,
    task: Task,
    /// The snapshot that is being typed.
    load: Load,
    /// Whether the model has read a line, and nothing has been written since.
    is_after_line: bool,
    quiet: Quiet,
    pace: Pace,
    stats: Stats,
}

impl<'s, 'm> Console<'s, 'm> {
    /// A console for the model that was found in `region`, or for the reason why there is none.
    pub fn new<const WORDS: usize>(
        model: Result<Model<'m>, ModelError>,
        region: &'m [u8],
        ram: &'s mut Ram<WORDS>,
    ) -> Self {
        let (words, logits) = ram.workspace.as_slices().into_inner();
        Console {
            program: Program::new(model, words, logits),
            region,
            copied: Copied::Nothing,
            editor: &mut ram.buffers.editor,
            output: &mut ram.buffers.output,
            task: Task::Start,
            load: Load::new(),
            is_after_line: false,
            quiet: Quiet::default(),
            pace: Pace::default(),
            stats: Stats::default(),
        }
    }

    /// A console for the model that is found in `region`, and runs from `copy`, which is faster to read,
    /// if it fits; else its network does, if that fits alone.
    pub fn copied<const WORDS: usize>(
        region: &'m [u8],
        copy: &'m mut [u8],
        ram: &'s mut Ram<WORDS>,
    ) -> Self {
        let model = Model::from_region(region);
        let (model, copied) = match model {
            Ok(model) => {
                let (model, copied) = copy_of(model, region, copy);
                (Ok(model), copied)
            }
            Err(error) => (Err(error), Copied::Nothing),
        };
        Console {
            copied,
            ..Console::new(model, region, ram)
        }
    }

    /// Says again at the next step what is running, for one who has just connected. A line that was
    /// being typed is dropped; one that is at work is done first, and says enough.
    pub fn greet(&mut self) {
        if self.is_listening() {
            self.editor.clear();
            self.task = Task::Banner;
        }
    }

    /// Whether [`Console::input`] takes a byte now. It does not while a line is at work: the bytes
    /// after it are to wait.
    pub fn is_listening(&self) -> bool {
        matches!(self.task, Task::Text)
    }

    /// What writes text.
    ///
    /// # Errors
    ///
    /// Why no model writes.
    pub fn poet(&mut self) -> Result<&mut Poet<'s, 'm>, &Error> {
        match &mut self.program {
            Program::Poet(poet) => Ok(poet),
            #[cfg(feature = "sensor")]
            Program::Sensor(sensor) => Err(sensor.no_text()),
            Program::Nothing(error) => Err(error),
        }
    }

    /// Whether the model is reading a typed line: then a [`Step::Busy`] was a character of it, if it still
    /// is.
    pub fn is_reading(&self) -> bool {
        matches!(self.task, Task::Break | Task::Prime(_))
    }

    /// Whether the text is paused.
    pub fn is_paused(&self) -> bool {
        self.pace.is_paused
    }

    /// Characters a second; 0 as fast as it can.
    pub fn speed(&self) -> u32 {
        self.pace.speed
    }

    /// Notes for `:stats` that the port failed to read.
    pub fn note_port_error(&mut self) {
        self.stats.count_port_error();
    }

    /// Takes a byte that has arrived, and gives what is to be sent for it: its echo.
    pub fn input(&mut self, byte: u8) -> &str {
        const CTRL_S: u8 = 0x13;
        const CTRL_Q: u8 = 0x11;
        self.output.clear();
        self.quiet.end();
        if byte == CTRL_S || byte == CTRL_Q {
            // Only text can wait.
            self.pace.is_paused = byte == CTRL_S && matches!(self.program, Program::Poet(_));
            return "";
        }
        match self.editor.input(byte, self.output) {
            Event::Enter => self.task = Task::Line,
            Event::Redraw => {
                let bytes = PROMPT.len() + self.editor.line().len();
                self.output.rewrite_line(bytes).str(PROMPT);
                self.task = Task::Redraw(0);
            }
            // Whoever types a command has given the snapshot up.
            Event::Character(character) if self.load.is_given_up(character) => {
                self.editor.clear();
                self.editor.input(character, self.output);
            }
            Event::Character(character) => {
                self.load.push(character, &mut self.program, self.output);
            }
            Event::Edited => {
                let line = self.editor.line().trim_ascii_start();
                if self.editor.is_open() && line == LOAD && !self.editor.hands_on() {
                    self.editor.hand_on();
                    self.load = Load::new();
                }
            }
        }
        self.output.as_str()
    }

    /// Goes on with what there is to do, a character of text at most.
    pub fn step(&mut self, board: &mut impl Board) -> Step<'_> {
        self.output.clear();
        match self.task {
            Task::Text => {
                if !self.text(board) {
                    return Step::Idle;
                }
            }
            Task::Info(line) => self.info(line, &board.memory()),
            Task::Stats => {
                let is_sensor = self.program.sensor_steps().is_some();
                info::stats(&self.stats, is_sensor, &Figures::of(board), self.output);
                self.end_line();
            }
            Task::Bench(_) => self.bench(board),
            _ => match self.program.sensor_steps() {
                Some(before) => {
                    let start = board.ticks();
                    self.work();
                    let steps = self.program.sensor_steps().unwrap_or(before);
                    if steps != before {
                        self.count(steps.wrapping_sub(before), start, board);
                    }
                }
                None => self.work(),
            },
        }
        match self.output.as_str() {
            "" => Step::Busy,
            text => Step::Send(text),
        }
    }

    /// Writes a character, if it is time for one.
    fn text(&mut self, board: &mut impl Board) -> bool {
        let start = board.ticks();
        let quiet = self.quiet.until(start);
        let second = board.ticks_per_second();
        if self.editor.is_open() {
            if quiet < u64::from(second) * u64::from(PATIENCE) {
                return false;
            }
            self.editor.clear();
            self.output.remark("no key for ").number(PATIENCE.into());
            self.output.str(" s: the line is dropped").end();
            return true;
        }
        let Program::Poet(poet) = &mut self.program else {
            return false;
        };
        let is_after_line = self.is_after_line && quiet < u64::from(second / PASTE);
        if self.pace.is_paused || is_after_line || !self.pace.is_due(start, second) {
            return false;
        }
        let character = poet.write();
        self.output.push(character);
        self.is_after_line = false;
        self.count(1, start, board);
        true
    }

    /// Counts characters or steps, which have taken the time since then.
    fn count(&mut self, characters: u32, start: u32, board: &mut impl Board) {
        let ticks = board.ticks().wrapping_sub(start);
        self.stats.count(characters, ticks);
    }

    /// A step of what needs no board.
    #[inline(never)]
    fn work(&mut self) {
        match &mut self.task {
            Task::Start => {
                if let Program::Poet(poet) = &mut self.program {
                    poet.restart();
                }
                self.task = Task::Banner;
            }
            Task::Banner => {
                info::banner(&self.program, self.output);
                if self.pace.is_paused {
                    info::paused(self.output);
                }
                self.task = Task::Text;
            }
            Task::Line => self.run_line(),
            Task::Break => {
                if let Program::Poet(poet) = &mut self.program {
                    poet.read('\n');
                }
                self.task = Task::Prime(Prime::default());
            }
            Task::Prime(line) => match &mut self.program {
                Program::Poet(poet) if line.at < self.editor.line().len() => {
                    let rest = self.editor.line().get(line.at..).unwrap_or_default();
                    let (bytes, character) = next_of_line(poet, rest);
                    line.at += bytes;
                    if character != '\n' && !poet.knows(character) {
                        if line.unknown == 0 {
                            line.first = character;
                        }
                        line.unknown += 1;
                    }
                    poet.read(character);
                }
                _ => {
                    let (unknown, first) = (line.unknown, line.first);
                    self.end_prime(unknown, first);
                }
            },
            Task::Redraw(at) => {
                let rest = self.editor.line().get(*at..).unwrap_or_default();
                let piece = beginning(rest);
                *at += piece.len();
                self.output.str(piece);
                if piece.is_empty() {
                    // Over the character that is gone, which took two columns at most.
                    self.output.str("  \x08\x08");
                    self.task = Task::Text;
                }
            }
            Task::Help(next) => {
                let line = HELP.get(usize::from(*next));
                *next += 1;
                match line {
                    Some(line) => self.output.remark(line).end(),
                    None => self.end_line(),
                }
            }
            Task::Save(next) => {
                let chunk = self.program.saved().chunks(CHUNK_BYTES).nth(*next);
                *next += 1;
                match chunk {
                    Some(chunk) => {
                        self.output.str(&encode(chunk));
                    }
                    None => {
                        self.output.end();
                        self.end_line();
                    }
                }
            }
            Task::SelfTest(test) => match &mut self.program {
                Program::Poet(poet) => {
                    if test.step(poet, self.region, self.output) {
                        self.end_line();
                    }
                }
                // Has a test of its own.
                #[cfg(feature = "sensor")]
                Program::Sensor(_) => self.end_line(),
                Program::Nothing(error) => {
                    self.output.remark("selftest FAIL: ");
                    no_model(error, self.output);
                    self.end_line();
                }
            },
            #[cfg(feature = "sensor")]
            Task::Sensor(task) => {
                let next = match &mut self.program {
                    Program::Sensor(sensor) => sensor.work(task, self.region, self.output),
                    _ => None,
                };
                match next {
                    Some(next) => self.task = Task::Sensor(next),
                    None => self.end_line(),
                }
            }
            Task::Text | Task::Info(_) | Task::Stats | Task::Bench(_) => {}
        }
    }

    /// The model has read the line, in which so many characters were not of its alphabet.
    fn end_prime(&mut self, unknown: u32, first: char) {
        if unknown > 0 {
            self.output.remark("found ").number(unknown.into());
            self.output.str(" characters that the model lacks, first ");
            self.output.push(first);
            self.output.str("; it read its symbol 0 instead").end();
        }
        self.is_after_line = true;
        self.end_line();
    }

    /// Done with the line.
    fn end_line(&mut self) {
        self.editor.clear();
        self.task = Task::Text;
    }

    /// Runs the line that has been typed, or starts to.
    fn run_line(&mut self) {
        self.task = Task::Text;
        let line = self.editor.line();
        if let Some(found) = self.editor.too_long() {
            self.output.remark("found a line of ").number(found as u64);
            self.output.str(" bytes, expected at most ");
            self.output.number(LONGEST_LINE as u64).end();
        } else if let Some(found) = self.editor.noise() {
            self.output.remark("found byte ").number(found.into());
            self.output.str(" in the line, expected UTF-8").end();
        } else if self.editor.hands_on() {
            if self.load.goes_on(&self.program, self.output) {
                return;
            }
            self.is_after_line = false;
            self.load.end(&mut self.program, self.output);
        } else if line.trim_ascii_start().starts_with(':') {
            self.is_after_line = false;
            self.task = command::run(line, &mut self.program, &mut self.pace, self.output);
        } else if line.is_empty() && self.editor.is_open() {
            self.output.start_line();
        } else if line.is_empty() && !self.is_after_line {
            self.task = Task::Banner;
        } else if let Program::Nothing(error) = &self.program {
            no_model(error, self.output.remark(""));
        } else {
            #[cfg(feature = "sensor")]
            if let Program::Sensor(sensor) = &mut self.program {
                self.output.start_line();
                if let Some(task) = sensor.line(line, self.output) {
                    self.task = Task::Sensor(task);
                }
                self.editor.clear();
                return;
            }
            if line.is_empty() {
                self.output.start_line();
            }
            self.task = match self.is_after_line {
                true => Task::Break,
                false => Task::Prime(Prime::default()),
            };
            return;
        }
        self.editor.clear();
    }

    /// The next line of `:info`.
    fn info(&mut self, line: u8, memory: &Memory) {
        let place = Place {
            region: self.region.len(),
            copied: self.copied,
        };
        let of_text = (&place, &self.pace);
        match info::info(line, &mut self.program, of_text, memory, self.output) {
            true => self.task = Task::Info(line.wrapping_add(1)),
            false => self.end_line(),
        }
    }

    /// Writes a token that nobody sees. Before the first one it says what runs on what.
    #[inline(never)]
    fn bench(&mut self, board: &mut impl Board) {
        let is_done = match (&mut self.task, &mut self.program) {
            (Task::Bench(bench), Program::Poet(poet)) => bench.step(poet, board, self.output),
            _ => true,
        };
        if is_done {
            self.end_line();
        }
    }
}

/// The next character for the model to read, and its bytes in the line: `\\n` stands for a line break.
fn next_of_line(poet: &Poet<'_, '_>, rest: &str) -> (usize, char) {
    const LINE_BREAK: &str = "\\n";
    if rest.starts_with(LINE_BREAK) && !poet.knows('\\') {
        return (LINE_BREAK.len(), '\n');
    }
    let character = rest.chars().next().unwrap_or(' ');
    (character.len_utf8(), character)
}

/// A model of this region as far as there is room for it in RAM.
fn copy_of<'m>(model: Model<'m>, region: &[u8], ram: &'m mut [u8]) -> (Model<'m>, Copied) {
    let file = region.get(..model.file_bytes()).unwrap_or_default();
    if file.len() > ram.len() {
        return match model.with_network_in(ram) {
            Some(model) => (model, Copied::Network),
            None => (model, Copied::Nothing),
        };
    }
    let Some(copy) = ram.get_mut(..file.len()) else {
        return (model, Copied::Nothing);
    };
    copy.copy_from_slice(file);
    // The file is that of the model.
    match Model::from_bytes(copy) {
        Ok(copied) => (copied, Copied::Model),
        Err(_) => (model, Copied::Nothing),
    }
}
