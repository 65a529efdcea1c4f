use core::fmt;

use super::Output;
use crate::bytes::prefix;
use crate::format::Format;
use crate::scaling::quantize_column;
use crate::workspace::Memory;
use crate::{Model, Session, SnapshotError, Token, WorkspaceError};

/// A model that reads values, with its state: to values what a [`Session`] is to symbols.
///
/// ```
/// use lstm_core::{Error, Model, SensorSession, WorkspaceSlices};
///
/// /// The class of a sequence of steps with six channels.
/// fn classify(file: &[u8], steps: &[[f32; 6]]) -> Result<usize, Error> {
///     let model = Model::from_bytes(file)?;
///     let (mut words, mut logits) = (vec![0; model.workspace_words()], vec![0; model.num_outputs()]);
///     let memory = WorkspaceSlices::new(&mut words, &mut logits);
///     let mut session = SensorSession::new(model, memory)?;
///     let mut class = 0;
///     for step in steps {
///         class = session.step(step)?.class();
///     }
///     Ok(class)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct SensorSession<'m, M> {
    session: Session<'m, M>,
}

impl<'m, M: Memory> SensorSession<'m, M> {
    /// A session at the zero state, whatever is in the workspace.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::ReadsSymbols`] if the model reads symbols; [`WorkspaceError::Words`] or
    /// [`WorkspaceError::Symbols`] if the workspace is too small.
    pub fn new(model: Model<'m>, memory: M) -> Result<Self, WorkspaceError> {
        check_reads_values(&model)?;
        let session = Session::at_zero(model, memory)?;
        Ok(SensorSession { session })
    }

    /// A session that goes on from the state in the workspace, which an earlier session with this
    /// model left there.
    ///
    /// # Errors
    ///
    /// As [`SensorSession::new`], and [`WorkspaceError::State`] if a value there is none that a step
    /// can give.
    pub fn resume(model: Model<'m>, memory: M) -> Result<Self, WorkspaceError> {
        check_reads_values(&model)?;
        let session = Session::at_state(model, memory)?;
        Ok(SensorSession { session })
    }

    /// Back to the zero state.
    pub fn reset(&mut self) {
        self.session.reset();
    }

    /// Feeds the values of one step in the user's units, one for each channel. A column of the integer formats is a
    /// value less its channel's mean, times its scale, rounded and saturated; what is no number
    /// counts as the mean. In [`Format::F32`] a value that is not finite, or becomes so, stays in the state until
    /// [`SensorSession::reset`], and such a state is refused when it is restored.
    ///
    /// # Errors
    ///
    /// [`InputError::Channels`]; then the state is as it was.
    pub fn step(&mut self, values: &[f32]) -> Result<Output<'_>, InputError> {
        let columns = self.columns(values)?;
        self.read(columns);
        Ok(self.run())
    }

    /// As [`SensorSession::step`], without computing what is given.
    ///
    /// # Errors
    ///
    /// [`InputError::Channels`]; then the state is as it was.
    pub fn advance(&mut self, values: &[f32]) -> Result<(), InputError> {
        let columns = self.columns(values)?;
        self.read(columns);
        self.run_on();
        Ok(())
    }

    /// Feeds one step whose columns are computed already, as [`SensorSession::quantize`] does; -128
    /// counts as -127. A model in [`Format::F32`] takes them for whole numbers.
    ///
    /// # Errors
    ///
    /// [`InputError::Channels`]; then the state is as it was.
    pub fn step_quantized(&mut self, columns: &[i8]) -> Result<Output<'_>, InputError> {
        self.check_channels(columns.len())?;
        self.read_quantized(columns);
        Ok(self.run())
    }

    /// What the last step gave. It means nothing before the first step, after [`SensorSession::advance`] and
    /// [`SensorSession::advance_quantized`], and once the logits were taken out of the last [`Output`] or changed in place
    /// (`into_logits`, `into_q12`).
    pub fn output(&mut self) -> Output<'_> {
        let scaling = self.model().value_scaling();
        Output::new(self.session.last_logits(), scaling)
    }

    /// As [`SensorSession::step_quantized`], without computing what is given.
    ///
    /// # Errors
    ///
    /// [`InputError::Channels`]; then the state is as it was.
    pub fn advance_quantized(&mut self, columns: &[i8]) -> Result<(), InputError> {
        self.check_channels(columns.len())?;
        self.read_quantized(columns);
        self.run_on();
        Ok(())
    }

    /// The columns that the integer formats make of the values of one step.
    ///
    /// # Errors
    ///
    /// [`InputError::Channels`].
    pub fn quantize<'v>(
        &self,
        values: &'v [f32],
    ) -> Result<impl Iterator<Item = i8> + use<'m, 'v, M>, InputError> {
        Ok(self.columns(values)?.map(quantize_column))
    }

    /// The normalized values.
    pub(super) fn columns<'v>(
        &self,
        values: &'v [f32],
    ) -> Result<impl Iterator<Item = f32> + use<'m, 'v, M>, InputError> {
        self.check_channels(values.len())?;
        Ok(self.model().channel_scaling().normalized(values))
    }

    /// Bytes of the state, as [`Session::state_bytes`].
    pub fn state_bytes(&self) -> usize {
        self.session.state_bytes()
    }

    /// Writes the state into `state`, as [`Session::save`], with no mark of its model and no checksum: those are in
    /// [`SensorSession::save_snapshot`], as in [`Generator::save`](crate::Generator::save). The values that were read are no part of it.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`].
    pub fn save(&self, state: &mut [u8]) -> Result<(), SnapshotError> {
        self.session.save(state)
    }

    /// Takes back a state that [`SensorSession::save`] made, as [`Session::restore`].
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`]; [`SnapshotError::Damaged`] for a value that no step can give.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        self.session.restore(state)
    }

    /// The workspace. A session that [resumes](SensorSession::resume) with it goes on from this state.
    pub fn into_memory(self) -> M {
        self.session.into_memory()
    }

    fn check_channels(&self, found: usize) -> Result<(), InputError> {
        match self.model().num_channels() {
            expected if expected == found => Ok(()),
            expected => Err(InputError::Channels { found, expected }),
        }
    }

    /// Makes these the columns that the first layer reads.
    pub(super) fn read(&mut self, columns: impl Iterator<Item = f32>) {
        let (format, count) = (self.model().format(), self.model().num_channels());
        let words = self.session.state().hidden;
        match format {
            Format::F32 => fill(prefix(words, count), columns),
            Format::Int8 | Format::Int4 => {
                fill(prefix(words, count), columns.map(quantize_column));
            }
        }
    }

    /// As [`SensorSession::read`], of columns of the integer formats, as many as there are channels; -128 counts as
    /// -127.
    pub(super) fn read_quantized(&mut self, columns: &[i8]) {
        let (format, columns) = (self.model().format(), columns.iter().copied());
        let words = self.session.state().hidden;
        match format {
            Format::F32 => fill(prefix(words, columns.len()), columns.map(f32::from)),
            Format::Int8 | Format::Int4 => {
                let columns = columns.map(|column| column.max(-127));
                fill(prefix(words, columns.len()), columns);
            }
        }
    }

    /// One step with the columns that were read.
    pub(super) fn run(&mut self) -> Output<'_> {
        let scaling = self.model().value_scaling();
        Output::new(self.session.step(Token::default()), scaling)
    }

    /// As [`SensorSession::run`], without computing what is given.
    pub(super) fn run_on(&mut self) {
        self.session.advance(Token::default());
    }
}

impl<'m, M> SensorSession<'m, M> {
    /// The model.
    pub fn model(&self) -> &Model<'m> {
        self.session.model()
    }
}

pub(super) fn check_reads_values(model: &Model<'_>) -> Result<(), WorkspaceError> {
    let found = model.alphabet().len();
    match model.num_channels() {
        0 => Err(WorkspaceError::ReadsSymbols { found }),
        _ => Ok(()),
    }
}

pub(super) fn fill<T>(places: &mut [T], values: impl Iterator<Item = T>) {
    for (place, value) in places.iter_mut().zip(values) {
        *place = value;
    }
}

/// Why the values for a step were refused.
///
/// ```
/// use lstm_core::InputError;
///
/// let refused = InputError::Channels { found: 5, expected: 6 };
/// assert_eq!(refused.to_string(), "found 5 values, expected 6, one for each channel");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum InputError {
    /// There are more or fewer values than channels.
    Channels {
        /// Values found.
        found: usize,
        /// Channels of the model.
        expected: usize,
    },
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InputError::Channels { found, expected } = self;
        write!(
            f,
            "found {found} values, expected {expected}, one for each channel"
        )
    }
}

impl core::error::Error for InputError {}
