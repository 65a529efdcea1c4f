use lstm_core::{Error, Model, ModelError, SnapshotError};

use crate::poet::Poet;
#[cfg(feature = "sensor")]
use crate::sensor::Sensor;

/// What runs.
pub(crate) enum Program<'s, 'm> {
    /// A model that writes text.
    Poet(Poet<'s, 'm>),
    /// A model that reads values.
    #[cfg(feature = "sensor")]
    Sensor(Sensor<'s, 'm>),
    /// No model, and why.
    Nothing(Error),
}

impl<'s, 'm> Program<'s, 'm> {
    /// For a model, or for the reason why there is none; in this workspace.
    pub(crate) fn new(
        model: Result<Model<'m>, ModelError>,
        words: &'s mut [u32],
        logits: &'s mut [u32],
    ) -> Self {
        let program = match model {
            #[cfg(feature = "sensor")]
            Ok(model) if model.num_channels() > 0 => {
                Sensor::new(model, words, logits).map(Program::Sensor)
            }
            Ok(model) => Poet::new(model, words, logits).map(Program::Poet),
            Err(error) => Err(Error::Model(error)),
        };
        program.unwrap_or_else(Program::Nothing)
    }

    /// The model.
    pub(crate) fn model(&self) -> Result<&Model<'m>, &Error> {
        match self {
            Program::Poet(poet) => Ok(poet.model()),
            #[cfg(feature = "sensor")]
            Program::Sensor(sensor) => Ok(sensor.model()),
            Program::Nothing(error) => Err(error),
        }
    }

    /// Steps that a model which reads values has made; `None` for others.
    pub(crate) fn sensor_steps(&self) -> Option<u32> {
        match self {
            #[cfg(feature = "sensor")]
            Program::Sensor(sensor) => Some(sensor.steps()),
            _ => None,
        }
    }

    /// Where a snapshot that comes from elsewhere is put together.
    pub(crate) fn snapshot_room(&mut self) -> &mut [u8] {
        match self {
            Program::Poet(poet) => poet.snapshot_room(),
            #[cfg(feature = "sensor")]
            Program::Sensor(sensor) => sensor.snapshot_room(),
            Program::Nothing(_) => &mut [],
        }
    }

    /// Bytes of a snapshot.
    pub(crate) fn snapshot_bytes(&self) -> usize {
        match self {
            Program::Poet(poet) => poet.snapshot_bytes(),
            #[cfg(feature = "sensor")]
            Program::Sensor(sensor) => sensor.snapshot_bytes(),
            Program::Nothing(_) => 0,
        }
    }

    /// The snapshot that is held.
    pub(crate) fn saved(&self) -> &[u8] {
        match self {
            Program::Poet(poet) => poet.saved(),
            #[cfg(feature = "sensor")]
            Program::Sensor(sensor) => sensor.saved(),
            Program::Nothing(_) => &[],
        }
    }

    /// Saves everything that what comes depends on.
    ///
    /// # Errors
    ///
    /// There is no room for it.
    pub(crate) fn save(&mut self) -> Result<(), SnapshotError> {
        match self {
            Program::Poet(poet) => poet.save().map(|_| ()),
            #[cfg(feature = "sensor")]
            Program::Sensor(sensor) => sensor.save(),
            Program::Nothing(_) => Ok(()),
        }
    }

    /// Goes on from the snapshot that is held, of so many bytes.
    ///
    /// # Errors
    ///
    /// It is none of this model, or is damaged; then nothing changes.
    pub(crate) fn restore(&mut self, bytes: usize) -> Result<(), SnapshotError> {
        match self {
            Program::Poet(poet) => poet.restore(bytes),
            #[cfg(feature = "sensor")]
            Program::Sensor(sensor) => sensor.restore(bytes),
            Program::Nothing(_) => Ok(()),
        }
    }
}
