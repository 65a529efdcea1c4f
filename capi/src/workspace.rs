//! How the words of a workspace are shared out.

use lstm_core::{Model, WorkspaceError, WorkspaceSlices};

/// Words of a session of a model: its state, and what it gives.
fn session_words(model: &Model<'_>) -> usize {
    model.workspace_words() + model.num_outputs()
}

/// Words of the window of a model that reads values in windows, else 0.
fn window_words(model: &Model<'_>) -> usize {
    model
        .window()
        .map_or(0, |length| model.window_words(length))
}

/// Words of all that a model needs.
pub(crate) fn words(model: &Model<'_>) -> usize {
    session_words(model) + window_words(model)
}

/// The parts of a session and of its window, of which the last may be empty.
pub(crate) fn parts<'w>(
    model: &Model<'_>,
    workspace: &'w mut [u32],
) -> Result<(WorkspaceSlices<'w>, &'w mut [u32]), WorkspaceError> {
    let (found, expected) = (workspace.len(), words(model));
    let too_few = WorkspaceError::Words { found, expected };
    if found < expected && model.window().is_some() {
        return Err(too_few);
    }
    let session = workspace.split_at_mut_checked(session_words(model));
    let (session, window) = session.ok_or(too_few)?;
    Ok((slices(model, session), window))
}

/// Those of a session; where there are too few words, it says so.
pub(crate) fn slices<'w>(model: &Model<'_>, workspace: &'w mut [u32]) -> WorkspaceSlices<'w> {
    let at = model.workspace_words().min(workspace.len());
    let (words, logits) = workspace.split_at_mut_checked(at).unwrap_or_default();
    WorkspaceSlices::new(words, logits)
}
