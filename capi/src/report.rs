//! Errors told to C: kept in its memory, and as lines of text.

use core::{
    ffi::c_char,
    fmt::{self, Write},
};

use crate::{
    error::{Error, Status, status},
    object::ErrorMemory,
    pointer::{In, Out},
};

/// The code of a result, whose error is kept in `place` if that is not null.
pub(crate) fn report(result: Result<(), Error>, place: Out<ErrorMemory>) -> Status {
    if let Err(error) = result
        && !place.is_null()
        && let Err(refused) = place.make("error", || Ok(error))
    {
        return refused.status();
    }
    status(result)
}

/// What a code means, in a line that ends with a zero byte. For numbers that are no code too.
#[allow(unsafe_code, reason = "C's name")]
#[unsafe(no_mangle)]
pub extern "C" fn lstm_status_text(status: i32) -> *const c_char {
    #[cfg(feature = "planted-panic")]
    assert!(status >= 0);
    let mut all = Status::ALL.into_iter();
    let known = all.find(|known| *known as i32 == status);
    known.unwrap_or(Status::LstmErrorOther).text().as_ptr()
}

/// Writes a line about an error, what was found and what is expected, into `text`, which has room for
/// `capacity` bytes. It ends with a zero byte and is cut where there is no room. Gives the bytes of the
/// whole line without the zero byte; 0 where `error` holds none, or where `text` cannot be written.
#[allow(unsafe_code, reason = "C's name")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_error_text(
    error: *const ErrorMemory,
    text: *mut c_char,
    capacity: usize,
) -> usize {
    let Ok(text) = Out(text).bytes("text", capacity) else {
        return 0;
    };
    let mut line = Line {
        rest: text,
        length: 0,
        is_cut: false,
    };
    if let Ok(error) = In(error).content("error") {
        // A line takes everything.
        let _ = write!(line, "{error}");
    }
    if let Some(end) = line.rest.first_mut() {
        *end = 0;
    }
    line.length
}

/// Room for a text and a zero byte.
struct Line<'a> {
    rest: &'a mut [u8],
    /// Of the whole text.
    length: usize,
    is_cut: bool,
}

impl fmt::Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let size = character.len_utf8();
            self.length += size;
            self.is_cut |= size >= self.rest.len();
            if self.is_cut {
                continue;
            }
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).bytes();
            let rest = core::mem::take(&mut self.rest);
            let Some((to, rest)) = rest.split_at_mut_checked(size) else {
                continue;
            };
            to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
            self.rest = rest;
        }
        Ok(())
    }
}
