//! Boards with a chip of Raspberry Pi: an RP2040 with two Cortex-M0+ and 264 KB of RAM, or an RP2350
//! with two Cortex-M33 and 520 KB. One core writes; the board is a serial port on USB.
//!
//! A board chooses the chip by a feature, and the second stage of the boot loader, where its flash
//! wants another than that of the Pico, by a feature of `embassy-rp`.

#![no_std]
#![cfg(target_os = "none")]

use core::panic::PanicInfo;

pub use cortex_m_rt::entry;
#[cfg(feature = "rp2040")]
use embassy_rp::pac::TIMER;
#[cfg(feature = "rp2350")]
use embassy_rp::pac::TIMER0 as TIMER;
use embassy_rp::{
    bind_interrupts,
    peripherals::USB,
    usb::{Driver, InterruptHandler},
};
use firmware_app::{Board, Memory, Ram};
use static_cell::ConstStaticCell;
pub use support_memory::{ModelCopy, bytes, model_copy};
use support_usb::{Buffers, Identity};

/// Raspberry Pi's numbers for a serial port of a program on its chips: they are for everybody, and the
/// name tells the programs apart (<https://github.com/raspberrypi/usb-pid>).
const VENDOR: u16 = 0x2e8a;
#[cfg(feature = "rp2040")]
const PRODUCT: u16 = 0x000a;
#[cfg(feature = "rp2350")]
const PRODUCT: u16 = 0x0009;
/// 32 KB.
const WORDS: usize = 8 * 1024;
static WORKSPACE: ConstStaticCell<Ram<WORDS>> = ConstStaticCell::new(Ram::new());

bind_interrupts!(struct Interrupts {
    USBCTRL_IRQ => InterruptHandler<USB>;
});

/// Runs the firmware for ever, as a serial port with this name and with this room for a copy of the
/// model. `label` is the board's name and clock for people. To be called once.
pub fn start<const BYTES: usize>(
    title: &'static str,
    label: &'static str,
    copy: &'static ModelCopy<BYTES>,
) -> ! {
    support_memory::paint();
    let devices = embassy_rp::init(Default::default());
    support_usb::serve(
        Driver::new(devices.USB, Interrupts),
        Identity {
            vendor: VENDOR,
            product: PRODUCT,
            name: title,
        },
        &mut Buffers::new(),
        &mut Rp(label),
        support_memory::model_region(),
        &mut copy.take().0,
        WORKSPACE.take(),
    )
}

/// A fault of the core or a panic takes the board to its boot loader: its drive appears, as with the
/// button BOOTSEL.
fn stop() -> ! {
    embassy_rp::rom_data::reset_to_usb_boot(0, 0);
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    stop()
}

#[allow(unsafe_code, reason = "only the chip calls it")]
#[cortex_m_rt::exception(trampoline = false)]
unsafe fn HardFault() -> ! {
    stop()
}

/// What the console asks of the board: its name and clock, and the rest.
struct Rp(&'static str);

impl Board for Rp {
    fn name(&self) -> &'static str {
        self.0
    }

    fn ticks(&mut self) -> u32 {
        TIMER.timerawl().read()
    }

    fn ticks_per_second(&self) -> u32 {
        1_000_000
    }

    fn tick_unit(&self) -> &'static str {
        "microseconds (TIMER)"
    }

    fn memory(&mut self) -> Memory {
        support_memory::measure()
    }

    /// USB holds back what there is no room for.
    fn lost_bytes(&mut self) -> u32 {
        0
    }
}
