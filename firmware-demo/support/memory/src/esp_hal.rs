//! How much memory the firmware of a chip of Espressif takes, by the symbols of the linker.
#![allow(unsafe_code, reason = "the linker's symbols")]

use firmware_app::Memory;

unsafe extern "C" {
    // Of boards/esp-hal.x: a number, not an address.
    static __firmware_bytes: u8;
    // Of esp-hal.
    static _data_start: u8;
    static _bss_end: u8;
    static _stack_end: u8;
    static _stack_start: u8;
}

/// The memory that the firmware takes. How much of the stack has been used, it does not tell: esp-hal
/// guards the end of the stack, so nobody may paint it.
pub fn measure() -> Memory {
    let between = |start: *const u8, end: *const u8| end.addr().wrapping_sub(start.addr()) as u32;
    Memory {
        code: (&raw const __firmware_bytes).addr() as u32,
        variables: between(&raw const _data_start, &raw const _bss_end),
        stack: between(&raw const _stack_end, &raw const _stack_start),
        stack_high_water: None,
    }
}
