//! What a network sees at a time.

/// What a network sees of a text, or of a series of values, at a time, as its file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// The file does not tell.
    Untold,
    /// The state is carried from step to step.
    Carried,
    /// It answers at the end of a window of so many steps, from a zero state.
    Window(usize),
    /// It answers at the end of a window, of which the file does not tell the length.
    WindowOfUntoldLength,
}

/// What a network reads each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// A character.
    Characters,
    /// A vector of values.
    Values,
}
