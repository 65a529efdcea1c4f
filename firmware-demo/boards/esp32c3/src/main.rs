//! ESP32-C3: one RV32IMC core, 4 MB of flash and 400 KB of RAM. The board is a serial port on USB.
//!
//! Bytes that arrive while a character is computed wait in the computer: USB holds them back.

#![no_std]
#![no_main]

use core::panic::PanicInfo;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write};
use esp_hal::{
    Blocking, Config,
    clock::CpuClock,
    main, ram,
    system::software_reset,
    time::{Duration, Instant},
    usb::usb_serial_jtag::UsbSerialJtag,
};
use firmware_app::{Board, Console, Memory, Ram, drive};
use static_cell::ConstStaticCell;
use support_memory::{ModelCopy, bytes, model_copy};

esp_bootloader_esp_idf::esp_app_desc!();

/// 32 KB.
const WORDS: usize = 8 * 1024;
static WORKSPACE: ConstStaticCell<Ram<WORDS>> = ConstStaticCell::new(Ram::new());
static MODEL_COPY: ModelCopy<{ bytes(env!("BOARD_MODEL_COPY")) }> = model_copy();

#[main]
fn main() -> ! {
    // 160 MHz; the default is half of it.
    let devices = esp_hal::init(Config::default().with_cpu_clock(CpuClock::max()));
    let region = match map_model() {
        0 => support_memory::model_region(),
        // The console says that no model runs.
        _ => &[],
    };
    let copy = &mut MODEL_COPY.take().0;
    let mut console = Console::copied(region, copy, WORKSPACE.take());
    let mut port = Port {
        usb: UsbSerialJtag::new(devices.USB_DEVICE),
        received: None,
    };
    loop {
        port.wait_for_reader();
        console.greet();
        drive(&mut console, &mut port, &mut Esp32C3);
    }
}

/// A fault of the core, which esp-hal makes a panic, starts the board anew.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    software_reset()
}

/// What the console asks of the board.
struct Esp32C3;

impl Board for Esp32C3 {
    fn name(&self) -> &'static str {
        env!("BOARD_LABEL")
    }

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
/// bootloader does so for the program alone. 0 if it did, else the error of the ROM.
///
/// It runs from RAM, because nothing can be read from flash while the cache is suspended.
#[ram]
#[allow(unsafe_code, reason = "functions of the ROM")]
fn map_model() -> i32 {
    const ADDRESS: u32 = 0x3c40_0000;
    const OFFSET: u32 = 0x20_0000;
    const PAGE_KB: u32 = 64;
    const PAGES: u32 = 32;
    unsafe extern "C" {
        /// Stops the cache; gives what `Cache_Resume_ICache` wants back.
        fn Cache_Suspend_ICache() -> u32;
        fn Cache_Resume_ICache(autoload: u32);
        fn Cache_Invalidate_Addr(address: u32, bytes: u32);
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
    // SAFETY: as the ROM's header wants them; no interrupt is enabled that could read from flash
    // meanwhile. The program lies below 0x3c40_0000, so no page of it is touched. A model that is not
    // there fails its checks.
    unsafe {
        let autoload = Cache_Suspend_ICache();
        let error = Cache_Dbus_MMU_Set(0, ADDRESS, OFFSET, PAGE_KB, PAGES, 0);
        Cache_Invalidate_Addr(ADDRESS, PAGES * PAGE_KB * 1024);
        Cache_Resume_ICache(autoload);
        error
    }
}

/// The serial port on USB.
///
/// Its error says that nobody reads: the chip does not tell whether a terminal program is there, but a
/// computer fetches nothing while none is.
struct Port<'d> {
    usb: UsbSerialJtag<'d, Blocking>,
    /// A byte that has been taken to see whether there is one.
    received: Option<u8>,
}

impl Port<'_> {
    /// How long a computer may fetch nothing.
    const PATIENCE: Duration = Duration::from_secs(1);
    /// A terminal program has ended the echo of its computer by then.
    const ECHO: Duration = Duration::from_millis(100);

    /// Waits until somebody reads, and drops what has come until a moment later.
    fn wait_for_reader(&mut self) {
        while self.write(b"\r").is_err() {}
        let start = Instant::now();
        while start.elapsed() < Self::ECHO {
            let _ = self.usb.read_byte();
        }
        self.received = None;
    }
}

impl ErrorType for Port<'_> {
    type Error = ErrorKind;
}

impl ReadReady for Port<'_> {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        if self.received.is_none() {
            self.received = self.usb.read_byte().ok();
        }
        Ok(self.received.is_some())
    }
}

impl Read for Port<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ErrorKind> {
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
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        let start = Instant::now();
        for &byte in bytes {
            while self.usb.write_byte_nb(byte).is_err() {
                if start.elapsed() > Self::PATIENCE {
                    return Err(ErrorKind::NotConnected);
                }
            }
        }
        // The next write waits until the computer has fetched it.
        let _ = self.usb.flush_tx_nb();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
