//! How far long work is: a bar at a terminal, and nothing elsewhere.

use crate::files::stdout::is_quiet;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// A bar that is shown while it lives.
#[derive(Debug)]
pub(crate) struct Progress(Option<ProgressBar>);

/// Work that is done before anyone looks for a bar, in characters.
const SHORT: usize = 100_000;

impl Progress {
    /// Of so many characters, that are `done`: a word such as "scored".
    pub(crate) fn new(done: &'static str, characters: usize) -> Self {
        let is_shown = characters > SHORT && std::io::stderr().is_terminal() && !is_quiet();
        Self(is_shown.then(|| {
            let template =
                "[{bar:30}] {percent:>3}% {human_pos} of {human_len} characters {msg}, {eta} left";
            let style = ProgressStyle::with_template(template).expect("a valid template");
            let bar = ProgressBar::new(characters as u64);
            bar.with_style(style.progress_chars("=> "))
                .with_message(done)
        }))
    }

    /// So many more are done.
    pub(crate) fn add(&self, characters: usize) {
        if let Some(bar) = &self.0 {
            bar.inc(characters as u64);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
