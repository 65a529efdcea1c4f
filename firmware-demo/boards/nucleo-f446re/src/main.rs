//! NUCLEO-F446RE: an STM32F446 with a Cortex-M4F, 512 KB of flash and 128 KB of RAM. The ST-LINK on
//! the board shows USART2 as a USB serial port (115,200 baud). The same image runs on the board
//! and under QEMU, which knows a board with the same USART, the Netduino Plus 2.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M netduinoplus2`).

#![no_std]
#![no_main]

use support_uart::{
    ANY_MODEL, Device, Ram, Stm32Usart, SysTick, entry, hertz, listen, ram, receive_by_interrupt,
    start,
};

static WORKSPACE: Ram<ANY_MODEL> = ram();

#[allow(unsafe_code, reason = "the addresses of devices")]
// SAFETY: none of these touches memory.
const DEVICES: Devices = unsafe {
    Devices {
        gpio_a: Device::at(0x4002_0000),
        rcc: Device::at(0x4002_3800),
        flash: Device::at(0x4002_3c00),
        usart2: Device::at(0x4000_4400),
    }
};
const USART2: Stm32Usart = Stm32Usart::new(DEVICES.usart2);
const USART2_INTERRUPT: u16 = 38;
/// In hertz, by the PLL.
const CLOCK: u32 = hertz(env!("BOARD_CLOCK"));

struct Devices {
    gpio_a: Device,
    rcc: Device,
    flash: Device,
    usart2: Device,
}

receive_by_interrupt!(USART2, USART2_INTERRUPT);

#[entry]
fn main() -> ! {
    let clocks = start_clocks();
    connect_pins();
    USART2.start(clocks.usart2);
    listen(USART2_INTERRUPT);
    start(
        env!("BOARD_LABEL"),
        USART2,
        SysTick::start(clocks.core),
        &WORKSPACE,
    )
}

/// Clocks, in hertz.
struct Clocks {
    core: u32,
    usart2: u32,
}

/// Takes the core to [`CLOCK`] by the PLL. The PLL goes by the 8 MHz that the ST-LINK sends from its
/// crystal, or without them by the oscillator inside the chip, which may be too far off for a UART. If it
/// does not lock, as under QEMU, the core stays at the 16 MHz of that oscillator.
fn start_clocks() -> Clocks {
    const CONTROL: usize = 0x00;
    const PLL_ON: u32 = 1 << 24;
    const PLL_READY: u32 = 1 << 25;
    const PLL: usize = 0x04;
    const EXTERNAL_ON: u32 = 1 << 16;
    const EXTERNAL_READY: u32 = 1 << 17;
    /// A clock comes, and no crystal is to be driven.
    const IS_A_CLOCK: u32 = 1 << 18;
    /// 1 MHz * 336 / 2, and / 7 for USB, which wants 48 MHz. The top field is the reset value.
    const PLL_168_MHZ: u32 = 2 << 28 | 7 << 24 | 336 << 6;
    const _: () = assert!(CLOCK == 1_000_000 * 336 / 2);
    /// 8 MHz / 8.
    const BY_EXTERNAL: u32 = PLL_168_MHZ | 1 << 22 | 8;
    /// 16 MHz / 16.
    const BY_OSCILLATOR: u32 = PLL_168_MHZ | 16;
    const CLOCKS: usize = 0x08;
    const BY_PLL: u32 = 2;
    const PLL_IN_USE: u32 = 2 << 2;
    /// The first bus of devices at a quarter of the core's clock, the second at half.
    const BUSES: u32 = 0b101 << 10 | 0b100 << 13;
    const FLASH_ACCESS: usize = 0x00;
    /// Five wait states; prefetch and both caches on.
    const FLASH_FOR_168_MHZ: u32 = 0b111 << 8 | 5;

    let Devices { rcc, flash, .. } = DEVICES;
    rcc.set(CONTROL, IS_A_CLOCK);
    rcc.set(CONTROL, EXTERNAL_ON);
    let pll = match rcc.wait_for(CONTROL, EXTERNAL_READY) {
        true => BY_EXTERNAL,
        false => BY_OSCILLATOR,
    };
    rcc.write(PLL, pll);
    rcc.set(CONTROL, PLL_ON);
    if rcc.wait_for(CONTROL, PLL_READY) {
        flash.write(FLASH_ACCESS, FLASH_FOR_168_MHZ);
        rcc.write(CLOCKS, BUSES);
        rcc.write(CLOCKS, BUSES | BY_PLL);
        if rcc.wait_for(CLOCKS, PLL_IN_USE) {
            return Clocks {
                core: CLOCK,
                usart2: CLOCK / 4,
            };
        }
        rcc.write(CLOCKS, 0);
    }
    Clocks {
        core: 16_000_000,
        usart2: 16_000_000,
    }
}

/// Gives PA2 and PA3, which lead to the ST-LINK, to USART2.
fn connect_pins() {
    const AHB1_ENABLE: usize = 0x30;
    const APB1_ENABLE: usize = 0x40;
    const MODE: usize = 0x00;
    const ALTERNATE_LOW: usize = 0x20;

    let Devices { rcc, gpio_a, .. } = DEVICES;
    rcc.set(AHB1_ENABLE, 1);
    rcc.set(APB1_ENABLE, 1 << 17);
    gpio_a.change(ALTERNATE_LOW, 0xff << 8, 0x77 << 8);
    gpio_a.change(MODE, 0b1111 << 4, 0b1010 << 4);
}
