//! Blue pill: an STM32F103C8 with a Cortex-M3, 64 KB of flash and 20 KB of RAM. USART1 is on PA9
//! and PA10 (115,200 baud), for an adapter to USB. The same image runs on the board and under
//! QEMU, which knows a board with the same USART and 8 KB of RAM, the STM32VLDISCOVERY.
//!
//! `cargo run --release` in this folder starts it under QEMU (`-M stm32vldiscovery`).

#![no_std]
#![no_main]

use lstm_core::LayerShape;
use support_uart::{
    Device, Ram, Stm32Usart, SysTick, entry, hertz, listen, ram, receive_by_interrupt, start,
    words_for_integers,
};

/// 1 KB of the 8.
const WORDS: usize = 1024 / size_of::<u32>();
// More fits in it than in the flash.
const _: () = {
    assert!(words_for_integers(&[LayerShape::lstm(128)]) <= WORDS);
    assert!(words_for_integers(&[LayerShape::cifg(96).project(32)]) <= WORDS);
};

static WORKSPACE: Ram<WORDS> = ram();

#[allow(unsafe_code, reason = "the addresses of devices")]
// SAFETY: none of these touches memory.
const DEVICES: Devices = unsafe {
    Devices {
        gpio_a: Device::at(0x4001_0800),
        usart1: Device::at(0x4001_3800),
        rcc: Device::at(0x4002_1000),
        flash: Device::at(0x4002_2000),
    }
};
const USART1: Stm32Usart = Stm32Usart::new(DEVICES.usart1);
const USART1_INTERRUPT: u16 = 37;
/// In hertz, by the PLL.
const CLOCK: u32 = hertz(env!("BOARD_CLOCK"));

struct Devices {
    gpio_a: Device,
    usart1: Device,
    rcc: Device,
    flash: Device,
}

receive_by_interrupt!(USART1, USART1_INTERRUPT);

#[entry]
fn main() -> ! {
    let clock = start_clock();
    connect_pins();
    USART1.start(clock);
    listen(USART1_INTERRUPT);
    start(
        env!("BOARD_LABEL"),
        USART1,
        SysTick::start(clock),
        &WORKSPACE,
    )
}

/// Takes the core and USART1 to [`CLOCK`] by the PLL, and gives their clock in hertz. The PLL goes by the
/// crystal, or without one by the oscillator inside the chip, which may be too far off for a UART. If it
/// does not lock, as under QEMU, they stay at the 8 MHz of that oscillator.
fn start_clock() -> u32 {
    const CONTROL: usize = 0x00;
    const PLL_ON: u32 = 1 << 24;
    const PLL_READY: u32 = 1 << 25;
    const CLOCKS: usize = 0x04;
    const CRYSTAL_ON: u32 = 1 << 16;
    const CRYSTAL_READY: u32 = 1 << 17;
    /// The first bus of devices at half of the core's clock.
    const BUSES: u32 = 0b100 << 8;
    /// The crystal's 8 MHz * 8.
    const BY_CRYSTAL: u32 = BUSES | 1 << 16 | 6 << 18;
    const _: () = assert!(CLOCK == 8_000_000 * 8);
    /// The oscillator's 8 MHz / 2 * 16.
    const BY_OSCILLATOR: u32 = BUSES | 14 << 18;
    const _: () = assert!(CLOCK == 8_000_000 / 2 * 16);
    const BY_PLL: u32 = 2;
    const PLL_IN_USE: u32 = 2 << 2;
    const FLASH_ACCESS: usize = 0x00;
    /// Two wait states, and prefetch.
    const FLASH_FOR_64_MHZ: u32 = 1 << 4 | 2;

    let Devices { rcc, flash, .. } = DEVICES;
    rcc.set(CONTROL, CRYSTAL_ON);
    let pll = match rcc.wait_for(CONTROL, CRYSTAL_READY) {
        true => BY_CRYSTAL,
        false => BY_OSCILLATOR,
    };
    rcc.write(CLOCKS, pll);
    rcc.set(CONTROL, PLL_ON);
    if rcc.wait_for(CONTROL, PLL_READY) {
        flash.write(FLASH_ACCESS, FLASH_FOR_64_MHZ);
        rcc.write(CLOCKS, pll | BY_PLL);
        if rcc.wait_for(CLOCKS, PLL_IN_USE) {
            return CLOCK;
        }
        rcc.write(CLOCKS, 0);
    }
    8_000_000
}

/// PA9 becomes the output of USART1, PA10 its input with a pull-up.
fn connect_pins() {
    const APB2_ENABLE: usize = 0x18;
    const PORT_A_AND_USART1: u32 = 1 << 2 | 1 << 14;
    const CONFIGURATION_HIGH: usize = 0x04;
    const ALTERNATE_OUTPUT_50_MHZ: u32 = 0b1011;
    const INPUT_WITH_PULL: u32 = 0b1000;
    const SET: usize = 0x10;

    let Devices { rcc, gpio_a, .. } = DEVICES;
    rcc.set(APB2_ENABLE, PORT_A_AND_USART1);
    gpio_a.write(SET, 1 << 10);
    let pins = ALTERNATE_OUTPUT_50_MHZ << 4 | INPUT_WITH_PULL << 8;
    gpio_a.change(CONFIGURATION_HIGH, 0xff << 4, pins);
}
