//! A session that reads values, with the window of a model that has one.

use lstm_core::{Model, Output, SensorSession, SensorWindow, WorkspaceSlices};

use crate::{
    error::{Error, nth},
    workspace::parts,
};

/// At the zero state, with an empty window.
#[derive(Debug)]
pub(crate) struct Windowed {
    session: SensorSession<'static, WorkspaceSlices<'static>>,
    window: Option<SensorWindow<'static>>,
    /// Whether a step was answered since the start.
    has_output: bool,
}

impl Windowed {
    /// A window is run once it is full, and then every so many steps as it is long.
    pub(crate) fn new(model: Model<'static>, workspace: &'static mut [u32]) -> Result<Self, Error> {
        let (of_session, of_window) = parts(&model, workspace)?;
        let window = model.window();
        let window = window.map(|length| SensorWindow::new(&model, of_window, length, length));
        Ok(Self {
            window: window.transpose()?,
            session: SensorSession::new(model, of_session)?,
            has_output: false,
        })
    }

    pub(crate) fn set_stride(&mut self, stride: usize) -> Result<(), Error> {
        match &mut self.window {
            Some(window) => Ok(window.set_stride(stride)?),
            None => Ok(()),
        }
    }

    /// Reads the values of one step; whether they are answered.
    pub(crate) fn step(&mut self, values: &[f32]) -> Result<bool, Error> {
        let is_answered = match &mut self.window {
            Some(window) => window.push(&mut self.session, values)?.is_some(),
            None => {
                self.session.step(values)?;
                true
            }
        };
        self.has_output |= is_answered;
        Ok(is_answered)
    }

    /// The last answer.
    pub(crate) fn output(&mut self) -> Result<Output<'_>, Error> {
        match self.has_output {
            true => Ok(self.session.output()),
            false => Err(Error::NoOutput),
        }
    }

    /// One of the numbers in the last answer.
    pub(crate) fn number<T>(
        &mut self,
        index: usize,
        number: impl FnOnce(&Output<'_>, usize) -> T,
    ) -> Result<T, Error> {
        let output = self.output()?;
        let index = nth(0..output.len(), index, output.len())?;
        Ok(number(&output, index))
    }

    pub(crate) fn reset(&mut self) {
        self.session.reset();
        if let Some(window) = &mut self.window {
            window.clear();
        }
        self.has_output = false;
    }

    pub(crate) fn state_bytes(&self) -> usize {
        self.session.snapshot_bytes(self.window.as_ref())
    }

    pub(crate) fn save(&self, state: &mut [u8]) -> Result<(), Error> {
        Ok(self.session.save_snapshot(self.window.as_ref(), state)?)
    }

    /// There is no answer until the next step that is answered. Where it is refused, nothing changes.
    pub(crate) fn restore(&mut self, state: &[u8]) -> Result<(), Error> {
        self.session.restore_snapshot(self.window.as_mut(), state)?;
        self.has_output = false;
        Ok(())
    }
}
