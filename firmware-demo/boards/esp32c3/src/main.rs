//! ESP32-C3: one RV32IMC core, 4 MB of flash and 400 KB of RAM. The board is a serial port on USB.
//!
//! Bytes that arrive while a character is computed wait in the computer: USB holds them back.

#![no_std]
#![no_main]

#[path = "../../../board-support/src/region.rs"]
mod region;

use core::convert::Infallible;

use embedded_io::{ErrorType, Write};
use esp_hal::{Blocking, main, usb::usb_serial_jtag::UsbSerialJtag};
use lstm_core::{MAX_SYMBOLS, Workspace};
use panic_halt as _;
use static_cell::ConstStaticCell;

esp_bootloader_esp_idf::esp_app_desc!();

/// 32 KB.
const WORDS: usize = 8 * 1024;
static WORKSPACE: ConstStaticCell<Workspace<WORDS, MAX_SYMBOLS>> =
    ConstStaticCell::new(Workspace::new());

#[main]
fn main() -> ! {
    let devices = esp_hal::init(esp_hal::Config::default());
    map_model();
    let mut port = Port(UsbSerialJtag::new(devices.USB_DEVICE));
    // When it returns, it has said why on the port, and nothing is left to do.
    let _ = firmware_app::run(&mut port, region::model_region(), WORKSPACE.take());
    loop {
        core::hint::spin_loop();
    }
}

/// Makes the flash of the partition `model` readable at the address of the model region. The
/// bootloader does so for the program alone.
#[allow(unsafe_code, reason = "a function of the ROM")]
fn map_model() {
    const ADDRESS: u32 = 0x3c40_0000;
    const OFFSET: u32 = 0x20_0000;
    const PAGE_KB: u32 = 64;
    const PAGES: u32 = 32;
    unsafe extern "C" {
        /// Maps pages of flash (`memory` 0) from an address in flash to one in memory, in order
        /// (`fixed` 0). 0 if it did.
        fn Cache_Dbus_MMU_Set(
            memory: u32,
            address: u32,
            offset: u32,
            page_kb: u32,
            pages: u32,
            fixed: u32,
        ) -> i32;
    }
    // SAFETY: as the ROM's header wants them. The program lies below 0x3c40_0000, so no page of
    // it is touched. A model that is not there fails its checks.
    unsafe {
        Cache_Dbus_MMU_Set(0, ADDRESS, OFFSET, PAGE_KB, PAGES, 0);
    }
}

/// The serial port on USB.
struct Port<'d>(UsbSerialJtag<'d, Blocking>);

impl ErrorType for Port<'_> {
    type Error = Infallible;
}

impl Write for Port<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        // Nothing is said of a computer that does not listen.
        let Ok(()) = self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        let Ok(()) = self.0.flush_tx();
        Ok(())
    }
}
