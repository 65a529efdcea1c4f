//! lstm-core and host-trainer for Python: the module `lstm_mcu._native`. It computes nothing, checks nothing of a model
//! and writes no file itself.
//!
//! * `convert`: errors as exceptions, arrays in and out
//! * `model`: a model, which all others keep alive
//! * `room`: an object of the engine, with the RAM and the model that it borrows
//! * `sampler`, `session`, `generator`, `sensor`, `output`: the engine's objects
//! * `command`: the trainer's commands, with their lines and their progress
//!
//! The package around it, in `lstm_mcu`, is Python.

mod command;
mod convert;
mod generator;
mod model;
mod output;
mod room;
mod sampler;
mod sensor;
mod session;

/// The module.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::command::{is_network, program_words, reads_values, run_command};
    #[pymodule_export]
    use crate::generator::Generator;
    #[pymodule_export]
    use crate::model::Model;
    #[pymodule_export]
    use crate::output::Output;
    #[pymodule_export]
    use crate::sampler::Sampler;
    #[pymodule_export]
    use crate::sensor::SensorSession;
    #[pymodule_export]
    use crate::session::Session;
    use host_trainer::training::run_folder;

    /// The network of the best validation, in the folder of a run.
    #[pymodule_export]
    const BEST: &str = run_folder::BEST;
    /// The network at the end.
    #[pymodule_export]
    const FINAL: &str = run_folder::FINAL;
    /// A row a validation, as JSON lines.
    #[pymodule_export]
    const METRIC_LINES: &str = run_folder::METRIC_LINES;
    /// The version of the engine and the trainer.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
