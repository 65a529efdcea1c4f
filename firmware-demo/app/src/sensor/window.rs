//! The last steps, for a model that was trained on windows.
//!
//! `lstm_core::SensorWindow` is the same for a window whose size is known when the program is built; this one takes
//! what the workspace leaves over.

use lstm_core::{Format, Memory, Model, Output, SensorSession};

/// The most steps from answer to answer.
pub(super) const MAX_STRIDE: usize = 65535;

/// The columns of the last steps.
pub(super) struct Window<'s> {
    /// `[length, channels]`: an i8 a column in the integer formats, an f32 otherwise.
    columns: &'s mut [u32],
    channels: usize,
    format: Format,
    length: usize,
    /// Steps from answer to answer.
    stride: usize,
    /// Where the next step goes: the place of the oldest in a full window.
    next: usize,
    /// Steps to come before an answer.
    missing: usize,
    is_backwards: bool,
}

impl<'s> Window<'s> {
    /// Words of the columns of this model's window; 0 without one.
    pub(super) fn words(model: &Model<'_>) -> usize {
        let columns = model.window().unwrap_or(0) * model.num_channels();
        match model.format() {
            Format::F32 => columns,
            Format::Int8 | Format::Int4 => columns.div_ceil(size_of::<u32>()),
        }
    }

    /// An empty one, if the model has one.
    pub(super) fn new(model: &Model<'_>, columns: &'s mut [u32]) -> Option<Self> {
        let length = model.window().filter(|&length| length > 0)?;
        Some(Window {
            columns,
            channels: model.num_channels(),
            format: model.format(),
            length,
            stride: length,
            next: 0,
            missing: length,
            is_backwards: model.reads_backwards(),
        })
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Steps from answer to answer, behind the next answer.
    pub(super) fn set_stride(&mut self, stride: usize) {
        self.stride = stride;
    }

    pub(super) fn clear(&mut self) {
        self.next = 0;
        self.missing = self.length;
    }

    /// Appends a step in the user's units; whether the window is to be read.
    pub(super) fn push<M: Memory>(
        &mut self,
        session: &SensorSession<'_, M>,
        numbers: &[f32],
    ) -> bool {
        let start = self.next * self.channels;
        match self.format {
            Format::F32 => {
                let columns: &mut [f32] = bytemuck::cast_slice_mut(self.columns);
                let places = columns.get_mut(start..).unwrap_or_default();
                fill(places, numbers.iter().copied());
            }
            Format::Int8 | Format::Int4 => {
                let columns: &mut [i8] = bytemuck::cast_slice_mut(self.columns);
                let places = columns.get_mut(start..).unwrap_or_default();
                if let Ok(numbers) = session.quantize(numbers) {
                    fill(places, numbers);
                }
            }
        }
        self.next += 1;
        if self.next >= self.length {
            self.next = 0;
        }
        self.missing = self.missing.saturating_sub(1);
        if self.missing > 0 {
            return false;
        }
        self.missing = self.stride;
        true
    }

    /// The network reads a step of a full window: 0 is the oldest, or the newest if the model reads backwards.
    pub(super) fn step<'o, M: Memory>(
        &self,
        session: &'o mut SensorSession<'_, M>,
        at: usize,
    ) -> Option<Output<'o>> {
        let from_oldest = match self.is_backwards {
            true => self.length.saturating_sub(at + 1),
            false => at,
        };
        let mut place = self.next + from_oldest;
        if place >= self.length {
            place -= self.length;
        }
        let start = place * self.channels;
        let range = start..start + self.channels;
        match self.format {
            Format::F32 => {
                let columns: &[f32] = bytemuck::cast_slice(self.columns);
                session.step(columns.get(range)?).ok()
            }
            Format::Int8 | Format::Int4 => {
                let columns: &[i8] = bytemuck::cast_slice(self.columns);
                session.step_quantized(columns.get(range)?).ok()
            }
        }
    }

    /// Where it is: the place of the next step, the steps to come before an answer, the stride.
    pub(super) fn position(&self) -> [usize; 3] {
        [self.next, self.missing, self.stride]
    }

    /// Whether there is such a position.
    pub(super) fn has(&self, [next, missing, stride]: [usize; 3]) -> bool {
        let longest = self.length.max(stride);
        next < self.length && (1..=longest).contains(&missing) && (1..=MAX_STRIDE).contains(&stride)
    }

    /// Takes back a position and the columns.
    pub(super) fn set(&mut self, [next, missing, stride]: [usize; 3], columns: &[u8]) {
        (self.next, self.missing, self.stride) = (next, missing, stride);
        let places = bytemuck::cast_slice_mut(self.columns);
        fill(places, columns.iter().copied());
    }

    /// The columns as bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self.columns)
    }
}

fn fill<T>(places: &mut [T], values: impl Iterator<Item = T>) {
    for (place, value) in places.iter_mut().zip(values) {
        *place = value;
    }
}
