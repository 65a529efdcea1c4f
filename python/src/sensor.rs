//! A session of a model that reads values.

use host_trainer::model::sensor::read_window;
use numpy::{PyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::{Steps, Values, matrix, raised, refused, saved};
use crate::model::Model;
use crate::output::Output;
use crate::room::OwnedSensorSession;

/// A model that reads values, of sensors say, with its state.
///
/// Values are in the user's units: the model has the mean and the scale of each channel.
#[pyclass(module = "lstm_mcu")]
pub(crate) struct SensorSession(OwnedSensorSession);

impl SensorSession {
    /// What the model gives after a window of steps, read from the zero state.
    fn read(&mut self, steps: &[&[f32]]) -> PyResult<Output> {
        self.0.with_dependent_mut(|room, session| {
            let output = read_window(session, steps).map_err(refused)?;
            let none = || PyValueError::new_err("found no steps, expected one or more");
            output
                .map(|output| Output::of(room.model(), &output))
                .ok_or_else(none)
        })
    }
}

/// Steps `[T, C]` as a slice for each step.
fn rows<'a>(flat: &'a [f32], steps: &Steps<'_>) -> Vec<&'a [f32]> {
    flat.chunks_exact(steps.shape()[1].max(1)).collect()
}

fn flat(steps: &Steps<'_>) -> Vec<f32> {
    steps.as_array().iter().copied().collect()
}

#[pymethods]
impl SensorSession {
    #[new]
    fn new(model: &Model) -> PyResult<Self> {
        OwnedSensorSession::at_zero(&model.0)
            .map(Self)
            .map_err(raised)
    }

    /// The model.
    #[getter]
    fn model(&self) -> Model {
        Model(self.0.borrow_owner().shared())
    }

    /// Feeds the values of a step, [num_channels].
    fn step(&mut self, values: Values<'_>) -> PyResult<Output> {
        let values: Vec<f32> = values.as_array().iter().copied().collect();
        self.0.with_dependent_mut(|room, session| {
            let output = session.step(&values).map_err(refused)?;
            Ok(Output::of(room.model(), &output))
        })
    }

    /// Feeds steps, [T, num_channels], and gives the logits after each, or the values in the user's units:
    /// float32 [T, num_outputs].
    fn run<'py>(
        &mut self,
        py: Python<'py>,
        steps: Steps<'py>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let (values, count) = (flat(&steps), steps.shape()[0]);
        let rows = rows(&values, &steps);
        let columns = self.0.borrow_owner().model().num_outputs();
        let mut given = Vec::with_capacity(count * columns);
        py.detach(|| {
            self.0.with_dependent_mut(|_, session| {
                for row in rows {
                    given.extend(session.step(row).map_err(refused)?.values());
                }
                PyResult::Ok(())
            })
        })?;
        matrix(py, given, count, columns)
    }

    /// The columns that the integer formats make of the values of a step, [num_channels], as step_quantized takes them.
    fn quantize(&self, values: Values<'_>) -> PyResult<Vec<i8>> {
        let values: Vec<f32> = values.as_array().iter().copied().collect();
        let columns = self.0.borrow_dependent().quantize(&values);
        Ok(columns.map_err(refused)?.collect())
    }

    /// Feeds a step whose columns are integers already, [num_channels] from -127 to 127.
    fn step_quantized(&mut self, columns: Vec<i8>) -> PyResult<Output> {
        self.0.with_dependent_mut(|room, session| {
            let output = session.step_quantized(&columns).map_err(refused)?;
            Ok(Output::of(room.model(), &output))
        })
    }

    /// The answer to a window of steps, [T, num_channels], read from the zero state; backwards if the model reads so. For
    /// models that were trained on windows, of model.window steps. The state is then that after the window.
    fn answer(&mut self, steps: Steps<'_>) -> PyResult<Output> {
        let values = flat(&steps);
        self.read(&rows(&values, &steps))
    }

    /// The answers to all windows of model.window steps in a series, [T, num_channels], each `stride` steps after the
    /// last; nothing for a series that is shorter.
    #[pyo3(signature = (steps, stride=1))]
    fn answers(
        &mut self,
        py: Python<'_>,
        steps: Steps<'_>,
        stride: usize,
    ) -> PyResult<Vec<Output>> {
        let Some(window) = self.0.borrow_owner().model().window() else {
            return Err(PyValueError::new_err(
                "the model carries its state, expected one of windows; step and run feed this one",
            ));
        };
        if stride == 0 {
            return Err(refused(lstm_core::WorkspaceError::Stride));
        }
        let values = flat(&steps);
        let rows = rows(&values, &steps);
        let windows = rows.windows(window).step_by(stride);
        let answers = windows.map(|steps| {
            py.check_signals()?;
            py.detach(|| self.read(steps))
        });
        answers.collect()
    }

    /// Back to the zero state.
    fn reset(&mut self) {
        self.0.with_dependent_mut(|_, session| session.reset());
    }

    /// The state as bytes, of a model that carries it. They mean the same on every chip: a board's `:load` takes them too.
    fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let session = self.0.borrow_dependent();
        let bytes = session.snapshot_bytes(None);
        saved(py, bytes, |state| session.save_snapshot(None, state))
    }

    /// Takes back a state that save gave, here or on a chip. Where it is refused, nothing changes.
    fn restore(&mut self, state: &[u8]) -> PyResult<()> {
        let restored = self
            .0
            .with_dependent_mut(|_, session| session.restore_snapshot(None, state));
        restored.map_err(refused)
    }
}
