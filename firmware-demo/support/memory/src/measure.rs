//! How much memory the firmware takes, by the symbols of the linker and the paint on the stack.
#![allow(
    unsafe_code,
    reason = "the linker's symbols, and the stack that no variable owns"
)]

use core::hint::black_box;

use firmware_app::Memory;

/// A word that a program hardly ever leaves on its stack.
const PAINT: u32 = 0x7ac7_1e57;
/// Bytes below its caller's frame that the painter itself may use.
const OWN: usize = 128;

unsafe extern "C" {
    // Of boards/build.rs.
    static __code_start: u8;
    // Of link.x, on both architectures.
    static __sidata: u8;
    static __sdata: u8;
    static __edata: u8;
    static __sheap: u8;
    static _stack_start: u8;
}

/// The bytes from one symbol to another that is not before it.
fn between(start: *const u8, end: *const u8) -> u32 {
    end.addr().wrapping_sub(start.addr()) as u32
}

/// The memory that the firmware takes on this board.
pub fn measure() -> Memory {
    let code = between(&raw const __code_start, &raw const __sidata);
    let initial_values = between(&raw const __sdata, &raw const __edata);
    Memory {
        code: code.wrapping_add(initial_values),
        variables: between(&raw const __sdata, &raw const __sheap),
        stack: between(&raw const __sheap, &raw const _stack_start),
        stack_high_water: Some(high_water()),
    }
}

/// The lowest word of the stack.
fn lowest() -> *mut u32 {
    core::ptr::with_exposed_provenance_mut((&raw const __sheap).addr().next_multiple_of(4))
}

/// Paints the stack that is not in use, so that [`measure`] can tell how deep it got.
#[inline(never)]
pub fn paint() {
    let here = 0u32;
    let top = black_box(&raw const here).addr().wrapping_sub(OWN);
    let mut word = lowest();
    while word.addr() < top {
        // SAFETY: an aligned word above the variables and further below this frame than the
        // function itself reaches, so nobody uses it; an interrupt is over before the next word.
        unsafe { word.write_volatile(PAINT) }
        word = word.wrapping_add(1);
    }
}

/// The bytes of the stack that are no longer as they were painted.
fn high_water() -> u32 {
    let mut word = lowest();
    // SAFETY: an aligned word of the stack; whatever is there is a number.
    while word.addr() < (&raw const _stack_start).addr() && unsafe { word.read_volatile() } == PAINT
    {
        word = word.wrapping_add(1);
    }
    between(word.cast_const().cast(), &raw const _stack_start)
}
