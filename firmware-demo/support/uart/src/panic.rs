//! That the firmware cannot panic.

use core::panic::PanicInfo;

/// In a release build it calls what no library has: if a panic could be reached, the firmware
/// would not link. So a firmware that there is cannot panic.
#[panic_handler]
#[cfg_attr(
    not(debug_assertions),
    allow(unsafe_code, reason = "a function that does not exist")
)]
fn panic(_: &PanicInfo<'_>) -> ! {
    #[cfg(not(debug_assertions))]
    {
        unsafe extern "C" {
            fn a_panic_can_be_reached() -> !;
        }
        // SAFETY: no program with this call exists.
        unsafe { a_panic_can_be_reached() }
    }
    #[cfg(debug_assertions)]
    crate::stop::park()
}
