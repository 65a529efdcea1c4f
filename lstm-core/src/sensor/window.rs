use super::session::{check_reads_values, fill};
use super::{InputError, Output, SensorSession};
use crate::bytes::{join, split};
use crate::format::Format;
use crate::scaling::quantize_column;
use crate::state::copy_little_endian;
use crate::workspace::Memory;
use crate::{Model, SnapshotError, WorkspaceError};

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
    columns: [[T; C]; N],
    ring: Ring,
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
        let ring = Ring::new(length, N, stride)?;
        let expected = model.num_channels();
        if expected > C {
            return Err(WorkspaceError::Channels { found: C, expected });
        }
        if !T::holds(model.format()) {
            let found = model.format();
            return Err(WorkspaceError::WindowFormat { found });
        }
        Ok(SensorWindow {
            columns: [[T::of(0.0); C]; N],
            ring,
        })
    }

    /// Steps of a window.
    pub fn length(&self) -> usize {
        self.ring.length
    }

    /// Steps from one run to the next.
    pub fn stride(&self) -> usize {
        self.ring.stride
    }

    /// Sets the steps from one run to the next; takes effect after the next run.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Stride`] if it is 0.
    pub fn set_stride(&mut self, stride: usize) -> Result<(), WorkspaceError> {
        self.ring.set_stride(stride)
    }

    /// Steps to come before a window is run.
    pub fn missing(&self) -> usize {
        self.ring.missing
    }

    /// Forgets all steps.
    pub fn clear(&mut self) {
        self.ring.clear();
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
        let columns = self.columns.as_flattened_mut();
        self.ring.push(columns, C, session, values)
    }
}

/// As [`SensorWindow`], in words whose number is known at run time only.
///
/// ```
/// use lstm_core::{Error, Memory, SensorSession, SensorWindowSlice};
///
/// /// The class of each window of the length that the model was trained on.
/// fn classes<M: Memory>(
///     session: &mut SensorSession<'_, M>,
///     steps: &[[f32; 6]],
/// ) -> Result<Vec<usize>, Error> {
///     let length = session.model().window().unwrap_or(1);
///     let mut words = vec![0; session.model().window_words(length)];
///     let mut window = SensorWindowSlice::new(session.model(), &mut words, length, length)?;
///     let mut classes = Vec::new();
///     for step in steps {
///         if let Some(output) = window.push(session, step)? {
///             classes.push(output.class());
///         }
///     }
///     Ok(classes)
/// }
/// ```
#[derive(Debug)]
pub struct SensorWindowSlice<'w> {
    /// `[length, channels]`: an i8 a column in the integer formats, an f32 in [`Format::F32`].
    words: &'w mut [u32],
    channels: usize,
    format: Format,
    ring: Ring,
}

impl Model<'_> {
    /// Words of a [`SensorWindowSlice`] of so many steps; the most that there can be, if a `usize` cannot say so many.
    pub fn window_words(&self, length: usize) -> usize {
        let columns = length.saturating_mul(self.num_channels());
        columns.div_ceil(columns_of_word(self.format()))
    }
}

impl<'w> SensorWindowSlice<'w> {
    /// An empty window of so many steps, which is run after every `stride` steps, in
    /// [`Model::window_words`] words; there may be more.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::ReadsSymbols`] if the model reads symbols, [`WorkspaceError::Window`] unless `length` is 1
    /// to what there is room for, [`WorkspaceError::Stride`] if `stride` is 0.
    pub fn new(
        model: &Model<'_>,
        words: &'w mut [u32],
        length: usize,
        stride: usize,
    ) -> Result<Self, WorkspaceError> {
        check_reads_values(model)?;
        let (channels, format) = (model.num_channels(), model.format());
        let columns = words.len().saturating_mul(columns_of_word(format));
        let room = columns.checked_div(channels).unwrap_or(0);
        let ring = Ring::new(length, room, stride)?;
        let (words, _) = split(words, model.window_words(length));
        words.fill(0);
        Ok(SensorWindowSlice {
            words,
            channels,
            format,
            ring,
        })
    }

    /// Steps of a window.
    pub fn length(&self) -> usize {
        self.ring.length
    }

    /// Steps from one run to the next.
    pub fn stride(&self) -> usize {
        self.ring.stride
    }

    /// Sets the steps from one run to the next; takes effect after the next run.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Stride`] if it is 0.
    pub fn set_stride(&mut self, stride: usize) -> Result<(), WorkspaceError> {
        self.ring.set_stride(stride)
    }

    /// Steps to come before a window is run.
    pub fn missing(&self) -> usize {
        self.ring.missing
    }

    /// Forgets all steps.
    pub fn clear(&mut self) {
        self.ring.clear();
    }

    /// As [`SensorWindow::push`], with a session of the model that the window was made for.
    ///
    /// # Errors
    ///
    /// [`InputError::Channels`]; then the window is as it was.
    pub fn push<'s, M: Memory>(
        &mut self,
        session: &'s mut SensorSession<'_, M>,
        values: &[f32],
    ) -> Result<Option<Output<'s>>, InputError> {
        match self.format {
            Format::F32 => {
                let columns = bytemuck::cast_slice_mut::<_, f32>(self.words);
                self.ring.push(columns, self.channels, session, values)
            }
            Format::Int8 | Format::Int4 => {
                let columns = bytemuck::cast_slice_mut::<_, i8>(self.words);
                self.ring.push(columns, self.channels, session, values)
            }
        }
    }

    /// As [`SensorWindowSlice::push`], but for a program that has other work to do between the steps of a run: where the
    /// window is to be run, gives true, and [`SensorWindowSlice::run_step`] does so.
    ///
    /// # Errors
    ///
    /// [`InputError::Channels`]; then the window is as it was.
    pub fn append<M: Memory>(
        &mut self,
        session: &SensorSession<'_, M>,
        values: &[f32],
    ) -> Result<bool, InputError> {
        match self.format {
            Format::F32 => {
                let columns = bytemuck::cast_slice_mut::<_, f32>(self.words);
                self.ring.append(columns, self.channels, session, values)
            }
            Format::Int8 | Format::Int4 => {
                let columns = bytemuck::cast_slice_mut::<_, i8>(self.words);
                self.ring.append(columns, self.channels, session, values)
            }
        }
    }

    /// Runs step `at` of a full window, of those in the order in which the model reads them: 0 to its length less one, one
    /// after the other, without a step appended between them. The last gives what the network gives of the window; `None` if there
    /// is no such step.
    pub fn run_step<'s, M: Memory>(
        &self,
        session: &'s mut SensorSession<'_, M>,
        at: usize,
    ) -> Option<Output<'s>> {
        if at >= self.ring.length {
            return None;
        }
        match self.format {
            Format::F32 => {
                let columns = bytemuck::cast_slice::<_, f32>(self.words);
                self.ring.run_step(columns, self.channels, session, at)
            }
            Format::Int8 | Format::Int4 => {
                let columns = bytemuck::cast_slice::<_, i8>(self.words);
                self.ring.run_step(columns, self.channels, session, at)
            }
        }
    }

    /// Bytes of the window's state: where the next step goes, the steps to come before a run and the stride, a
    /// little-endian u32 each, then the columns, of a byte each, or floats, little-endian.
    pub fn state_bytes(&self) -> usize {
        POSITION_BYTES + self.num_columns() * self.column_bytes()
    }

    /// Writes the state into `state`, which has [`SensorWindowSlice::state_bytes`].
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`].
    pub fn save(&self, state: &mut [u8]) -> Result<(), SnapshotError> {
        self.check_length(state.len())?;
        let (position, columns) = split(state, POSITION_BYTES);
        let number = |number| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let Ring {
            next,
            missing,
            stride,
            ..
        } = self.ring;
        join(
            position,
            &[&number(next), &number(missing), &number(stride)],
        );
        copy_little_endian(
            bytemuck::cast_slice(self.words),
            columns,
            self.column_bytes(),
        );
        Ok(())
    }

    /// Takes back a state that [`SensorWindowSlice::save`] made, of a window of this length with this model, here or
    /// on another chip. On an error the window is as it was.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`]; [`SnapshotError::Damaged`] for a position that a window of this length cannot have.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        let (ring, columns) = self.read_state(state)?;
        self.ring = ring;
        let column_bytes = self.column_bytes();
        copy_little_endian(columns, bytemuck::cast_slice_mut(self.words), column_bytes);
        Ok(())
    }

    /// Whether [`SensorWindowSlice::restore`] would take a state.
    ///
    /// # Errors
    ///
    /// As there.
    pub(super) fn check(&self, state: &[u8]) -> Result<(), SnapshotError> {
        self.read_state(state).map(|_| ())
    }

    /// Where a window is by its state, and its columns.
    fn read_state<'s>(&self, state: &'s [u8]) -> Result<(Ring, &'s [u8]), SnapshotError> {
        self.check_length(state.len())?;
        let (position, columns) = state
            .split_at_checked(POSITION_BYTES)
            .ok_or(SnapshotError::Damaged)?;
        let mut numbers = position.chunks_exact(4).map(|bytes| match *bytes {
            [a, b, c, d] => usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX),
            _ => 0,
        });
        let mut number = || numbers.next().unwrap_or(0);
        let ring = Ring {
            length: self.ring.length,
            next: number(),
            missing: number(),
            stride: number(),
        };
        match ring.is_sound() {
            true => Ok((ring, columns)),
            false => Err(SnapshotError::Damaged),
        }
    }

    fn num_columns(&self) -> usize {
        self.ring.length * self.channels
    }

    fn column_bytes(&self) -> usize {
        size_of::<u32>() / columns_of_word(self.format)
    }

    fn check_length(&self, found: usize) -> Result<(), SnapshotError> {
        match self.state_bytes() {
            expected if expected == found => Ok(()),
            expected => Err(SnapshotError::Length { found, expected }),
        }
    }
}

/// Bytes of where a window is.
const POSITION_BYTES: usize = 3 * size_of::<u32>();

/// How many columns a word holds.
fn columns_of_word(format: Format) -> usize {
    match format {
        Format::F32 => 1,
        Format::Int8 | Format::Int4 => size_of::<u32>(),
    }
}

/// Where a window is: in a ring of steps, and between two runs.
#[derive(Clone, Debug)]
struct Ring {
    /// Steps of a window, at least 1.
    length: usize,
    /// Steps from one run to the next, at least 1.
    stride: usize,
    /// Where the next step goes: the place of the oldest in a full window.
    next: usize,
    /// Steps to come before a window is run.
    missing: usize,
}

impl Ring {
    /// An empty one of so many steps, where there is room for `room`.
    fn new(length: usize, room: usize, stride: usize) -> Result<Self, WorkspaceError> {
        if length == 0 || length > room {
            return Err(WorkspaceError::Window {
                found: length,
                expected: room,
            });
        }
        let mut ring = Ring {
            length,
            stride,
            next: 0,
            missing: length,
        };
        ring.set_stride(stride)?;
        Ok(ring)
    }

    fn set_stride(&mut self, stride: usize) -> Result<(), WorkspaceError> {
        if stride == 0 {
            return Err(WorkspaceError::Stride);
        }
        self.stride = stride;
        Ok(())
    }

    fn clear(&mut self) {
        self.next = 0;
        self.missing = self.length;
    }

    /// Whether a window can be there. The stride may have been longer when the steps to come were counted.
    fn is_sound(&self) -> bool {
        self.next < self.length && self.stride > 0 && self.missing > 0
    }

    /// Appends the values of a step to the columns, `[length, width]`, and runs the window if it is time to.
    fn push<'s, T: Column, M: Memory>(
        &mut self,
        columns: &mut [T],
        width: usize,
        session: &'s mut SensorSession<'_, M>,
        values: &[f32],
    ) -> Result<Option<Output<'s>>, InputError> {
        let is_due = self.append(columns, width, session, values)?;
        Ok(is_due.then(|| self.run(columns, width, session)))
    }

    /// Appends the values of a step to the columns, `[length, width]`; whether it is time to run the window.
    fn append<T: Column, M: Memory>(
        &mut self,
        columns: &mut [T],
        width: usize,
        session: &SensorSession<'_, M>,
        values: &[f32],
    ) -> Result<bool, InputError> {
        let step = session.columns(values)?;
        let start = self.next * width;
        if let Some(places) = columns.get_mut(start..start + width) {
            fill(places, step.map(T::of));
        }
        self.next += 1;
        if self.next >= self.length {
            self.next = 0;
        }
        self.missing = self.missing.saturating_sub(1);
        let is_due = self.missing == 0;
        if is_due {
            self.missing = self.stride;
        }
        Ok(is_due)
    }

    /// Step `at` of a full window runs, of those in the order in which the model reads them.
    fn run_step<'s, T: Column, M: Memory>(
        &self,
        columns: &[T],
        width: usize,
        session: &'s mut SensorSession<'_, M>,
        at: usize,
    ) -> Option<Output<'s>> {
        let from_oldest = match session.model().reads_backwards() {
            true => self.length.checked_sub(at + 1)?,
            false => at,
        };
        let place = match self.next + from_oldest {
            place if place < self.length => place,
            place => place - self.length,
        };
        let columns = columns.get(place * width..)?;
        if at == 0 {
            session.reset();
        }
        T::read(session, columns.get(..session.model().num_channels())?);
        Some(session.run())
    }

    /// All steps from the zero state.
    fn run<'s, T: Column, M: Memory>(
        &self,
        columns: &[T],
        width: usize,
        session: &'s mut SensorSession<'_, M>,
    ) -> Output<'s> {
        session.reset();
        let is_backwards = session.model().reads_backwards();
        let columns = columns.get(..self.length * width).unwrap_or_default();
        // The oldest is at the place of the next.
        let (newer, older) = columns
            .split_at_checked(self.next * width)
            .unwrap_or_default();
        let [newer, older] = [newer, older].map(|steps| steps.chunks_exact(width.max(1)));
        let count = session.model().num_channels();
        let mut is_first = true;
        let mut read = |step: &[T]| {
            // The step before was not the last.
            if !core::mem::take(&mut is_first) {
                session.run_on();
            }
            T::read(session, step.get(..count).unwrap_or_default());
        };
        match is_backwards {
            false => older.chain(newer).for_each(&mut read),
            true => newer.rev().chain(older.rev()).for_each(&mut read),
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
