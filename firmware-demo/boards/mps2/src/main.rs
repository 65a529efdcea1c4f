//! Arm MPS2 with the AN386 image: a Cortex-M4F with 4 MB of code memory and 4 MB of RAM.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M mps2-an386`).

#![no_std]
#![no_main]

use core::{convert::Infallible, panic::PanicInfo};

use cortex_m::asm;
use cortex_m_rt::entry;
use embedded_io::{ErrorType, Write};
use lstm_core::{Format, LayerShape, MAX_LAYERS, MAX_SYMBOLS, Workspace, workspace_words};

/// The largest model that this board runs: four layers of 512 units, either format, any alphabet.
const WORDS: usize = {
    let largest = [LayerShape::lstm(512); MAX_LAYERS];
    let f32 = workspace_words(Format::F32, &largest);
    let int8 = workspace_words(Format::Int8, &largest);
    if f32 > int8 { f32 } else { int8 }
};

#[entry]
fn main() -> ! {
    static mut WORKSPACE: Workspace<WORDS, MAX_SYMBOLS> = Workspace::new();
    // When it returns, it has said why on the port, and nothing is left to do.
    let _ = firmware_app::run(&mut Uart::new(), model_region(), WORKSPACE);
    park()
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    park()
}

fn park() -> ! {
    loop {
        asm::wfi();
    }
}

/// The flash in which a model may lie, as memory.x names it.
#[allow(unsafe_code, reason = "the region's bounds come from the linker")]
fn model_region() -> &'static [u8] {
    unsafe extern "C" {
        static __model_start: u8;
        static __model_end: u8;
    }
    let start = &raw const __model_start;
    let len = (&raw const __model_end).addr() - start.addr();
    // SAFETY: memory.x gives both symbols the bounds of one region of memory; no section lies in it
    // and no code writes it.
    unsafe { core::slice::from_raw_parts(start, len) }
}

/// UART0, an Arm CMSDK APB UART.
struct Uart;

/// The registers of the UART, by their offset.
#[derive(Clone, Copy)]
enum Register {
    Data = 0x00,
    State = 0x04,
    Ctrl = 0x08,
    BaudDiv = 0x10,
}

impl Uart {
    const BASE: usize = 0x4000_4000;
    const STATE_TX_FULL: u32 = 1;
    const CTRL_TX_ENABLE: u32 = 1;
    /// 25 MHz / 217 = 115,200 baud.
    const DIVIDER: u32 = 217;

    fn new() -> Self {
        Self::write(Register::BaudDiv, Self::DIVIDER);
        Self::write(Register::Ctrl, Self::CTRL_TX_ENABLE);
        Uart
    }

    fn put(byte: u8) {
        while Self::read(Register::State) & Self::STATE_TX_FULL != 0 {}
        Self::write(Register::Data, byte.into());
    }

    #[allow(unsafe_code, reason = "memory-mapped registers")]
    fn read(register: Register) -> u32 {
        // SAFETY: a register of UART0, mapped and aligned at this address on this machine.
        unsafe { ((Self::BASE + register as usize) as *const u32).read_volatile() }
    }

    #[allow(unsafe_code, reason = "memory-mapped registers")]
    fn write(register: Register, value: u32) {
        // SAFETY: as in read, and no write to these makes the UART touch memory.
        unsafe { ((Self::BASE + register as usize) as *mut u32).write_volatile(value) }
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for &byte in bytes {
            Self::put(byte);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        while Self::read(Register::State) & Self::STATE_TX_FULL != 0 {}
        Ok(())
    }
}
