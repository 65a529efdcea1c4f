//! Standard output. It may be a pipe whose reader has seen enough, or a file on a full disk: neither
//! may end a training; the program's end tells.

use crate::files::error::{Error, Result};
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;

/// The first failure.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line.
macro_rules! say {
    ($($text:tt)*) => { $crate::files::stdout::line(format_args!($($text)*)) };
}
pub(crate) use say;

/// Prints a line; a failure is kept for [`check`].
pub(crate) fn line(text: Arguments<'_>) {
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
    let digits = n.to_string();
    let (head, rest) = digits.split_at((digits.len() - 1) % 3 + 1);
    let groups = rest.as_bytes().chunks(3);
    let groups = groups.map(|group| format!(",{}", String::from_utf8_lossy(group)));
    head.to_owned() + &groups.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        let numbers = [0, 999, 1000, 12345, 1234567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }
}
