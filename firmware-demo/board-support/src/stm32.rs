use crate::{Device, Uart};

/// A USART of an STM32F1 or STM32F4.
#[derive(Clone, Copy, Debug)]
pub struct Stm32Usart(Device);

impl Stm32Usart {
    const STATUS: usize = 0x00;
    const DATA: usize = 0x04;
    const BAUD_RATE: usize = 0x08;
    const CONTROL: usize = 0x0c;
    const RX_FULL: u32 = 1 << 5;
    const TX_COMPLETE: u32 = 1 << 6;
    const TX_EMPTY: u32 = 1 << 7;

    /// The USART with these registers.
    pub const fn new(registers: Device) -> Self {
        Stm32Usart(registers)
    }

    /// Starts it at 115,200 baud; its bus runs at `clock` hertz.
    pub fn start(self, clock: u32) {
        const BAUD: u32 = 115_200;
        const ENABLE: u32 = 1 << 13;
        const RX_INTERRUPT: u32 = 1 << 5;
        const TX_AND_RX: u32 = 3 << 2;
        self.0.write(Self::BAUD_RATE, (clock + BAUD / 2) / BAUD);
        self.0
            .write(Self::CONTROL, ENABLE | RX_INTERRUPT | TX_AND_RX);
    }
}

impl Uart for Stm32Usart {
    fn receive(self, mut take: impl FnMut(u8)) {
        // Reading the status, then the data, also ends an overrun.
        let is_full = self.0.read(Self::STATUS) & Self::RX_FULL != 0;
        let data = self.0.read(Self::DATA);
        if is_full {
            take(data as u8);
        }
    }

    fn send(self, byte: u8) {
        while self.0.read(Self::STATUS) & Self::TX_EMPTY == 0 {}
        self.0.write(Self::DATA, byte.into());
    }

    fn flush(self) {
        while self.0.read(Self::STATUS) & Self::TX_COMPLETE == 0 {}
    }
}
