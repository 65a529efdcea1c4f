//! A line that is a command.

#[cfg(feature = "sensor")]
use crate::sensor;
use crate::{
    bench::Bench,
    commands::{A_COMMAND, COMMANDS, nearest},
    number::{decimal, whole},
    output::{Output, beginning},
    poet::Poet,
    program::Program,
    selftest::{SelfTest, no_room},
    told::no_model,
};

use super::{info::paused, load::LOAD, pace::Pace, task::Task};

/// The most characters a second that `:speed` takes.
const FASTEST: u32 = 100_000;

/// Runs a command, or says what was expected; gives what is to be done next.
pub(super) fn run(
    line: &str,
    program: &mut Program<'_, '_>,
    pace: &mut Pace,
    output: &mut Output,
) -> Task {
    output.start_line();
    let line = line.trim_ascii();
    let (name, argument) = match line.bytes().position(|byte| byte == b' ') {
        Some(space) => {
            let (name, argument) = line.split_at_checked(space).unwrap_or_default();
            (name, Some(argument.trim_ascii_start()))
        }
        None => (line, None),
    };
    match choose((name, argument), program, pace, output) {
        Ok(task) => task,
        Err(expected) => {
            output.remark("found ").str(beginning(line));
            output.str(", expected ").str(expected);
            if expected == A_COMMAND
                && let Some(nearest) = nearest(name, commands_of(program))
            {
                output.str("; did you mean ").str(nearest).str("?");
            }
            output.end();
            Task::Text
        }
    }
}

/// The commands for what runs.
fn commands_of(program: &Program<'_, '_>) -> &'static [&'static str] {
    match program {
        #[cfg(feature = "sensor")]
        Program::Sensor(_) => &sensor::COMMANDS,
        _ => &COMMANDS,
    }
}

/// Runs a command that may be given whatever runs: what is to be done next, or what was expected.
fn choose(
    (name, argument): (&str, Option<&str>),
    program: &mut Program<'_, '_>,
    pace: &mut Pace,
    output: &mut Output,
) -> Result<Task, &'static str> {
    match (name, argument) {
        (":info", None) => Ok(Task::Info(0)),
        (":stats", None) => Ok(Task::Stats),
        (":save", None) if program.model().is_ok() => match program.save() {
            Ok(()) => {
                output.str(LOAD);
                Ok(Task::Save(0))
            }
            Err(error) => {
                no_room(&error, output.remark(""));
                Ok(Task::Text)
            }
        },
        (":load", _) => Err(":load and a state that :save has shown"),
        (":info" | ":stats" | ":save", Some(_)) => Err("the command alone"),
        #[cfg(feature = "sensor")]
        _ if let Program::Sensor(sensor) = program => sensor
            .command(name, argument, output)
            .map(|task| task.map_or(Task::Text, Task::Sensor)),
        (":help", None) => Ok(Task::Help(0)),
        (":selftest", None) => Ok(Task::SelfTest(SelfTest::new())),
        (":pause", None) => {
            pace.is_paused = true;
            paused(output);
            Ok(Task::Text)
        }
        (":resume", None) => {
            pace.is_paused = false;
            Ok(Task::Text)
        }
        (":speed", argument) => {
            let speed = match argument {
                Some(argument) => whole(argument).filter(|&speed| speed <= FASTEST.into()),
                None => Some(pace.speed.into()),
            };
            let speed = speed.ok_or(":speed 0 to 100000")?;
            pace.speed = speed as u32;
            output.remark("speed ").number(speed).end();
            Ok(Task::Text)
        }
        (":help" | ":selftest" | ":pause" | ":resume", Some(_)) => Err("the command alone"),
        (":temp" | ":topk" | ":topp" | ":seed" | ":reset" | ":bench" | ":save", _) => match program
        {
            Program::Poet(poet) => of_poet(poet, name, argument, output),
            #[cfg(feature = "sensor")]
            Program::Sensor(_) => Ok(Task::Text),
            Program::Nothing(error) => {
                no_model(error, output.remark(""));
                Ok(Task::Text)
            }
        },
        _ => Err(A_COMMAND),
    }
}

/// Runs a command that needs a model: what is to be done next, or what was expected.
fn of_poet(
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
