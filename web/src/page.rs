//! A model at work in the page.

use firmware_app::{Console, Memory, Ram, Step};
use lstm_core::{Format, LayerShape, MAX_HIDDEN, MAX_LAYERS, Model, Token, workspace_words};
use static_cell::ConstStaticCell;

use crate::{browser::Browser, units};

/// Room for every model that the file format can describe, and for its snapshots.
const WORDS: usize = {
    let widest = LayerShape::lstm(MAX_HIDDEN as u16).project(MAX_HIDDEN as u16);
    2 * workspace_words(Format::F32, &[widest; MAX_LAYERS])
};

static RAM: ConstStaticCell<Ram<WORDS>> = ConstStaticCell::new(Ram::new());

/// What a step has done.
#[derive(Clone, Copy)]
pub(crate) enum Done {
    /// Nothing: it waits for a byte, or for the time of the next character.
    Nothing = 0,
    /// Something that shows nothing.
    Work = 1,
    /// The console has said something.
    Said = 2,
    /// The model has written a character.
    Wrote = 3,
    /// The model has read a character of a typed line.
    Read = 4,
}

pub(crate) struct Page {
    pub(crate) console: Console<'static, 'static>,
    browser: Browser,
}

impl Page {
    /// A console for the model in `file`, of a program of so many bytes; `None` if there has been one.
    pub(crate) fn new(file: &'static [u8], code: u32) -> Option<Self> {
        let ram = RAM.try_take()?;
        let memory = Memory {
            code,
            variables: size_of::<Ram<WORDS>>() as u32,
            ..Memory::default()
        };
        Some(Page {
            console: Console::new(Model::from_bytes(file), file, ram),
            browser: Browser { memory },
        })
    }

    /// Goes on with what there is to do. Calls `text` with what is to be shown of it.
    pub(crate) fn step(&mut self, text: impl FnOnce(&str)) -> Done {
        let before = self.written();
        let was_listening = self.console.is_listening();
        let was_reading = self.console.is_reading();
        let step = self.console.step(&mut self.browser);
        let said = match step {
            Step::Idle => return Done::Nothing,
            Step::Busy => false,
            Step::Send(sent) => {
                text(sent);
                true
            }
        };
        match said {
            true if was_listening && self.written() != before => Done::Wrote,
            true => Done::Said,
            false if was_reading && self.console.is_reading() => Done::Read,
            false => Done::Work,
        }
    }

    /// Characters that the model has written; 0 without a model.
    pub(crate) fn written(&mut self) -> u64 {
        let poet = self.console.poet();
        poet.map_or(0, |poet| poet.generator().written())
    }

    /// The last character that the model has read or written.
    pub(crate) fn last(&mut self) -> Option<char> {
        let poet = self.console.poet().ok()?;
        let token: Token = poet.generator().last_token()?;
        Some(poet.model().alphabet().decode(token))
    }

    /// See [`units::write`].
    pub(crate) fn units(&mut self, to: &mut [u8]) -> usize {
        let poet = self.console.poet();
        poet.map_or(0, |poet| units::write(poet.generator().session(), to))
    }
}
