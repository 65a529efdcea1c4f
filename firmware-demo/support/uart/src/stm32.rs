use crate::{
    device::Device,
    uart::{Fault, Uart},
};

/// A USART of an STM32F1 or STM32F4.
#[derive(Clone, Copy, Debug)]
pub struct Stm32Usart(Device);

impl Stm32Usart {
    const STATUS: usize = 0x00;
    const DATA: usize = 0x04;
    const BAUD_RATE: usize = 0x08;
    const CONTROL: usize = 0x0c;
    const FRAMING_ERROR: u32 = 1 << 1;
    const OVERRUN: u32 = 1 << 3;
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

    /// What a status and the byte beside it mean.
    fn received(status: u32, byte: u8) -> impl Iterator<Item = Result<u8, Fault>> {
        let is_framing_error = status & Self::FRAMING_ERROR != 0;
        let is_full = status & Self::RX_FULL != 0;
        let received = match (is_framing_error, is_full) {
            (true, _) => Some(Err(Fault::Framing)),
            (false, true) => Some(Ok(byte)),
            (false, false) => None,
        };
        // The byte in the data register is whole; the one after it is lost.
        let overrun = (status & Self::OVERRUN != 0).then_some(Err(Fault::Overrun));
        received.into_iter().chain(overrun)
    }
}

impl Uart for Stm32Usart {
    fn receive(self, take: impl FnMut(Result<u8, Fault>)) {
        // Reading the status, then the data, also ends an overrun and a framing error.
        let status = self.0.read(Self::STATUS);
        let data = self.0.read(Self::DATA);
        Self::received(status, data as u8).for_each(take);
    }

    fn send(self, byte: u8) {
        while self.0.read(Self::STATUS) & Self::TX_EMPTY == 0 {}
        self.0.write(Self::DATA, byte.into());
    }

    fn flush(self) {
        while self.0.read(Self::STATUS) & Self::TX_COMPLETE == 0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_byte_or_a_fault_or_both() {
        let received = |status| Stm32Usart::received(status, b'x').collect::<Vec<_>>();
        let (framing, overrun) = (Err(Fault::Framing), Err(Fault::Overrun));
        assert_eq!(received(0), []);
        assert_eq!(received(1 << 5), [Ok(b'x')]);
        // The byte came before the line overran, and is good.
        assert_eq!(received(1 << 5 | 1 << 3), [Ok(b'x'), overrun]);
        assert_eq!(received(1 << 3), [overrun]);
        assert_eq!(received(1 << 5 | 1 << 1), [framing]);
        assert_eq!(received(1 << 5 | 1 << 3 | 1 << 1), [framing, overrun]);
        // Room to send is nothing that was received.
        assert_eq!(received(1 << 7 | 1 << 6), []);
    }
}
