//! Images for the flash of boards, made in a browser: `flash_image` as a WebAssembly module.
//!
//! The page puts two files into rooms of the module, calls `replace`, and reads what `result` and `length` tell: the
//! new image, or, where `replace` has given 0, one line of why there is none. An instance makes one image.

#![cfg(target_family = "wasm")]
#![allow(
    unsafe_code,
    unreachable_pub,
    reason = "exported functions have their names as they are, and are called from outside"
)]

use std::cell::RefCell;
use std::slice;

use flash_image::{Format, Place};

thread_local! {
    /// What was made.
    static RESULT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for so many bytes, which stays, and tells where.
#[unsafe(no_mangle)]
pub extern "C" fn room(bytes: usize) -> *mut u8 {
    Vec::leak(vec![0; bytes]).as_mut_ptr()
}

/// Puts a model into an image, in the place of the one in it; gives 1 if that was done. The format is 0 for hex, 1 for plain bytes, 2
/// for UF2; the numbers are those of `Place`.
///
/// # Safety
///
/// Both files are in rooms that [`room`] has given, and no longer than these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn replace(
    image: *const u8,
    image_bytes: usize,
    model: *const u8,
    model_bytes: usize,
    format: u32,
    family: u32,
    start: u32,
    model_start: u32,
    model_room: u32,
) -> u32 {
    // SAFETY: as promised by the caller.
    let (image, model) = unsafe {
        (
            slice::from_raw_parts(image, image_bytes),
            slice::from_raw_parts(model, model_bytes),
        )
    };
    let format = match format {
        0 => Format::Hex,
        1 => Format::Bin,
        _ => Format::Uf2 { family },
    };
    let place = Place {
        format,
        start,
        model: model_start,
        room: model_room,
    };
    let (is_done, result) = match place.replace(image, model) {
        Ok(image) => (1, image.encode(format)),
        Err(error) => (0, error.to_string().into_bytes()),
    };
    RESULT.set(result);
    is_done
}

/// Where the result of [`replace`] is.
#[unsafe(no_mangle)]
pub extern "C" fn result() -> *const u8 {
    RESULT.with_borrow(|result| result.as_ptr())
}

/// Its bytes.
#[unsafe(no_mangle)]
pub extern "C" fn length() -> usize {
    RESULT.with_borrow(Vec::len)
}
