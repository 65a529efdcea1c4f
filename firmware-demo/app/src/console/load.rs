//! A snapshot that is typed.

use core::fmt;

use lstm_core::SnapshotError;

use crate::{
    base64::{Decoder, TextError},
    output::Output,
    program::Program,
    told::no_model,
};

/// Starts a line that is a snapshot, here and on the host.
pub(super) const LOAD: &str = ":load ";

/// A snapshot that is being typed.
pub(super) struct Load {
    decoder: Decoder,
    /// The first error in it.
    error: Option<TextError>,
    /// Whether a blank came after it.
    is_over: bool,
    line: Line,
}

/// A line of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// The first, with nothing of the snapshot yet.
    First,
    /// There is something of the snapshot in it.
    Begun,
    /// A later one, with nothing of the snapshot yet.
    Next,
}

/// Why it was refused.
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

impl Load {
    /// Nothing of it yet.
    pub(super) fn new() -> Self {
        Load {
            decoder: Decoder::new(),
            error: None,
            is_over: false,
            line: Line::First,
        }
    }

    /// Whether this character gives the snapshot up: who types it where a line may go on begins a command.
    pub(super) fn is_given_up(&self, character: u8) -> bool {
        character == b':' && self.line == Line::Next
    }

    /// Takes a character, and echoes it.
    pub(super) fn push(
        &mut self,
        character: u8,
        program: &mut Program<'_, '_>,
        output: &mut Output,
    ) {
        if character.is_ascii() {
            output.push(character.into());
        }
        if character == b' ' {
            self.is_over = true;
            return;
        }
        self.line = Line::Begun;
        let character = match self.is_over {
            true => b' ',
            false => character,
        };
        if program.model().is_ok() && self.error.is_none() {
            let pushed = self.decoder.push(character, program.snapshot_room());
            self.error = pushed.err();
        }
    }

    /// Whether it goes on in the next line, as one that was copied from a narrow terminal does. A line with
    /// nothing of it ends it.
    pub(super) fn goes_on(&mut self, program: &Program<'_, '_>, output: &mut Output) -> bool {
        let (found, expected) = (self.decoder.bytes(), program.snapshot_bytes());
        let is_begun = self.line == Line::Begun;
        self.line = Line::Next;
        if !is_begun || self.error.is_some() || found >= expected {
            return false;
        }
        self.is_over = false;
        output.remark("found ").number(found as u64);
        output.str(" of ").number(expected as u64);
        output
            .str(" bytes; the next line goes on, an empty one ends")
            .end();
        true
    }

    /// It has been typed: the program goes on from it, if it is one.
    pub(super) fn end(&mut self, program: &mut Program<'_, '_>, output: &mut Output) {
        if let Program::Nothing(error) = program {
            return no_model(error, output.remark(""));
        }
        let bytes = match self.error {
            Some(error) => Err(error),
            None => self.decoder.finish(program.snapshot_room()),
        };
        let loaded = match bytes {
            Ok(bytes) => program.restore(bytes).map_err(LoadError::Snapshot),
            Err(error) => Err(LoadError::Text(error)),
        };
        match loaded {
            Ok(()) => {
                output.remark("state loaded");
                if let Program::Poet(poet) = program {
                    let position = poet.generator().written();
                    output.str(": after ").number(position);
                    output.str(" characters");
                }
                output.end();
            }
            Err(error) => output.remark("state not loaded: ").error(&error).end(),
        }
    }
}
