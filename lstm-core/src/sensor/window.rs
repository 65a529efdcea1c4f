use super::session::{check_reads_values, fill};
use super::{InputError, Output, SensorSession};
use crate::bytes::{join, split};
use crate::format::Format;
use crate::scaling::quantize_column;
use crate::state::copy_little_endian;
use crate::workspace::Memory;
use crate::{Model, SnapshotError, WorkspaceError};

/// Bytes of where a window is.
const POSITION_BYTES: usize = 3 * size_of::<u32>();

/// The columns of the last steps, for networks that were trained on windows: with each `stride`th step from the first
/// full window on, all of them are run from the zero state.
///
/// ```
/// use lstm_core::{Error, Format, Memory, SensorSession, SensorWindow, window_words};
///
/// /// The class of each second of 50 steps of six channels, every half a second.
/// fn classes<M: Memory>(
///     session: &mut SensorSession<'_, M>,
///     steps: &[[f32; 6]],
/// ) -> Result<Vec<usize>, Error> {
///     let mut words = [0; window_words(Format::Int8, 6, 50)];
///     let mut window = SensorWindow::new(session.model(), &mut words, 50, 25)?;
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
pub struct SensorWindow<'w> {
    /// `[length, channels]`: an i8 a column in the integer formats, an f32 in [`Format::F32`].
    words: &'w mut [u32],
    channels: usize,
    format: Format,
    position: Position,
}

/// Where a window is: in a ring of steps, and between two runs.
#[derive(Clone, Debug)]
struct Position {
    /// Steps of the window, at least 1.
    length: usize,
    /// Steps from one run to the next, at least 1.
    stride: usize,
    /// Where the next step goes: the place of the oldest in a full window.
    next: usize,
    /// Steps to come before the window is run, at least 1.
    missing: usize,
}

/// Words of a [`SensorWindow`] of so many steps of a model in this format that reads so many channels.
pub const fn window_words(format: Format, channels: usize, length: usize) -> usize {
    length
        .saturating_mul(channels)
        .div_ceil(columns_of_word(format))
}

/// How many columns a word holds.
const fn columns_of_word(format: Format) -> usize {
    match format {
        Format::F32 => 1,
        Format::Int8 | Format::Int4 => size_of::<u32>(),
    }
}

impl Model<'_> {
    /// As [`window_words`], of this model; the most that there can be, if a `usize` cannot say so many.
    pub fn window_words(&self, length: usize) -> usize {
        window_words(self.format(), self.num_channels(), length)
    }
}

impl<'w> SensorWindow<'w> {
    /// An empty window of so many steps, which is run after every `stride` steps, in
    /// [`window_words`] words; there may be more.
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
        if length == 0 || length > room {
            return Err(WorkspaceError::Window {
                found: length,
                expected: room,
            });
        }
        let (words, _) = split(words, model.window_words(length));
        words.fill(0);
        let mut window = SensorWindow {
            words,
            channels,
            format,
            position: Position {
                length,
                stride,
                next: 0,
                missing: length,
            },
        };
        window.set_stride(stride)?;
        Ok(window)
    }

    /// Steps of a window.
    pub fn length(&self) -> usize {
        self.position.length
    }

    /// Steps from one run to the next.
    pub fn stride(&self) -> usize {
        self.position.stride
    }

    /// Sets the steps from one run to the next; takes effect after the next run.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Stride`] if it is 0.
    pub fn set_stride(&mut self, stride: usize) -> Result<(), WorkspaceError> {
        if stride == 0 {
            return Err(WorkspaceError::Stride);
        }
        self.position.stride = stride;
        Ok(())
    }

    /// Steps to come before a window is run.
    pub fn missing(&self) -> usize {
        self.position.missing
    }

    /// Forgets all steps.
    pub fn clear(&mut self) {
        self.position.next = 0;
        self.position.missing = self.position.length;
    }

    /// Appends the values of a step, in the user's units; where a window is to be run, gives what the
    /// network gives at its end, or at its start if the model [reads it
    /// backwards](Model::reads_backwards). The session is one of the model that the window was made for, and its own
    /// state is replaced then.
    ///
    /// # Errors
    ///
    /// [`InputError::Channels`]; then the window is as it was.
    pub fn push<'s, M: Memory>(
        &mut self,
        session: &'s mut SensorSession<'_, M>,
        values: &[f32],
    ) -> Result<Option<Output<'s>>, InputError> {
        if !self.append(session, values)? {
            return Ok(None);
        }
        let last = self.position.length.saturating_sub(1);
        for at in 0..last {
            self.run_step(session, at);
        }
        Ok(self.run_step(session, last))
    }

    /// As [`SensorWindow::push`], but for a program that has other work to do between the steps of a run: where the
    /// window is to be run, gives true, and [`SensorWindow::run_step`] does so. A snapshot does not hold a run that is not at its
    /// end.
    ///
    /// # Errors
    ///
    /// [`InputError::Channels`]; then the window is as it was.
    pub fn append<M: Memory>(
        &mut self,
        session: &SensorSession<'_, M>,
        values: &[f32],
    ) -> Result<bool, InputError> {
        let columns = session.columns(values)?;
        let start = self.position.next * self.channels;
        let end = start + self.channels;
        match self.format {
            Format::F32 => {
                let room = bytemuck::cast_slice_mut::<_, f32>(self.words);
                fill(room.get_mut(start..end).unwrap_or_default(), columns);
            }
            Format::Int8 | Format::Int4 => {
                let room = bytemuck::cast_slice_mut::<_, i8>(self.words);
                let columns = columns.map(quantize_column);
                fill(room.get_mut(start..end).unwrap_or_default(), columns);
            }
        }
        Ok(self.position.step())
    }

    /// Runs step `at` of a full window, of those in the order in which the model reads them: 0 to its length less one, one
    /// after the other, without a step appended between them. The last gives what the network gives of the window; the
    /// others give `None`.
    pub fn run_step<'s, M: Memory>(
        &self,
        session: &'s mut SensorSession<'_, M>,
        at: usize,
    ) -> Option<Output<'s>> {
        let Position { length, next, .. } = self.position;
        let after = length.checked_sub(at)?.checked_sub(1)?;
        let from_oldest = match session.model().reads_backwards() {
            true => after,
            false => at,
        };
        // The oldest is at the place of the next.
        let place = match next + from_oldest {
            place if place < length => place,
            place => place - length,
        };
        if at == 0 {
            session.reset();
        }
        let (start, count) = (place * self.channels, self.channels);
        match self.format {
            Format::F32 => {
                let columns = bytemuck::cast_slice::<_, f32>(self.words);
                session.read(columns.get(start..start + count)?.iter().copied());
            }
            Format::Int8 | Format::Int4 => {
                let columns = bytemuck::cast_slice::<_, i8>(self.words);
                session.read_quantized(columns.get(start..start + count)?);
            }
        }
        match after {
            0 => Some(session.run()),
            _ => {
                session.run_on();
                None
            }
        }
    }

    /// Bytes of the window's state: where the next step goes, the steps to come before a run and the stride, a
    /// little-endian u32 each, then the columns, of a byte each, or floats, little-endian.
    pub fn state_bytes(&self) -> usize {
        POSITION_BYTES + self.num_columns() * self.column_bytes()
    }

    /// Writes the state into `state`, which has [`SensorWindow::state_bytes`].
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`].
    pub fn save(&self, state: &mut [u8]) -> Result<(), SnapshotError> {
        self.check_length(state.len())?;
        let (position, columns) = split(state, POSITION_BYTES);
        let number = |number| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let Position {
            next,
            missing,
            stride,
            ..
        } = self.position;
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

    /// Takes back a state that [`SensorWindow::save`] made, of a window of this length with this model, here or
    /// on another chip. On an error the window is as it was.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`]; [`SnapshotError::Damaged`] for a position that a window of this length cannot have.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), SnapshotError> {
        let (position, columns) = self.read_state(state)?;
        self.position = position;
        let column_bytes = self.column_bytes();
        copy_little_endian(columns, bytemuck::cast_slice_mut(self.words), column_bytes);
        Ok(())
    }

    /// Whether [`SensorWindow::restore`] would take a state.
    ///
    /// # Errors
    ///
    /// As there.
    pub(super) fn check(&self, state: &[u8]) -> Result<(), SnapshotError> {
        self.read_state(state).map(|_| ())
    }

    /// Where a window is by its state, and its columns.
    fn read_state<'s>(&self, state: &'s [u8]) -> Result<(Position, &'s [u8]), SnapshotError> {
        self.check_length(state.len())?;
        let (position, columns) = state
            .split_at_checked(POSITION_BYTES)
            .ok_or(SnapshotError::Damaged)?;
        let mut numbers = position.chunks_exact(4).map(|bytes| match *bytes {
            [a, b, c, d] => usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX),
            _ => 0,
        });
        let mut number = || numbers.next().unwrap_or(0);
        let position = Position {
            length: self.position.length,
            next: number(),
            missing: number(),
            stride: number(),
        };
        match position.is_sound() {
            true => Ok((position, columns)),
            false => Err(SnapshotError::Damaged),
        }
    }

    fn num_columns(&self) -> usize {
        self.position.length * self.channels
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

impl Position {
    /// Goes on by a step; whether the window is to be run then.
    fn step(&mut self) -> bool {
        self.next += 1;
        if self.next >= self.length {
            self.next = 0;
        }
        self.missing = self.missing.saturating_sub(1);
        let is_due = self.missing == 0;
        if is_due {
            self.missing = self.stride;
        }
        is_due
    }

    /// Whether a window can be there. The stride may have been longer when the steps to come were counted.
    fn is_sound(&self) -> bool {
        self.next < self.length && self.stride > 0 && self.missing > 0
    }
}
