//! The trainer's commands: what is typed, run on a thread of its own, told line by line.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use clap::ArgAction;
use host_trainer::commands::cli;
use host_trainer::files::caller::{Caller, Told};
use host_trainer::files::error::{Error, Result};
use host_trainer::network::parameters::Network;
use host_trainer::network::sensor::SensorNetwork;
use host_trainer::quantize::QuantizedNetwork;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyTuple};

use crate::convert::raised;

/// From one look for Ctrl-C to the next.
const LOOK: Duration = Duration::from_millis(50);
/// As a program's first thread has it on Linux.
const STACK_BYTES: usize = 8 << 20;

/// The flags of a command for settings by name: `hidden=64` is --hidden=64, `fold_case=True` is --fold-case, a list gives a
/// flag for each of its items, None gives none.
#[pyfunction]
pub(crate) fn program_words(command: &str, settings: &Bound<'_, PyDict>) -> PyResult<Vec<String>> {
    let program = cli::program();
    let command = program.find_subcommand(command);
    let is_switch = |name: &str| {
        let mut arguments = command
            .into_iter()
            .flat_map(|command| command.get_arguments());
        let argument = arguments.find(|argument| argument.get_long() == Some(name));
        argument.is_some_and(|argument| matches!(argument.get_action(), ArgAction::SetTrue))
    };
    let mut words = Vec::new();
    for (name, value) in settings {
        let name = name.to_string().replace('_', "-");
        let values = match () {
            () if value.is_none() => Vec::new(),
            () if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() => {
                value.try_iter()?.collect::<PyResult<_>>()?
            }
            () => vec![value],
        };
        for value in values {
            words.push(match value.cast::<PyBool>() {
                Ok(wanted) if is_switch(&name) => match wanted.is_true() {
                    true => format!("--{name}"),
                    false => continue,
                },
                Ok(wanted) => format!("--{name}={}", wanted.is_true()),
                Err(_) => format!("--{name}={}", value.str()?),
            });
        }
    }
    Ok(words)
}

/// Runs a command of host-trainer: `words` are what would be typed. `line` is called with each line that it prints,
/// `progress` with the part that is done, 0 to 1, and a line about it. Ctrl-C saves what there is, and raises
/// KeyboardInterrupt with a line that says how to go on.
#[pyfunction]
pub(crate) fn run_command(
    py: Python<'_>,
    words: Vec<PathBuf>,
    line: &Bound<'_, PyAny>,
    progress: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (told, heard) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    let caller = Caller {
        told,
        stop: stop.clone(),
    };
    let words = words.into_iter().map(PathBuf::into_os_string);
    let words: Vec<_> = words.collect();
    let worker = thread::Builder::new()
        .name("host-trainer".into())
        .stack_size(STACK_BYTES)
        .spawn(move || cli::call(words, caller))?;
    let mut heard = Some(heard);
    let mut raised_here = None;
    loop {
        // A receiver cannot be lent to another thread, as `detach` may be one.
        let Some(receiver) = heard.take() else { break };
        let (next, receiver) = py.detach(move || (receiver.recv_timeout(LOOK), receiver));
        heard = Some(receiver);
        let handled = match next {
            _ if raised_here.is_some() && next.is_ok() => Ok(()),
            Ok(Told::Line(text)) => line.call1((text,)).map(drop),
            Ok(Told::Progress { done, message }) => progress.call1((done, message)).map(drop),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if let Err(error) = handled.and_then(|()| py.check_signals()) {
            stop.store(true, Ordering::SeqCst);
            raised_here.get_or_insert(error);
        }
    }
    let ended = py.detach(|| worker.join());
    let ended = ended.map_err(|_| PyRuntimeError::new_err("the trainer panicked"))?;
    match (ended, raised_here) {
        // Its line says how to go on.
        (Err(error @ Error::Interrupted(_)), Some(stopped))
            if stopped.is_instance_of::<PyKeyboardInterrupt>(py) =>
        {
            Err(raised(error))
        }
        (_, Some(stopped)) => Err(stopped),
        (ended, None) => ended.map_err(raised),
    }
}

/// Whether a file is a network that train, quantize or import of this package wrote.
#[pyfunction]
pub(crate) fn is_network(path: PathBuf) -> bool {
    let is_quantized = matches!(QuantizedNetwork::load(&path), Ok(Some(_)));
    is_quantized || of_values(&path).unwrap_or(false) || Network::load(&path).is_ok()
}

/// Whether a network reads values, and not text.
#[pyfunction]
pub(crate) fn reads_values(path: PathBuf) -> PyResult<bool> {
    of_values(&path).map_err(raised)
}

fn of_values(path: &std::path::Path) -> Result<bool> {
    SensorNetwork::load(path).map(|network| network.is_some())
}
