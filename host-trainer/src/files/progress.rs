//! How far long work is: a bar at a terminal, and nothing elsewhere; or told to the program that called.

use crate::files::caller::{Caller, Told, caller};
use crate::files::stdout::{grouped, is_quiet};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// A bar that is shown while it lives.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    caller: Option<Caller>,
}

/// Work that is done before anyone looks for a bar, in characters.
const SHORT: usize = 100_000;

impl Progress {
    /// Of so many characters, that are `done`: a word such as "scored".
    pub(crate) fn new(done: &'static str, characters: usize) -> Self {
        let caller = caller();
        let is_seen = caller.is_some() || std::io::stderr().is_terminal();
        let is_shown = characters > SHORT && is_seen && !is_quiet();
        let bar = is_shown.then(|| {
            let bar = match caller {
                None => ProgressBar::new(characters as u64),
                Some(_) => ProgressBar::hidden(),
            };
            bar.set_length(characters as u64);
            let template =
                "[{bar:30}] {percent:>3}% {human_pos} of {human_len} characters {msg}, {eta} left";
            let style = ProgressStyle::with_template(template).expect("a valid template");
            bar.with_style(style.progress_chars("=> "))
                .with_message(done)
        });
        Self { bar, caller }
    }

    /// So many more are done.
    pub(crate) fn add(&self, characters: usize) {
        let Some(bar) = &self.bar else { return };
        bar.inc(characters as u64);
        if let Some(caller) = &self.caller {
            let (position, length) = (bar.position(), bar.length().unwrap_or(1));
            let [shown, all] = [position, length].map(|count| grouped(count as usize));
            caller.tell(Told::Progress {
                done: position as f64 / length as f64,
                message: format!("{shown} of {all} characters {}", bar.message()),
            });
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
