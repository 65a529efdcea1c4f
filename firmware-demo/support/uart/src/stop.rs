#[cfg(not(target_os = "none"))]
use core::hint::spin_loop as wfi;

#[cfg(all(target_os = "none", target_arch = "arm"))]
use cortex_m::asm::wfi;
#[cfg(all(target_os = "none", target_arch = "riscv32"))]
use riscv::asm::wfi;

#[cfg(target_os = "none")]
use crate::uart::Uart;

/// Says that the core has met a fault, and waits for ever: for the handlers of faults.
#[cfg(target_os = "none")]
#[inline(never)]
pub fn stop(uart: impl Uart) -> ! {
    b"\r\n# the core has met a fault and stops; a reset starts it again\r\n"
        .iter()
        .for_each(|&byte| uart.send(byte));
    uart.flush();
    park()
}

/// Waits for ever.
pub(crate) fn park() -> ! {
    loop {
        wfi();
    }
}
