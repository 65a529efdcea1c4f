//! The one interrupt of a board: a byte has arrived. And what the core calls when it can go on no more.
#![allow(unsafe_code, reason = "only the chip calls an interrupt handler")]

/// Makes the interrupt of this [`Uart`](crate::Uart), a constant, keep what it receives; the second
/// is its number, as the chip's manual counts them. Every other interrupt must stay disabled.
/// [`listen`] enables it. A fault of the core is told on the UART.
#[cfg(target_arch = "arm")]
#[macro_export]
macro_rules! receive_by_interrupt {
    ($uart:expr, $number:expr) => {
        /// The table of interrupts up to this one: they all come to one handler.
        #[allow(unsafe_code, reason = "the core reads the table")]
        #[unsafe(link_section = ".vector_table.interrupts")]
        #[unsafe(no_mangle)]
        static __INTERRUPTS: [extern "C" fn(); $number as usize + 1] =
            [uart_interrupt; $number as usize + 1];

        #[allow(unsafe_code, reason = "tools/stack-depth finds it by this name")]
        #[unsafe(no_mangle)]
        extern "C" fn uart_interrupt() {
            $crate::keep_received($uart);
        }

        /// No other exception is in use.
        #[allow(unsafe_code, reason = "only the chip calls it")]
        #[$crate::exception]
        unsafe fn DefaultHandler(_: i16) -> ! {
            $crate::stop($uart)
        }

        #[allow(unsafe_code, reason = "only the chip calls it")]
        #[$crate::exception(trampoline = false)]
        unsafe fn HardFault() -> ! {
            $crate::stop($uart)
        }
    };
}

/// Makes the interrupt of this [`Uart`](crate::Uart), a constant, keep what it receives.
/// [`listen`] enables it. A fault of the core is told on the UART.
#[cfg(target_arch = "riscv32")]
#[macro_export]
macro_rules! receive_by_interrupt {
    ($uart:expr) => {
        #[allow(unsafe_code, reason = "only riscv-rt calls it, by this name")]
        #[unsafe(export_name = "MachineExternal")]
        extern "C" fn machine_external() {
            $crate::keep_received($uart);
        }

        #[allow(unsafe_code, reason = "only riscv-rt calls it, by this name")]
        #[unsafe(export_name = "ExceptionHandler")]
        extern "C" fn exception_handler() -> ! {
            $crate::stop($uart)
        }
    };
}

/// Enables the interrupt of this number, as the chip's manual counts them.
#[cfg(target_arch = "arm")]
pub fn listen(number: u16) {
    #[derive(Clone, Copy)]
    struct Number(u16);

    // SAFETY: the number stays the same.
    unsafe impl cortex_m::interrupt::InterruptNumber for Number {
        fn number(self) -> u16 {
            self.0
        }
    }

    // SAFETY: no code here relies on the interrupt being masked.
    unsafe { cortex_m::peripheral::NVIC::unmask(Number(number)) }
}

/// Lets the core take external interrupts. Which of them there are, the board has told its
/// interrupt controller before.
#[cfg(target_arch = "riscv32")]
pub fn listen() {
    // SAFETY: no code here relies on interrupts being disabled.
    unsafe {
        riscv::register::mie::set_mext();
        riscv::interrupt::enable();
    }
}
