//! What a model that gives classes or values answers.

use lstm_core::OutputHead;
use numpy::PyArray1;
use pyo3::prelude::*;

/// What a step gives: classes with their probabilities, or values in the user's units.
#[pyclass(frozen, module = "lstm_mcu")]
pub(crate) struct Output {
    logits: Vec<f32>,
    values: Vec<f32>,
    /// Floats and Q15; of classes alone.
    probabilities: Option<(Vec<f32>, Vec<u16>)>,
    best: usize,
    label: Option<String>,
}

impl Output {
    pub(crate) fn of(model: &lstm_core::Model<'_>, output: &lstm_core::Output<'_>) -> Self {
        let gives_values = matches!(model.head(), OutputHead::Values { .. });
        let best = output.class();
        let label = model.head().names().nth(best).filter(|_| !gives_values);
        Output {
            logits: output.logits().collect(),
            values: output.values().collect(),
            probabilities: (!gives_values).then(|| {
                let q15 = output.probabilities_q15();
                (output.probabilities().collect(), q15.collect())
            }),
            best,
            label: label.map(str::to_owned),
        }
    }
}

#[pymethods]
impl Output {
    /// The number of the likeliest class, the first of equals; None of values.
    #[getter]
    fn index(&self) -> Option<usize> {
        self.probabilities.as_ref().map(|_| self.best)
    }

    /// The label of that class; None of values.
    #[getter]
    fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The probabilities of the classes, float32 [num_outputs]; None of values.
    #[getter]
    fn probabilities<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<f32>>> {
        let (probabilities, _) = self.probabilities.as_ref()?;
        Some(PyArray1::from_slice(py, probabilities))
    }

    /// The same in units of 1 / 32768, uint16 [num_outputs], computed in integers: equal on every chip.
    #[getter]
    fn probabilities_q15<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyArray1<u16>>> {
        let (_, q15) = self.probabilities.as_ref()?;
        Some(PyArray1::from_slice(py, q15))
    }

    /// The values in the user's units, float32 [num_outputs]; the logits of classes.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_slice(py, &self.values)
    }

    /// The logits, float32 [num_outputs].
    #[getter]
    fn logits<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f32>> {
        PyArray1::from_slice(py, &self.logits)
    }

    fn __repr__(&self) -> String {
        match (&self.label, &self.probabilities) {
            (Some(label), Some((probabilities, _))) => {
                format!("<Output {label:?} {:.2}>", probabilities[self.best])
            }
            _ => format!("<Output {:?}>", self.values),
        }
    }
}
