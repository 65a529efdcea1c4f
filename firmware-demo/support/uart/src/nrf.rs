//! Nordic's nRF51 and nRF52: they share these devices, at the same addresses.

use crate::{
    clock::Clock,
    device::Device,
    uart::{Fault, Uart},
};

#[allow(unsafe_code, reason = "the addresses of devices")]
// SAFETY: none of these touches memory; the UART, other than UARTE, has no DMA. `core` is the interrupt
// controller and the system control block of every Cortex-M.
const DEVICES: Devices = unsafe {
    Devices {
        clock: Device::at(0x4000_0000),
        uart: Device::at(0x4000_2000),
        timer: Device::at(0x4000_8000),
        gpio: Device::at(0x5000_0000),
        core: Device::at(0xe000_e000),
    }
};

#[derive(Clone, Copy)]
struct Devices {
    clock: Device,
    uart: Device,
    timer: Device,
    gpio: Device,
    core: Device,
}

/// A pin, by port and number.
#[derive(Clone, Copy, Debug)]
pub struct NrfPin(pub usize, pub usize);

impl NrfPin {
    const PORT: usize = 0x300;
    const OUTSET: usize = 0x508;
    const DIRSET: usize = 0x518;
    const PIN_CNF: usize = 0x700;
    /// An input that is read, with a pull-up: a line at rest, if nothing is connected.
    const INPUT_PULL_UP: u32 = 0b11 << 2;

    fn write(self, offset: usize, value: u32) {
        DEVICES.gpio.write(self.0 * Self::PORT + offset, value);
    }

    /// As the registers that select a pin want it.
    fn selection(self) -> u32 {
        (self.0 << 5 | self.1) as u32
    }
}

/// UART0, 115,200 baud.
#[derive(Clone, Copy, Debug)]
pub struct NrfUart;

impl NrfUart {
    /// The number of its interrupt.
    pub const INTERRUPT: u16 = 2;

    const START_RX: usize = 0x000;
    const START_TX: usize = 0x008;
    const RX_READY: usize = 0x108;
    const TX_READY: usize = 0x11c;
    const ERROR: usize = 0x124;
    const INTERRUPT_SET: usize = 0x304;
    const ERROR_SOURCE: usize = 0x480;
    const ENABLE: usize = 0x500;
    const TX_PIN: usize = 0x50c;
    const RX_PIN: usize = 0x514;
    const RX_DATA: usize = 0x518;
    const TX_DATA: usize = 0x51c;
    const BAUD_RATE: usize = 0x524;

    /// Takes the clock from the crystal, because the oscillator inside the chip, which runs after
    /// reset, may be too far off for a UART. Then starts it on these pins.
    pub fn start(self, tx: NrfPin, rx: NrfPin) {
        let Devices { clock, uart, .. } = DEVICES;
        const START_CRYSTAL: usize = 0x000;
        const CRYSTAL_STARTED: usize = 0x100;
        clock.write(START_CRYSTAL, 1);
        while clock.read(CRYSTAL_STARTED) == 0 {}

        // The line is an output and at rest before the UART takes it.
        tx.write(NrfPin::OUTSET, 1 << tx.1);
        tx.write(NrfPin::DIRSET, 1 << tx.1);
        rx.write(NrfPin::PIN_CNF + 4 * rx.1, NrfPin::INPUT_PULL_UP);
        uart.write(Self::TX_PIN, tx.selection());
        uart.write(Self::RX_PIN, rx.selection());
        uart.write(Self::BAUD_RATE, 0x01d7_e000);
        uart.write(Self::ENABLE, 4);
        uart.write(Self::INTERRUPT_SET, 1 << 2);
        uart.write(Self::START_TX, 1);
        uart.write(Self::START_RX, 1);
    }
}

/// What the sources of an error mean. A break and a parity error come with a framing error.
fn faults(source: u32) -> impl Iterator<Item = Fault> {
    const OVERRUN: u32 = 1;
    const FRAMING: u32 = 1 << 2;
    let sources = [(OVERRUN, Fault::Overrun), (FRAMING, Fault::Framing)];
    let has = move |&(bit, _): &(u32, Fault)| source & bit != 0;
    sources.into_iter().filter(has).map(|(_, fault)| fault)
}

impl Uart for NrfUart {
    fn receive(self, mut take: impl FnMut(Result<u8, Fault>)) {
        let uart = DEVICES.uart;
        if uart.read(Self::ERROR) != 0 {
            uart.write(Self::ERROR, 0);
            let source = uart.read(Self::ERROR_SOURCE);
            // A one clears its bit.
            uart.write(Self::ERROR_SOURCE, source);
            faults(source).for_each(|fault| take(Err(fault)));
        }
        while uart.read(Self::RX_READY) != 0 {
            // Before the byte is taken, or the event of the next one would be cleared.
            uart.write(Self::RX_READY, 0);
            take(Ok(uart.read(Self::RX_DATA) as u8));
        }
    }

    fn send(self, byte: u8) {
        let uart = DEVICES.uart;
        uart.write(Self::TX_READY, 0);
        uart.write(Self::TX_DATA, byte.into());
        while uart.read(Self::TX_READY) == 0 {}
    }

    /// Nothing is left when `send` returns.
    fn flush(self) {}
}

/// TIMER0 at 16 MHz. The nRF51 has no SysTick, and that of the nRF52 stands still while the core
/// sleeps.
pub struct NrfTimer(());

impl NrfTimer {
    /// The bit of its interrupt.
    const INTERRUPT: u32 = 1 << 8;

    const START: usize = 0x000;
    const CAPTURE: usize = 0x040;
    const REACHED: usize = 0x144;
    const INTERRUPT_SET: usize = 0x304;
    const BIT_MODE: usize = 0x508;
    const PRESCALER: usize = 0x510;
    const CAPTURED: usize = 0x540;
    const ALARM: usize = 0x544;

    /// Starts the timer.
    pub fn start() -> Self {
        let timer = DEVICES.timer;
        let _32_bits = 3;
        timer.write(Self::BIT_MODE, _32_bits);
        timer.write(Self::PRESCALER, 0);
        timer.write(Self::START, 1);
        const ALARM_INTERRUPT: u32 = 1 << 17;
        timer.write(Self::INTERRUPT_SET, ALARM_INTERRUPT);
        // An interrupt that is disabled, as the timer's is, ends a sleep when it becomes pending.
        const CONTROL: usize = 0xd10;
        const SEND_EVENT_ON_PENDING: u32 = 1 << 4;
        DEVICES.core.set(CONTROL, SEND_EVENT_ON_PENDING);
        NrfTimer(())
    }
}

impl Clock for NrfTimer {
    const UNIT: &'static str = "ticks of 1/16 us (TIMER0)";

    fn ticks(&self) -> u32 {
        let timer = DEVICES.timer;
        timer.write(Self::CAPTURE, 1);
        timer.read(Self::CAPTURED)
    }

    fn hertz(&self) -> u32 {
        16_000_000
    }

    fn idle(&self) {
        const MILLISECOND: u32 = 16_000;
        const CLEAR_PENDING: usize = 0x280;
        let Devices { timer, core, .. } = DEVICES;
        timer.write(Self::REACHED, 0);
        core.write(CLEAR_PENDING, Self::INTERRUPT);
        timer.write(Self::ALARM, self.ticks().wrapping_add(MILLISECOND));
        // The interrupt of the UART is an event too, also if it came a moment ago.
        wfe();
    }
}

#[cfg(all(target_os = "none", target_arch = "arm"))]
use cortex_m::asm::wfe;

/// Where there is no such chip.
#[cfg(not(all(target_os = "none", target_arch = "arm")))]
fn wfe() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_of_an_error_is_told_once() {
        let told = |source| faults(source).collect::<Vec<_>>();
        assert_eq!(told(0b0001), [Fault::Overrun]);
        assert_eq!(told(0b0100), [Fault::Framing]);
        assert_eq!(told(0b1111), [Fault::Overrun, Fault::Framing]);
        // A parity error alone: no parity is in use.
        assert_eq!(told(0b0010), []);
    }
}
