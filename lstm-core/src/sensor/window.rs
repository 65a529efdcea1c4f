use super::{InputError, Output, SensorSession};
use crate::format::Format;
use crate::scaling::quantize_column;
use crate::workspace::Memory;
use crate::{Model, WorkspaceError};

/// The columns of the last steps, for networks that were trained on windows: with each `stride`th step from the first
/// full window on, all of them are run from the zero state.
///
/// There is room for `N` steps of `C` channels. A column takes a byte in the integer formats; `T` is `f32` for a
/// model in [`Format::F32`].
///
/// ```
/// use lstm_core::{Error, Memory, SensorSession, SensorWindow};
///
/// /// The class of each second of 50 steps, every half a second.
/// fn classes<M: Memory>(
///     session: &mut SensorSession<'_, M>,
///     steps: &[[f32; 6]],
/// ) -> Result<Vec<usize>, Error> {
///     let mut window = SensorWindow::<50, 6>::new(session.model(), 50, 25)?;
///     let mut classes = Vec::new();
///     for step in steps {
///         if let Some(output) = window.push(session, step)? {
///             classes.push(output.class());
///         }
///     }
///     Ok(classes)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct SensorWindow<const N: usize, const C: usize, T = i8> {
    steps: [[T; C]; N],
    /// Steps of a window, 1 to `N`.
    length: usize,
    stride: usize,
    /// Where the next step goes: the place of the oldest in a full window.
    next: usize,
    /// Steps to come before a window is run.
    missing: usize,
}

impl<const N: usize, const C: usize, T: Column> SensorWindow<N, C, T> {
    /// An empty window of so many steps, which is run after every `stride` steps.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Window`] unless `length` is 1 to `N`, [`WorkspaceError::Channels`] if the model
    /// has more than `C` channels, [`WorkspaceError::Stride`] if `stride` is 0,
    /// [`WorkspaceError::WindowFormat`] if a `T` cannot hold a column of this model.
    pub fn new(model: &Model<'_>, length: usize, stride: usize) -> Result<Self, WorkspaceError> {
        if length == 0 || length > N {
            return Err(WorkspaceError::Window {
                found: length,
                expected: N,
            });
        }
        let expected = model.num_channels();
        if expected > C {
            return Err(WorkspaceError::Channels { found: C, expected });
        }
        if stride == 0 {
            return Err(WorkspaceError::Stride);
        }
        if !T::holds(model.format()) {
            let found = model.format();
            return Err(WorkspaceError::WindowFormat { found });
        }
        Ok(SensorWindow {
            steps: [[T::of(0.0); C]; N],
            length,
            stride,
            next: 0,
            missing: length,
        })
    }

    /// Steps of a window.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Steps to come before a window is run.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Forgets all steps.
    pub fn clear(&mut self) {
        self.next = 0;
        self.missing = self.length;
    }

    /// Appends the values of a step, in the user's units; where a window is to be run, gives what the
    /// network gives at its end, or at its start if the model [reads it
    /// backwards](Model::reads_backwards). The session's own state is replaced then.
    ///
    /// # Errors
    ///
    /// [`InputError::Channels`]; then the window is as it was.
    pub fn push<'s, M: Memory>(
        &mut self,
        session: &'s mut SensorSession<'_, M>,
        values: &[f32],
    ) -> Result<Option<Output<'s>>, InputError> {
        let columns = session.columns(values)?;
        if let Some(step) = self.steps.get_mut(self.next) {
            for (to, column) in step.iter_mut().zip(columns) {
                *to = T::of(column);
            }
        }
        self.next += 1;
        if self.next >= self.length {
            self.next = 0;
        }
        self.missing = self.missing.saturating_sub(1);
        if self.missing > 0 {
            return Ok(None);
        }
        self.missing = self.stride;
        Ok(Some(self.run(session)))
    }

    /// All steps from the zero state.
    fn run<'s, M: Memory>(&self, session: &'s mut SensorSession<'_, M>) -> Output<'s> {
        session.reset();
        let is_backwards = session.model().reads_backwards();
        let steps = self.steps.get(..self.length).unwrap_or_default();
        // The oldest is at the place of the next.
        let (newer, older) = steps.split_at_checked(self.next).unwrap_or_default();
        let count = session.model().num_channels();
        let mut is_first = true;
        let mut read = |step: &[T; C]| {
            // The step before was not the last.
            if !core::mem::take(&mut is_first) {
                session.run_on();
            }
            T::read(session, step.get(..count).unwrap_or_default());
        };
        match is_backwards {
            false => older.iter().chain(newer).for_each(&mut read),
            true => newer
                .iter()
                .rev()
                .chain(older.iter().rev())
                .for_each(&mut read),
        }
        session.run()
    }
}

/// A column of a [`SensorWindow`]: `i8` or `f32`.
pub trait Column: Copy + sealed::Sealed {
    /// Of a normalized value.
    #[doc(hidden)]
    fn of(u: f32) -> Self;
    /// Has a session read those of a step.
    #[doc(hidden)]
    fn read<M: Memory>(session: &mut SensorSession<'_, M>, columns: &[Self]);
    /// Whether it is all that a model in this format reads.
    #[doc(hidden)]
    fn holds(format: Format) -> bool;
}

impl Column for i8 {
    fn of(u: f32) -> Self {
        quantize_column(u)
    }

    fn read<M: Memory>(session: &mut SensorSession<'_, M>, columns: &[Self]) {
        session.read_quantized(columns);
    }

    fn holds(format: Format) -> bool {
        format != Format::F32
    }
}

impl Column for f32 {
    fn of(u: f32) -> Self {
        u
    }

    fn read<M: Memory>(session: &mut SensorSession<'_, M>, columns: &[Self]) {
        session.read(columns.iter().copied());
    }

    fn holds(_: Format) -> bool {
        true
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for i8 {}
    impl Sealed for f32 {}
}
