//! That no function can panic.

use core::panic::PanicInfo;

/// On a chip it calls what no library has. A static library in which no panic can be reached has neither
/// this handler nor that name; one in which a panic can be reached links into no program.
///
/// On the desk, where another library computes checksums, whose checks of indexes the compiler does not see
/// through, it ends the program.
#[panic_handler]
#[allow(unsafe_code, reason = "functions of C")]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        #[cfg_attr(target_os = "none", link_name = "lstm_a_panic_can_be_reached")]
        fn abort() -> !;
    }
    // SAFETY: on the desk, the function of C's library; on a chip, no program with this call exists.
    unsafe { abort() }
}
