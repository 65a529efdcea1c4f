//! The RAM of the device's engine, on the desk's heap.

use crate::files::error::Result;
use lstm_core::{MAX_WINDOW, Model, WorkspaceSlices};

/// A session of a model `'m` in RAM of the heap.
pub type Session<'m, 's> = lstm_core::Session<'m, WorkspaceSlices<'s>>;

/// A generator likewise, with room for every window that a file may ask for.
pub type Generator<'m, 's> = lstm_core::Generator<'m, WorkspaceSlices<'s>, MAX_WINDOW>;

/// A session of a model that reads values likewise.
pub type SensorSession<'m, 's> = lstm_core::SensorSession<'m, WorkspaceSlices<'s>>;

/// The RAM of a session, sized at run time.
#[derive(Clone, Debug)]
pub struct HeapWorkspace {
    words: Vec<u32>,
    logits: Vec<u32>,
}

impl HeapWorkspace {
    /// Room for this model.
    pub fn new(model: &Model<'_>) -> Self {
        HeapWorkspace {
            words: vec![0; model.workspace_words()],
            logits: vec![0; model.num_outputs()],
        }
    }

    /// A session of this model.
    ///
    /// # Errors
    ///
    /// It reads values, or the workspace was made for a smaller model.
    pub fn session<'m>(&mut self, model: &Model<'m>) -> Result<Session<'m, '_>> {
        let workspace = WorkspaceSlices::new(&mut self.words, &mut self.logits);
        Ok(Session::new(*model, workspace)?)
    }

    /// A session of this model, which reads values.
    ///
    /// # Errors
    ///
    /// It reads symbols.
    pub fn sensor_session<'m>(&mut self, model: &Model<'m>) -> Result<SensorSession<'m, '_>> {
        let workspace = WorkspaceSlices::new(&mut self.words, &mut self.logits);
        Ok(SensorSession::new(*model, workspace)?)
    }
}
