//! QEMU's riscv32 `virt` machine: an RV32IMAC core. All its memory is RAM; `board.toml` uses it
//! as on a chip with flash.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M virt`).

#![no_std]
#![no_main]

use support_uart::{
    ANY_MODEL, Clock, Device, Fault, Ram, Uart, entry, listen, ram, receive_by_interrupt, start,
};

static WORKSPACE: Ram<ANY_MODEL> = ram();

#[allow(unsafe_code, reason = "the addresses of devices")]
// SAFETY: the UART and the interrupt controller of this machine, which touch no memory.
const UART: Ns16550 = unsafe {
    Ns16550 {
        uart: Device::at(0x1000_0000),
        plic: Plic {
            priorities: Device::at(0x0c00_0000),
            enabled: Device::at(0x0c00_2000),
            context: Device::at(0x0c20_0000),
        },
    }
};
const UART_INTERRUPT: u32 = 10;

receive_by_interrupt!(UART);

/// Starts the UART and its interrupt, then the firmware.
#[entry]
fn main() -> ! {
    UART.plic.enable(UART_INTERRUPT);
    UART.start();
    listen();
    #[allow(unsafe_code, reason = "the address of a device")]
    // SAFETY: the timer of this machine, which touches no memory.
    let timer = Mtime(unsafe { Device::at(0x0200_b000) });
    start(env!("BOARD_LABEL"), UART, timer, &WORKSPACE)
}

/// The UART, an NS16550A.
#[derive(Clone, Copy)]
struct Ns16550 {
    uart: Device<u8>,
    plic: Plic,
}

impl Ns16550 {
    const DATA: usize = 0;
    const INTERRUPTS: usize = 1;
    const LINE_STATUS: usize = 5;
    const INTERRUPTS_RX: u8 = 1;
    const LINE_STATUS_RX_FULL: u8 = 1;
    const LINE_STATUS_TX_EMPTY: u8 = 1 << 5;

    fn start(self) {
        self.uart.write(Self::INTERRUPTS, Self::INTERRUPTS_RX);
    }
}

impl Uart for Ns16550 {
    fn receive(self, mut take: impl FnMut(Result<u8, Fault>)) {
        // A byte that arrives after the last one taken makes the interrupt pending anew.
        let source = self.plic.claim();
        while self.uart.read(Self::LINE_STATUS) & Self::LINE_STATUS_RX_FULL != 0 {
            take(Ok(self.uart.read(Self::DATA)));
        }
        self.plic.complete(source);
    }

    fn send(self, byte: u8) {
        self.flush();
        self.uart.write(Self::DATA, byte);
    }

    fn flush(self) {
        while self.uart.read(Self::LINE_STATUS) & Self::LINE_STATUS_TX_EMPTY == 0 {}
    }
}

/// The platform-level interrupt controller, as the first hart in machine mode sees it.
#[derive(Clone, Copy)]
struct Plic {
    priorities: Device,
    enabled: Device,
    context: Device,
}

impl Plic {
    const THRESHOLD: usize = 0;
    const CLAIM: usize = 4;

    fn enable(self, source: u32) {
        self.priorities.write(4 * source as usize, 1);
        self.enabled.set(0, 1 << source);
        self.context.write(Self::THRESHOLD, 0);
    }

    fn claim(self) -> u32 {
        self.context.read(Self::CLAIM)
    }

    fn complete(self, source: u32) {
        self.context.write(Self::CLAIM, source);
    }
}

/// The timer of the core-local interruptor.
struct Mtime(Device);

impl Clock for Mtime {
    const UNIT: &'static str = "ticks of 0.1 us (mtime)";

    fn ticks(&self) -> u32 {
        const MTIME: usize = 0xff8;
        self.0.read(MTIME)
    }

    fn hertz(&self) -> u32 {
        10_000_000
    }
}
