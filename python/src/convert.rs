//! Errors as exceptions, arrays in and out.

use host_trainer::files::error::Error;
use numpy::{
    AllowTypeChange, Element, PyArray1, PyArray2, PyArrayLike1, PyArrayLike2, PyArrayMethods,
};
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Tokens from Python, `[T]` whole numbers.
pub(crate) type Tokens<'py> = PyArrayLike1<'py, i64, AllowTypeChange>;
/// The values of a step, `[C]`.
pub(crate) type Values<'py> = PyArrayLike1<'py, f32, AllowTypeChange>;
/// The values of some steps, `[T, C]`.
pub(crate) type Steps<'py> = PyArrayLike2<'py, f32, AllowTypeChange>;

/// The exception of an error: the same line.
pub(crate) fn raised(error: impl Into<Error>) -> PyErr {
    match error.into() {
        Error::BadInput(line) => PyValueError::new_err(line),
        Error::Interrupted(line) => PyKeyboardInterrupt::new_err(line),
        error => PyRuntimeError::new_err(error.to_string()),
    }
}

/// The exception of an error of the engine.
pub(crate) fn refused(error: impl Into<lstm_core::Error>) -> PyErr {
    raised(error.into())
}

/// The tokens of an array.
///
/// # Errors
///
/// One is no number of a symbol.
pub(crate) fn checked(array: &Tokens<'_>) -> PyResult<Vec<lstm_core::Token>> {
    let token = |&number: &i64| match u8::try_from(number) {
        Ok(index) => Ok(lstm_core::Token::new(index)),
        Err(_) => Err(PyValueError::new_err(format!(
            "found the token {number}, expected 0 to 255"
        ))),
    };
    array.as_array().iter().map(token).collect()
}

/// An array of shape `[rows, columns]` of its rows, one after the other.
pub(crate) fn matrix<T: Element>(
    py: Python<'_>,
    flat: Vec<T>,
    rows: usize,
    columns: usize,
) -> PyResult<Bound<'_, PyArray2<T>>> {
    PyArray1::from_vec(py, flat).reshape([rows, columns])
}

/// So many bytes that a function of the engine writes.
pub(crate) fn saved<E: Into<lstm_core::Error>>(
    py: Python<'_>,
    length: usize,
    save: impl FnOnce(&mut [u8]) -> Result<(), E>,
) -> PyResult<Bound<'_, PyBytes>> {
    PyBytes::new_with(py, length, |bytes| save(bytes).map_err(refused))
}
