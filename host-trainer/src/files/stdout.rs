//! Standard output. It may be a pipe whose reader has seen enough, or a file on a full disk: neither
//! may end a training; the program's end tells.

use crate::files::caller::{Told, caller};
use crate::files::error::{Error, Result};
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The first failure.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line of a result.
macro_rules! say {
    ($($text:tt)*) => { $crate::files::stdout::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Prints a line about what is going on, unless the program is to be quiet.
macro_rules! tell {
    ($($text:tt)*) => {
        if !$crate::files::stdout::is_quiet() {
            $crate::files::stdout::line(format_args!($($text)*))
        }
    };
}
pub(crate) use tell;

/// Whether only results and errors are printed.
static QUIET: AtomicBool = AtomicBool::new(false);

/// Prints only results and errors from now on.
pub(crate) fn be_quiet() {
    set_quiet(true);
}

/// Prints only results and errors from now on, or what is going on too.
pub(crate) fn set_quiet(is_quiet: bool) {
    QUIET.store(is_quiet, Ordering::Relaxed);
}

/// Whether only results and errors are printed.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints a line, or gives it to the program that called; a failure is kept for [`check`].
pub(crate) fn line(text: Arguments<'_>) {
    if let Some(caller) = caller() {
        return caller.tell(Told::Line(text.to_string()));
    }
    let mut failure = FAILURE.lock().unwrap_or_else(|e| e.into_inner());
    if failure.is_none() {
        *failure = writeln!(io::stdout(), "{text}").err();
    }
}

/// Whether all lines could be printed, or the reader wanted no more.
///
/// # Errors
/// The disk refused one.
pub(crate) fn check() -> Result<()> {
    let mut failure = FAILURE.lock().unwrap_or_else(|e| e.into_inner());
    match failure.take() {
        Some(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::failed(format!(
            "cannot write to standard output: {e}"
        ))),
        _ => Ok(()),
    }
}

/// A number with commas.
pub(crate) fn grouped(n: usize) -> String {
    indicatif::HumanCount(n as u64).to_string()
}
