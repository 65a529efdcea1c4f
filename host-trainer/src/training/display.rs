//! The progress of a run: a bar at a terminal, plain lines elsewhere; or told to the program that called.

use crate::files::caller::{Caller, Told, caller};
use crate::files::stdout::{is_quiet, tell};
use crate::training::checkpoint::Progress;
use crate::training::phase::Phase;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Seconds between two plain progress lines.
const LINE_SECONDS: u64 = 10;

/// What a person at a terminal sees while training; plain lines elsewhere.
pub(crate) struct Display {
    caller: Option<Caller>,
    bar: Option<ProgressBar>,
    shown: Instant,
    /// Characters and seconds at the last line.
    last: (u64, f64),
}

impl Display {
    pub(crate) fn new(characters: u64, seconds: f64) -> Self {
        let caller = caller();
        let has_bar = caller.is_none() && std::io::stderr().is_terminal() && !is_quiet();
        let bar = has_bar.then(|| {
            let template = "[{bar:30}] {percent:>3}% {msg}";
            let style = ProgressStyle::with_template(template).expect("a valid template");
            ProgressBar::new(10_000).with_style(style.progress_chars("=> "))
        });
        Self {
            caller,
            bar,
            shown: Instant::now(),
            last: (characters, seconds),
        }
    }

    /// Shows how far a run is, `done` of it at this learning rate; `speed` puts characters a second into words.
    pub(crate) fn show(
        &mut self,
        now: &Progress,
        (rate, done): (f64, f64),
        phase: &Phase,
        speed: impl FnOnce(f64) -> String,
    ) {
        let is_bar = self.bar.is_some() || self.caller.is_some();
        let interval = match is_bar {
            true => Duration::from_millis(500),
            false => Duration::from_secs(LINE_SECONDS),
        };
        if self.shown.elapsed() < interval {
            return;
        }
        self.shown = Instant::now();
        let seconds = (now.seconds - self.last.1).max(1e-9);
        let speed = speed((now.characters - self.last.0) as f64 / seconds);
        self.last = (now.characters, now.seconds);
        let loss = match now.loss_weight {
            0.0 => String::new(),
            weight => format!("loss {:.3}, ", now.loss.text / weight),
        };
        let left = (now.seconds * (1.0 - done) / done.max(1e-9)).round() as u64;
        let message = format!(
            "{} update {}, {loss}rate {rate:.1e}, {speed}, {}:{:02} left",
            phase.name,
            now.update,
            left / 60,
            left % 60
        );
        if let Some(caller) = &self.caller {
            return caller.tell(Told::Progress { done, message });
        }
        match &self.bar {
            Some(bar) => {
                bar.set_position((done * 1e4) as u64);
                bar.set_message(message);
            }
            None if is_quiet() => {}
            None => eprintln!("{:3.0}% {message}", 100.0 * done),
        }
    }

    pub(crate) fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell!("{text}")),
            None => tell!("{text}"),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
