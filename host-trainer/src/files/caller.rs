//! A program that runs commands within itself: it hears what a terminal would show, and may stop them.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a command tells while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A line for standard output.
    Line(String),
    /// How far long work is.
    Progress {
        /// The part that is done, 0 to 1.
        done: f64,
        /// For people, in one line.
        message: String,
    },
}

/// A program that runs a command within itself.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Takes what the command tells. One whose receiver is gone is told nothing.
    pub told: Sender<Told>,
    /// Set from outside to end the command, as Ctrl-C does: what it has is saved first.
    pub stop: Arc<AtomicBool>,
}

/// The program that runs a command now; none where that is a command line.
static CALLER: Mutex<Option<Caller>> = Mutex::new(None);
/// Held while a command runs for a program: there is one at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Takes the caller away when the command is over.
pub(crate) struct Turn(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Drop for Turn {
    fn drop(&mut self) {
        *lock(&CALLER) = None;
    }
}

/// Commands work for this program until the turn is dropped; waits for the turn of another.
pub(crate) fn call_from(caller: Caller) -> Turn {
    let turn = lock(&TURN);
    *lock(&CALLER) = Some(caller);
    Turn(turn)
}

/// The program that runs a command now.
pub(crate) fn caller() -> Option<Caller> {
    lock(&CALLER).clone()
}

impl Caller {
    pub(crate) fn tell(&self, told: Told) {
        // Who does not listen wants no more.
        let _ = self.told.send(told);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
