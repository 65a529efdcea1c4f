//! ESP32-C3: one RV32IMC core, 4 MB of flash and 400 KB of RAM. The board is a serial port on USB.
//!
//! Bytes that arrive while a character is computed wait in the computer: USB holds them back.

#![no_std]
#![no_main]

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write};
use esp_hal::{
    Blocking, Config, clock::CpuClock, main, time::Instant, usb::usb_serial_jtag::UsbSerialJtag,
};
use firmware_app::{Board, Memory, Ram};
use panic_halt as _;
use static_cell::ConstStaticCell;

esp_bootloader_esp_idf::esp_app_desc!();

/// 32 KB.
const WORDS: usize = 8 * 1024;
static WORKSPACE: ConstStaticCell<Ram<WORDS>> = ConstStaticCell::new(Ram::new());

#[main]
fn main() -> ! {
    // 160 MHz; the default is half of it.
    let devices = esp_hal::init(Config::default().with_cpu_clock(CpuClock::max()));
    map_model();
    let mut port = Port {
        usb: UsbSerialJtag::new(devices.USB_DEVICE),
        received: None,
    };
    // The port never fails, so this does not return.
    let _: Infallible = firmware_app::run(
        &mut port,
        &mut Esp32C3,
        support_memory::model_region(),
        WORKSPACE.take(),
    );
    loop {
        core::hint::spin_loop();
    }
}

/// What the console asks of the board.
struct Esp32C3;

impl Board for Esp32C3 {
    fn ticks(&mut self) -> u32 {
        Instant::now().duration_since_epoch().as_micros() as u32
    }

    fn ticks_per_second(&self) -> u32 {
        1_000_000
    }

    fn tick_unit(&self) -> &'static str {
        "microseconds (SYSTIMER)"
    }

    fn memory(&mut self) -> Memory {
        support_memory::esp_hal::measure()
    }

    /// USB holds back what there is no room for.
    fn lost_bytes(&mut self) -> u32 {
        0
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
struct Port<'d> {
    usb: UsbSerialJtag<'d, Blocking>,
    /// A byte that has been taken to see whether there is one.
    received: Option<u8>,
}

impl ErrorType for Port<'_> {
    type Error = Infallible;
}

impl ReadReady for Port<'_> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        if self.received.is_none() {
            self.received = self.usb.read_byte().ok();
        }
        Ok(self.received.is_some())
    }
}

impl Read for Port<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        while !self.read_ready()? {}
        let mut count = 0;
        for place in bytes {
            if !self.read_ready()? {
                break;
            }
            *place = self.received.take().unwrap_or_default();
            count += 1;
        }
        Ok(count)
    }
}

impl Write for Port<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        // Nothing is said of a computer that does not listen.
        let Ok(()) = self.usb.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        let Ok(()) = self.usb.flush_tx();
        Ok(())
    }
}
