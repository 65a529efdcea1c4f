//! A model that reads values: what a line of numbers does, and what is answered.

mod command;
mod line;
mod selftest;
mod snapshot;

pub(crate) use command::COMMANDS;
pub(crate) use selftest::SelfTest;

use lstm_core::{
    Error, Model, OutputHead, SensorSession, SensorWindow, WorkspaceError, WorkspaceSlices,
};

use crate::output::{Output, beginning};
use line::{Line, read};

/// A model that reads values: a line is a step.
pub(crate) struct Sensor<'s, 'm> {
    session: SensorSession<'m, WorkspaceSlices<'s>>,
    /// The numbers of a line; then the values that the model gives.
    numbers: &'s mut [f32],
    /// How many of them earlier lines of this step have given.
    filled: usize,
    window: Option<SensorWindow<'s>>,
    /// The words that are left over.
    snapshot: &'s mut [u8],
    /// Steps that the network has made.
    steps: u32,
    no_text: Error,
}

/// What the next step of the console is part of.
pub(crate) enum Task {
    /// The network reads the window, from this step of it on.
    Window(usize),
    /// The values are told, from this one on.
    Values(usize),
    /// These lines come next.
    Help(usize),
    Input(usize),
    SelfTest(SelfTest),
}

impl<'s, 'm> Sensor<'s, 'm> {
    /// At the zero state, with an empty window.
    ///
    /// `words` and `logits` are those of a workspace. Behind the words of the model come a line's numbers, the
    /// window, and a snapshot.
    ///
    /// # Errors
    ///
    /// The model needs a larger workspace.
    pub(crate) fn new(
        model: Model<'m>,
        words: &'s mut [u32],
        logits: &'s mut [u32],
    ) -> Result<Self, Error> {
        let (found, used) = (words.len(), model.workspace_words());
        let count = model.num_channels().max(model.num_outputs());
        let window = model.window().filter(|&length| length > 0);
        let columns = window.map_or(0, |length| model.window_words(length));
        let expected = used.saturating_add(count).saturating_add(columns);
        let too_few = WorkspaceError::Words { found, expected };
        let (words, rest) = words.split_at_mut_checked(used).ok_or(too_few)?;
        let (numbers, rest) = rest.split_at_mut_checked(count).ok_or(too_few)?;
        let (columns, rest) = rest.split_at_mut_checked(columns).ok_or(too_few)?;
        let window = window.map(|length| SensorWindow::new(&model, columns, length, length));
        Ok(Sensor {
            window: window.transpose()?,
            session: SensorSession::new(model, WorkspaceSlices::new(words, logits))?,
            numbers: bytemuck::cast_slice_mut(numbers),
            filled: 0,
            snapshot: bytemuck::cast_slice_mut(rest),
            steps: 0,
            no_text: Error::Workspace(WorkspaceError::ReadsValues {
                found: model.num_channels(),
            }),
        })
    }

    /// The model.
    pub(crate) fn model(&self) -> &Model<'m> {
        self.session.model()
    }

    /// Steps that the network has made since the start.
    pub(crate) fn steps(&self) -> u32 {
        self.steps
    }

    /// Why it writes no text.
    pub(crate) fn no_text(&self) -> &Error {
        &self.no_text
    }

    /// A new sequence.
    fn restart(&mut self) {
        self.session.reset();
        self.filled = 0;
        if let Some(window) = &mut self.window {
            window.clear();
        }
    }

    /// What it reads and gives, after the model's name.
    pub(crate) fn tell(&self, output: &mut Output) {
        let model = self.model();
        output.str(", ").number(model.num_channels() as u64);
        output.str(" channels, ").number(model.num_outputs() as u64);
        output.str(match model.head() {
            OutputHead::Values { .. } => " values",
            _ => " classes",
        });
        if let Some(window) = &self.window {
            output.str(", window ").number(window.length() as u64);
        }
    }

    /// What the layers after the recurrent ones are.
    pub(crate) fn tell_layers(&self, output: &mut Output) {
        for shape in self.model().dense_layers() {
            output.str(", dense ").number(shape.width.into());
            output.str(" ").str(shape.activation.name());
        }
    }

    /// Takes a line of numbers. What is wrong with it, it says; then nothing changes, but a step of several lines begins anew, so
    /// that a lost line does not shift all steps that follow.
    pub(crate) fn line(&mut self, text: &str, output: &mut Output) -> Option<Task> {
        let expected = self.model().num_channels();
        let numbers = self.numbers.get_mut(..expected).unwrap_or_default();
        let filled = core::mem::take(&mut self.filled);
        match read(text, numbers, filled) {
            Line::Step => self.step(output),
            Line::GoesOn(filled) => {
                self.filled = filled;
                None
            }
            Line::NoNumber { place, found } => {
                output.remark("found ").str(beginning(found));
                output.str(" as number ").number(place as u64);
                output.str(", expected one such as -12.5 or 1e-3").end();
                None
            }
            Line::Count(found) => {
                output.remark("found ").number(found as u64);
                output.str(" numbers, expected ");
                output.number(expected as u64).end();
                None
            }
        }
    }

    /// The numbers are a step.
    fn step(&mut self, output: &mut Output) -> Option<Task> {
        let numbers = self.numbers.get(..self.model().num_channels());
        let numbers = numbers.unwrap_or_default();
        if let Some(window) = &mut self.window {
            // There are as many numbers as channels.
            let is_due = window.append(&self.session, numbers).unwrap_or(false);
            return is_due.then_some(Task::Window(0));
        }
        self.steps = self.steps.wrapping_add(1);
        let head = self.model().head();
        let step = self.session.step(numbers).ok()?;
        answer(&step, head, self.numbers, output)
    }

    /// The network reads a step of the window; after the last it answers.
    fn window_step(&mut self, at: usize, output: &mut Output) -> Option<Task> {
        let (window, head) = (self.window.as_ref()?, self.session.model().head());
        self.steps = self.steps.wrapping_add(1);
        match window.run_step(&mut self.session, at) {
            Some(step) => answer(&step, head, self.numbers, output),
            None => (at + 1 < window.length()).then_some(Task::Window(at + 1)),
        }
    }
}

/// Says what the network has given: the likeliest class with its probability, or values, whose first lines come
/// next.
fn answer(
    given: &lstm_core::Output<'_>,
    head: OutputHead<'_>,
    numbers: &mut [f32],
    output: &mut Output,
) -> Option<Task> {
    if let OutputHead::Values { .. } = head {
        for (number, value) in numbers.iter_mut().zip(given.values()) {
            *number = value;
        }
        return Some(Task::Values(0));
    }
    let class = given.class();
    let name = head.names().nth(class).unwrap_or_default();
    output.remark(beginning(name)).str(" ");
    output.hundredths(given.probability_q15(class)).end();
    None
}
