use core::fmt;

use lstm_core::{Error, MAX_SYMBOLS, Model, ModelError, SnapshotError, Workspace};

#[cfg(feature = "sensor")]
use crate::sensor;
use crate::{
    Board, Memory,
    base64::{CHUNK_BYTES, Decoder, TextError, encode},
    bench::Bench,
    commands::{A_COMMAND, COMMANDS, HELP, nearest},
    editor::{Editor, Event, LONGEST_LINE, PROMPT},
    number::{decimal, whole},
    output::{Output, beginning},
    poet::Poet,
    program::Program,
    selftest::{SelfTest, no_room},
    told::{name, no_model, pace},
};

/// Starts a line that is a snapshot, here and on the host.
const LOAD: &str = ":load ";
/// The most characters a second that `:speed` takes.
const FASTEST: u32 = 100_000;
const PAUSED: &str = "paused; :resume goes on";
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
    editor: &'s mut Editor,
    output: &'s mut Output,
    task: Task,
    /// The snapshot that is being typed.
    decoder: Decoder,
    /// The first error in it.
    load_error: Option<TextError>,
    /// Whether a blank came behind it.
    load_is_over: bool,
    load_line: LoadLine,
    /// Whether the model has read a line, and nothing has been written since.
    is_after_line: bool,
    quiet: Quiet,
    is_paused: bool,
    /// Whether the model runs from a copy in RAM.
    is_copied: bool,
    /// Characters a second; 0 as fast as it can.
    speed: u32,
    /// When the last character was due.
    last_due: u32,
    stats: Stats,
}

/// For how long no byte has come.
#[derive(Default)]
struct Quiet {
    ticks: u64,
    /// When that was.
    then: u32,
    /// A byte has come since.
    is_over: bool,
}

impl Quiet {
    /// Ticks until now.
    fn until(&mut self, now: u32) -> u64 {
        match core::mem::take(&mut self.is_over) {
            true => self.ticks = 0,
            false => self.ticks += u64::from(now.wrapping_sub(self.then)),
        }
        self.then = now;
        self.ticks
    }
}

/// A line of a typed snapshot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoadLine {
    /// The first, with nothing of the snapshot yet.
    First,
    /// There is something of the snapshot in it.
    Begun,
    /// A later one, with nothing of the snapshot yet.
    Next,
}

/// Why a typed snapshot was refused.
enum LoadError {
    Text(TextError),
    Snapshot(SnapshotError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Text(error) => error.fmt(f),
            LoadError::Snapshot(error) => error.fmt(f),
        }
    }
}

/// What the next step is part of.
enum Task {
    /// The text.
    Text,
    /// The model reads its prompt.
    Start,
    Banner,
    /// A line has been typed.
    Line,
    /// The model reads the end of the line before.
    Break,
    /// The model reads the line.
    Prime(Prime),
    /// The line is shown anew, from here.
    Redraw(usize),
    /// These lines come next.
    Help(u8),
    Info(u8),
    Stats,
    /// The snapshot goes on from this chunk.
    Save(usize),
    SelfTest(SelfTest),
    Bench(Bench),
    /// What a model that reads values does.
    #[cfg(feature = "sensor")]
    Sensor(sensor::Task),
}

/// How far the model has read a line.
#[derive(Default)]
struct Prime {
    /// Bytes.
    at: usize,
    /// Characters so far that the alphabet lacks, and the first of them.
    unknown: u32,
    first: char,
}

#[derive(Default)]
struct Stats {
    /// Characters written, or steps of a model that reads values.
    characters: u32,
    ticks: u64,
    port_errors: u32,
}

/// What a board says of itself.
struct Figures {
    memory: Memory,
    lost_bytes: u32,
    port_errors: u32,
    ticks_per_second: u32,
    tick_unit: &'static str,
}

impl Figures {
    fn of(board: &mut impl Board) -> Self {
        Figures {
            memory: board.memory(),
            lost_bytes: board.lost_bytes(),
            port_errors: board.port_errors(),
            ticks_per_second: board.ticks_per_second(),
            tick_unit: board.tick_unit(),
        }
    }
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
            editor: &mut ram.buffers.editor,
            output: &mut ram.buffers.output,
            task: Task::Start,
            decoder: Decoder::new(),
            load_error: None,
            load_is_over: false,
            load_line: LoadLine::First,
            is_after_line: false,
            quiet: Quiet::default(),
            is_paused: false,
            is_copied: false,
            speed: 0,
            last_due: 0,
            stats: Stats::default(),
        }
    }

    /// A console for the model that is found in `region`, and runs from `copy`, which is faster to read,
    /// if it fits.
    pub fn copied<const WORDS: usize>(
        region: &'m [u8],
        copy: &'m mut [u8],
        ram: &'s mut Ram<WORDS>,
    ) -> Self {
        let model = Model::from_region(region);
        let bytes = model.as_ref().map_or(0, Model::file_bytes);
        let (model, is_copied) = match (region.get(..bytes), copy.get_mut(..bytes)) {
            (Some(file), Some(copy)) if bytes > 0 => {
                copy.copy_from_slice(file);
                (Model::from_bytes(copy), true)
            }
            _ => (model, false),
        };
        Console {
            is_copied,
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
    /// behind it are to wait.
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
        self.is_paused
    }

    /// Characters a second; 0 as fast as it can.
    pub fn speed(&self) -> u32 {
        self.speed
    }

    /// Notes for `:stats` that the port failed to read.
    pub fn note_port_error(&mut self) {
        self.stats.port_errors = self.stats.port_errors.saturating_add(1);
    }

    /// Takes a byte that has arrived, and gives what is to be sent for it: its echo.
    pub fn input(&mut self, byte: u8) -> &str {
        const CTRL_S: u8 = 0x13;
        const CTRL_Q: u8 = 0x11;
        self.output.clear();
        self.quiet.is_over = true;
        if byte == CTRL_S || byte == CTRL_Q {
            self.is_paused = byte == CTRL_S;
            return "";
        }
        match self.editor.input(byte, self.output) {
            Event::Enter => self.task = Task::Line,
            Event::Redraw => {
                let bytes = PROMPT.len() + self.editor.line().len();
                self.output.rewrite_line(bytes).str(PROMPT);
                self.task = Task::Redraw(0);
            }
            Event::Character(character) => self.load(character),
            Event::Edited => {
                let line = self.editor.line().trim_ascii_start();
                if self.editor.is_open() && line == LOAD && !self.editor.hands_on() {
                    self.editor.hand_on();
                    self.decoder = Decoder::new();
                    self.load_error = None;
                    self.load_is_over = false;
                    self.load_line = LoadLine::First;
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
            Task::Info(line) => {
                let figures = Figures::of(board);
                self.info(line, &figures);
            }
            Task::Stats => {
                let figures = Figures::of(board);
                self.stats(&figures);
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
        if self.is_paused || self.is_after_line && quiet < u64::from(second / PASTE) {
            return false;
        }
        // None is as fast as it can.
        if let Some(interval) = second.checked_div(self.speed) {
            let late = start.wrapping_sub(self.last_due);
            if late < interval {
                return false;
            }
            // What cannot be caught up with a character is let go.
            let on_time = late < interval.saturating_mul(2);
            self.last_due = match on_time {
                true => self.last_due.wrapping_add(interval),
                false => start,
            };
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
        self.stats.ticks = self.stats.ticks.wrapping_add(ticks.into());
        self.stats.characters = self.stats.characters.wrapping_add(characters);
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
                self.banner();
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

    fn banner(&mut self) {
        match self.program.model() {
            Ok(model) => {
                name(model, self.output);
                #[cfg(feature = "sensor")]
                if let Program::Sensor(sensor) = &self.program {
                    sensor.tell(self.output);
                }
                self.output.str("; type :help").end();
            }
            Err(error) => no_model(error, self.output.remark("")),
        }
        if self.is_paused {
            self.output.remark(PAUSED).end();
        }
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
            if self.goes_on() {
                return;
            }
            self.is_after_line = false;
            self.end_load();
        } else if line.trim_ascii_start().starts_with(':') {
            self.is_after_line = false;
            self.run_command();
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

    /// The line is a command.
    fn run_command(&mut self) {
        self.output.start_line();
        let line = self.editor.line().trim_ascii();
        let (name, argument) = match line.bytes().position(|byte| byte == b' ') {
            Some(space) => {
                let (name, argument) = line.split_at_checked(space).unwrap_or_default();
                (name, Some(argument.trim_ascii_start()))
            }
            None => (line, None),
        };
        #[cfg(feature = "sensor")]
        let commands = match &self.program {
            Program::Sensor(_) => &sensor::COMMANDS[..],
            _ => &COMMANDS,
        };
        #[cfg(not(feature = "sensor"))]
        let commands = &COMMANDS;
        let result = match (name, argument) {
            (":info", None) => Ok(Task::Info(0)),
            (":stats", None) => Ok(Task::Stats),
            (":save", None) if self.program.model().is_ok() => match self.program.save() {
                Ok(()) => {
                    self.output.str(LOAD);
                    Ok(Task::Save(0))
                }
                Err(error) => {
                    no_room(&error, self.output.remark(""));
                    Ok(Task::Text)
                }
            },
            (":load", _) => Err(":load and a state that :save has shown"),
            (":info" | ":stats" | ":save", Some(_)) => Err("the command alone"),
            #[cfg(feature = "sensor")]
            _ if let Program::Sensor(sensor) = &mut self.program => sensor
                .command(name, argument, self.output)
                .map(|task| task.map_or(Task::Text, Task::Sensor)),
            (":help", None) => Ok(Task::Help(0)),
            (":selftest", None) => Ok(Task::SelfTest(SelfTest::new())),
            (":pause", None) => {
                self.is_paused = true;
                self.output.remark(PAUSED).end();
                Ok(Task::Text)
            }
            (":resume", None) => {
                self.is_paused = false;
                Ok(Task::Text)
            }
            (":speed", argument) => {
                let speed = match argument {
                    Some(argument) => whole(argument).filter(|&speed| speed <= FASTEST.into()),
                    None => Some(self.speed.into()),
                };
                match speed {
                    Some(speed) => {
                        self.speed = speed as u32;
                        self.output.remark("speed ").number(speed).end();
                        Ok(Task::Text)
                    }
                    None => Err(":speed 0 to 100000"),
                }
            }
            (":help" | ":selftest" | ":pause" | ":resume", Some(_)) => Err("the command alone"),
            (":temp" | ":topk" | ":topp" | ":seed" | ":reset" | ":bench" | ":save", _) => {
                match &mut self.program {
                    Program::Poet(poet) => command_of_poet(poet, name, argument, self.output),
                    #[cfg(feature = "sensor")]
                    Program::Sensor(_) => Ok(Task::Text),
                    Program::Nothing(error) => {
                        no_model(error, self.output.remark(""));
                        Ok(Task::Text)
                    }
                }
            }
            _ => Err(A_COMMAND),
        };
        match result {
            // Help and the others need the line no longer.
            Ok(task) => self.task = task,
            Err(expected) => {
                self.output.remark("found ").str(beginning(line));
                self.output.str(", expected ").str(expected);
                if expected == A_COMMAND
                    && let Some(nearest) = nearest(name, commands)
                {
                    self.output.str("; did you mean ").str(nearest).str("?");
                }
                self.output.end();
            }
        }
    }

    /// Takes a character of a snapshot.
    fn load(&mut self, character: u8) {
        if character == b':' && self.load_line == LoadLine::Next {
            // Whoever types a command has given the snapshot up.
            self.editor.clear();
            self.editor.input(character, self.output);
            return;
        }
        if character.is_ascii() {
            self.output.push(character.into());
        }
        if character == b' ' {
            self.load_is_over = true;
            return;
        }
        self.load_line = LoadLine::Begun;
        let character = match self.load_is_over {
            true => b' ',
            false => character,
        };
        if self.program.model().is_ok() && self.load_error.is_none() {
            let pushed = self.decoder.push(character, self.program.snapshot_room());
            self.load_error = pushed.err();
        }
    }

    /// Whether a snapshot goes on in the next line, as one that was copied from a narrow terminal does. A
    /// line with nothing of it ends it.
    fn goes_on(&mut self) -> bool {
        let (found, expected) = (self.decoder.bytes(), self.program.snapshot_bytes());
        let is_begun = self.load_line == LoadLine::Begun;
        self.load_line = LoadLine::Next;
        if !is_begun || self.load_error.is_some() || found >= expected {
            return false;
        }
        self.load_is_over = false;
        self.output.remark("found ").number(found as u64);
        self.output.str(" of ").number(expected as u64);
        self.output
            .str(" bytes; the next line goes on, an empty one ends")
            .end();
        true
    }

    /// A snapshot has been typed.
    fn end_load(&mut self) {
        if let Program::Nothing(error) = &self.program {
            return no_model(error, self.output.remark(""));
        }
        let bytes = match self.load_error {
            Some(error) => Err(error),
            None => self.decoder.finish(self.program.snapshot_room()),
        };
        let loaded = match bytes {
            Ok(bytes) => self.program.restore(bytes).map_err(LoadError::Snapshot),
            Err(error) => Err(LoadError::Text(error)),
        };
        match loaded {
            Ok(()) => {
                self.output.remark("state loaded");
                if let Program::Poet(poet) = &mut self.program {
                    let position = poet.generator().written();
                    self.output.str(": after ").number(position);
                    self.output.str(" characters");
                }
                self.output.end();
            }
            Err(error) => self.output.remark("state not loaded: ").error(&error).end(),
        }
    }

    #[inline(never)]
    fn info(&mut self, line: u8, figures: &Figures) {
        self.task = Task::Info(line.wrapping_add(1));
        let (output, memory) = (&mut *self.output, figures.memory);
        match (line, self.program.model()) {
            (0, Ok(model)) => {
                name(model, output);
                match &self.program {
                    #[cfg(feature = "sensor")]
                    Program::Sensor(sensor) => sensor.tell(output),
                    _ => {
                        let symbols = model.alphabet().len() as u64;
                        output.str(", ").number(symbols).str(" symbols");
                    }
                }
                output.end();
            }
            (0, Err(error)) => no_model(error, output.remark("")),
            (1, Ok(model)) => {
                let version = model.format_version();
                output.remark("file format ").number(version.into());
                for shape in model.layers() {
                    output.str(", ").str(shape.cell.name()).str(" ");
                    output.number(shape.hidden.into());
                    if let Some(projection) = shape.projection {
                        output.str(" projected to ").number(projection.into());
                    }
                }
                #[cfg(feature = "sensor")]
                if let Program::Sensor(sensor) = &self.program {
                    sensor.tell_layers(output);
                }
                output.end();
            }
            (2, model) => {
                let model = model.map_or(0, |model| model.file_bytes());
                output.remark("flash: firmware ").number(memory.code.into());
                output.str(" bytes; model ").number(model as u64);
                output.str(" of ").number(self.region.len() as u64);
                output.str(" bytes");
                if self.is_copied {
                    output.str(", runs from a copy in RAM");
                }
                output.end();
            }
            (3, _) => {
                output
                    .remark("RAM: variables ")
                    .number(memory.variables.into());
                output.str(" bytes; stack ").number(memory.stack.into());
                output.str(" bytes");
                if let Some(high_water) = memory.stack_high_water {
                    output.str(", high water ").number(high_water.into());
                }
                output.end();
            }
            (4, Ok(_)) => {
                let Program::Poet(poet) = &mut self.program else {
                    return self.end_line();
                };
                let sampler = poet.generator().sampler();
                let settings = sampler.settings();
                output.remark("temperature ").decimal(settings.temperature);
                output.str(", top-k ").number(settings.top_k as u64);
                output.str(", top-p ").decimal(settings.top_p);
                output.str(", seed ").number(sampler.seed());
                output.str(", speed ").number(self.speed.into()).end();
            }
            (1 | 4, Err(_)) => {}
            _ => self.end_line(),
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

    #[inline(never)]
    fn stats(&mut self, figures: &Figures) {
        let (stats, output) = (&self.stats, &mut *self.output);
        let is_sensor = self.program.sensor_steps().is_some();
        let what = if is_sensor {
            " steps, "
        } else {
            " characters, "
        };
        pace(
            stats.characters,
            what,
            stats.ticks,
            (figures.tick_unit, figures.ticks_per_second),
            output,
        );
        output.str("; ").number(figures.lost_bytes.into());
        output.str(" bytes lost, ");
        let port_errors = stats.port_errors.saturating_add(figures.port_errors);
        output.number(port_errors.into());
        output.str(" port errors").end();
        self.end_line();
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

/// Runs a command that needs a model: what is to be done next, or what was expected.
fn command_of_poet(
    poet: &mut Poet<'_, '_>,
    name: &str,
    argument: Option<&str>,
    output: &mut Output,
) -> Result<Task, &'static str> {
    match (name, argument) {
        (":reset", None) => {
            poet.restart();
            return Ok(Task::Text);
        }
        (":bench", None) => return Ok(Task::Bench(Bench::new())),
        (":reset" | ":bench", Some(_)) => return Err("the command alone"),
        _ => {}
    }
    let sampler = poet.generator().sampler_mut();
    let mut settings = sampler.settings();
    if let Some(argument) = argument {
        let (value, expected) = match name {
            ":temp" => {
                let value = decimal(argument).map(|t| settings.temperature = t);
                (value, ":temp 0, or 0.01 to 100")
            }
            ":topk" => {
                let k = whole(argument).and_then(|k| k.try_into().ok());
                (k.map(|k| settings.top_k = k), ":topk 1 to 256")
            }
            ":topp" => {
                let value = decimal(argument).map(|p| settings.top_p = p);
                (value, ":topp above 0, to 1")
            }
            _ => {
                let seed = whole(argument);
                let value = seed.map(|seed| *sampler = sampler.clone().with_seed(seed));
                (value, ":seed 0 to 18446744073709551615")
            }
        };
        value.ok_or(expected)?;
        sampler.set(settings).map_err(|_| expected)?;
    }
    match name {
        ":temp" => output.remark("temperature ").decimal(settings.temperature),
        ":topk" => output.remark("top-k ").number(settings.top_k as u64),
        ":topp" => output.remark("top-p ").decimal(settings.top_p),
        _ => output.remark("seed ").number(sampler.seed()),
    }
    .end();
    Ok(Task::Text)
}
