//! The commands of a console whose model reads values.

use lstm_core::OutputHead;

use super::{SelfTest, Sensor, Task};
use crate::{
    commands::{self, A_COMMAND, Expected},
    number::whole,
    output::Output,
};

/// The most steps from answer to answer.
const MAX_STRIDE: usize = 65535;

/// Every command but those that need a board.
pub(crate) const COMMANDS: [&str; 9] = [
    ":help",
    ":info",
    ":input",
    ":load",
    ":reset",
    ":save",
    ":selftest",
    ":stats",
    ":stride",
];

/// What `:help` says, a line each.
const HELP: [&str; 12] = [
    "type a line of numbers, blanks or commas between them: a step of the sequence",
    "a line that ends with a comma goes on in the next",
    "the answer is a line: class and probability, or values; of a window at its end",
    ":input      what a line must hold, and what is answered",
    ":reset      a new sequence: the zero state, an empty window",
    ":stride 1   steps from answer to answer of a window, 1 to 65535",
    ":info       model, memory",
    ":stats      steps, ticks, losses",
    ":selftest   checksum, golden outputs, state",
    ":save       the state as a line, for any board",
    ":load ...   takes such a line back",
    "Ctrl-C and Ctrl-U drop the line",
];

/// Values of an answer that are sent at once.
const VALUES: usize = 8;

impl Sensor<'_, '_> {
    /// Runs a command of its own; what is to be done next, or what was expected.
    pub(crate) fn command(
        &mut self,
        name: &str,
        argument: Option<&str>,
        output: &mut Output,
    ) -> Result<Option<Task>, Expected> {
        match (name, argument) {
            (":help", None) => Ok(Some(Task::Help(0))),
            (":input", None) => Ok(Some(Task::Input(0))),
            (":selftest", None) => Ok(Some(Task::SelfTest(SelfTest::new()))),
            (":reset", None) => {
                self.restart();
                Ok(None)
            }
            (":stride", argument) => {
                let Some(window) = &mut self.window else {
                    return Err("a model with a window");
                };
                if let Some(argument) = argument {
                    let stride = whole(argument)
                        .and_then(|stride| usize::try_from(stride).ok())
                        .filter(|stride| (1..=MAX_STRIDE).contains(stride))
                        .ok_or(":stride 1 to 65535")?;
                    window
                        .set_stride(stride)
                        .map_err(|_| ":stride 1 to 65535")?;
                }
                let stride = window.stride() as u64;
                output.remark("stride ").number(stride).end();
                Ok(None)
            }
            (":help" | ":input" | ":selftest" | ":reset", Some(_)) => Err("the command alone"),
            _ if commands::COMMANDS.contains(&name) => Err("a command of :help: it writes no text"),
            _ => Err(A_COMMAND),
        }
    }

    /// Goes on with what is at work; what is to be done next.
    pub(crate) fn work(
        &mut self,
        task: &mut Task,
        region: &[u8],
        output: &mut Output,
    ) -> Option<Task> {
        match task {
            Task::Window(at) => self.window_step(*at, output),
            Task::Values(at) => self.values(*at, output),
            Task::Help(at) => {
                let line = HELP.get(*at)?;
                output.remark(line).end();
                Some(Task::Help(*at + 1))
            }
            Task::Input(at) => self.input(*at, output),
            Task::SelfTest(test) => match test.step(self, region, output) {
                true => Some(Task::SelfTest(core::mem::replace(test, SelfTest::new()))),
                false => None,
            },
        }
    }

    /// Tells some of the values that the model has given.
    fn values(&mut self, at: usize, output: &mut Output) -> Option<Task> {
        let values = self.numbers.get(..self.model().num_outputs())?;
        if at == 0 {
            output.remark("");
        }
        let end = values.len().min(at + VALUES);
        for (place, &value) in (at..end).zip(values.get(at..end)?) {
            if place > 0 {
                output.str(" ");
            }
            output.real(value);
        }
        if end < values.len() {
            return Some(Task::Values(end));
        }
        output.end();
        None
    }

    /// What a line must hold, then what is answered; a name a line.
    fn input(&mut self, at: usize, output: &mut Output) -> Option<Task> {
        let model = self.model();
        let channels = model.num_channels();
        let named = |name: &&str| !name.is_empty();
        if at == 0 {
            output.remark("a line is a step: ").number(channels as u64);
            output.str(" numbers, blanks or commas between them").end();
        } else if at <= channels {
            // One without a name takes no line.
            if let Some(name) = model.channels().nth(at - 1).filter(named) {
                output.remark("number ").number(at as u64);
                output.str(": ").str(name).end();
            }
        } else if at == channels + 1 {
            match &self.window {
                Some(window) => {
                    output.remark("of the last ").number(window.length() as u64);
                    output.str(" steps, every ").number(window.stride() as u64);
                    output.str(", it tells ");
                }
                None => {
                    output.remark("of each step it tells ");
                }
            }
            match model.head() {
                OutputHead::Values { .. } => {
                    output.number(model.num_outputs() as u64).str(" values")
                }
                _ => output
                    .str("the class, one of ")
                    .number(model.num_outputs() as u64),
            };
            output.end();
        } else {
            let name = model.head().names().nth(at - channels - 2)?;
            if !name.is_empty() {
                output.remark("  ").str(name).end();
            }
        }
        Some(Task::Input(at + 1))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn help_tells_of_every_command_and_of_no_other() {
        let words = HELP.iter().flat_map(|line| line.split([' ', ';']));
        let told: BTreeSet<_> = words.filter(|word| word.starts_with(':')).collect();
        let others = COMMANDS.into_iter().filter(|&command| command != ":help");
        assert_eq!(told, others.collect());
        assert!(HELP.iter().all(|line| line.len() < 80));
    }
}
