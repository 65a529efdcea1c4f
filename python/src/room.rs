//! An object of the engine, with the RAM and the model that it borrows.

use std::sync::Arc;

use host_trainer::files::error::Result;
use host_trainer::model::file::ModelFile;
use host_trainer::model::workspace::{Generator, HeapWorkspace, SensorSession, Session};
use self_cell::{MutBorrow, self_cell};

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
