//! What the console is at.

#[cfg(feature = "sensor")]
use crate::sensor;
use crate::{bench::Bench, selftest::SelfTest};

/// What the next step is part of.
pub(super) enum Task {
    /// The text.
    Text,
    /// The model reads its prompt.
    Start,
    Banner,
    /// A line has been typed.
    Line,
    /// The model reads the end of the line before.
    Break,
    /// The model reads the line.
    Prime(Prime),
    /// The line is shown anew, from here.
    Redraw(usize),
    /// These lines come next.
    Help(u8),
    Info(u8),
    Stats,
    /// The snapshot goes on from this chunk.
    Save(usize),
    SelfTest(SelfTest),
    Bench(Bench),
    /// What a model that reads values does.
    #[cfg(feature = "sensor")]
    Sensor(sensor::Task),
}

/// How far the model has read a line.
#[derive(Default)]
pub(super) struct Prime {
    /// Bytes.
    pub(super) at: usize,
    /// Characters so far that the alphabet lacks, and the first of them.
    pub(super) unknown: u32,
    pub(super) first: char,
}
