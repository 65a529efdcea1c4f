//! An object of the engine, with the RAM and the model that it borrows.

use std::sync::Arc;

use host_trainer::files::error::Result;
use host_trainer::model::file::{ModelFile, encode};
use host_trainer::model::workspace::{Generator, HeapWorkspace, SensorSession, Session};
use host_trainer::network::predictor::context;
use lstm_core::Sampler;
use pyo3::prelude::{PyResult, Python};
use self_cell::{MutBorrow, self_cell};

use crate::convert::{raised, refused};

type Borrowed<'m> = lstm_core::Model<'m>;
type TextSession<'a> = Session<'a, 'a>;
type ValueSession<'a> = SensorSession<'a, 'a>;
type TextGenerator<'a> = Generator<'a, 'a>;

self_cell!(
    /// The bytes of a file, and the model that was checked in them.
    pub(crate) struct Verified {
        owner: ModelFile,
        #[covariant]
        dependent: Borrowed,
    }
);

/// What a session borrows.
pub(crate) struct Room {
    model: Arc<Verified>,
    workspace: MutBorrow<HeapWorkspace>,
}

impl Room {
    /// RAM for a model.
    pub(crate) fn of(model: &Arc<Verified>) -> Self {
        let workspace = HeapWorkspace::new(model.borrow_dependent());
        Room {
            model: model.clone(),
            workspace: MutBorrow::new(workspace),
        }
    }

    /// The model.
    pub(crate) fn model(&self) -> &lstm_core::Model<'_> {
        self.model.borrow_dependent()
    }

    /// The model, to be kept.
    pub(crate) fn shared(&self) -> Arc<Verified> {
        self.model.clone()
    }

    /// A session in the RAM, which can be taken once.
    ///
    /// # Errors
    ///
    /// The model reads values.
    pub(crate) fn session(&self) -> Result<Session<'_, '_>> {
        self.workspace.borrow_mut().session(self.model())
    }
}

self_cell!(
    /// A session in its room.
    pub(crate) struct OwnedSession {
        owner: Room,
        #[covariant]
        dependent: TextSession,
    }
);

self_cell!(
    /// A session that reads values in its room.
    pub(crate) struct OwnedSensorSession {
        owner: Room,
        #[covariant]
        dependent: ValueSession,
    }
);

self_cell!(
    /// A generator in its room.
    pub(crate) struct OwnedGenerator {
        owner: Room,
        #[covariant]
        dependent: TextGenerator,
    }
);

impl OwnedSession {
    /// A session of a model at the zero state.
    ///
    /// # Errors
    ///
    /// The model reads values.
    pub(crate) fn at_zero(model: &Arc<Verified>) -> Result<Self> {
        Self::try_new(Room::of(model), Room::session)
    }
}

impl OwnedSensorSession {
    /// A session of a model at the zero state.
    ///
    /// # Errors
    ///
    /// The model reads symbols.
    pub(crate) fn at_zero(model: &Arc<Verified>) -> Result<Self> {
        Self::try_new(Room::of(model), |room| {
            room.workspace.borrow_mut().sensor_session(room.model())
        })
    }
}

impl OwnedGenerator {
    /// A generator of a model at the zero state; `window` as asked for, where 0 carries the state, or the model's own.
    pub(crate) fn at_zero(
        model: &Arc<Verified>,
        sampler: Sampler,
        window: Option<usize>,
    ) -> PyResult<Self> {
        Self::try_new(Room::of(model), |room| {
            let session = room.session().map_err(raised)?;
            let generator = match context(window, room.model().window()) {
                None => Generator::stateful(session, sampler),
                Some(length) => Generator::windowed(session, sampler, length),
            };
            generator.map_err(refused)
        })
    }

    /// Reads a text. A character that the alphabet lacks is read as symbol 0.
    pub(crate) fn read(&mut self, text: &str) {
        self.with_dependent_mut(|room, generator| {
            let tokens = encode(room.model(), text);
            tokens.into_iter().for_each(|token| generator.prime(token));
        });
    }

    /// Writes the next `length` characters.
    pub(crate) fn write(&mut self, py: Python<'_>, length: usize) -> PyResult<String> {
        /// Characters from one look for Ctrl-C to the next.
        const LOOK: usize = 1000;
        let mut text = String::new();
        let mut left = length;
        while left > 0 {
            let count = left.min(LOOK);
            py.detach(|| {
                self.with_dependent_mut(|room, generator| {
                    let alphabet = room.model().alphabet();
                    let tokens = generator.by_ref().take(count);
                    text.extend(tokens.map(|token| alphabet.decode(token)));
                });
            });
            left -= count;
            py.check_signals()?;
        }
        Ok(text)
    }
}
