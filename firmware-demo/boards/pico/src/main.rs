//! Raspberry Pi Pico and Pico 2: an RP2040 with two Cortex-M0+ and 264 KB of RAM, or an RP2350 with
//! two Cortex-M33 and 520 KB. One core writes; the board is a serial port on USB.
//!
//! Bytes that arrive while a character is computed wait in the computer: USB holds them back.

#![no_std]
#![no_main]

#[path = "../../../board-support/src/region.rs"]
mod region;

use core::pin::{Pin, pin};

use cortex_m_rt::entry;
use embassy_futures::{
    block_on,
    select::{Either, select},
};
use embassy_rp::{
    bind_interrupts,
    peripherals::USB,
    usb::{Driver, InterruptHandler},
};
use embassy_usb::{
    Builder, Config,
    class::cdc_acm::{CdcAcmClass, Sender, State},
    driver::EndpointError,
};
use embedded_io::{ErrorType, Write};
use firmware_app::{Stop, run};
use lstm_core::{MAX_SYMBOLS, Workspace};
use panic_halt as _;
use static_cell::ConstStaticCell;

/// 32 KB.
const WORDS: usize = 8 * 1024;
static WORKSPACE: ConstStaticCell<Workspace<WORDS, MAX_SYMBOLS>> =
    ConstStaticCell::new(Workspace::new());
/// The bytes of a packet.
const PACKET: u16 = 64;

bind_interrupts!(struct Interrupts {
    USBCTRL_IRQ => InterruptHandler<USB>;
});

#[entry]
fn main() -> ! {
    let devices = embassy_rp::init(Default::default());
    // The number that pid.codes sets aside for tests.
    let mut config = Config::new(0x1209, 0x0001);
    config.manufacturer = Some("lstm");
    config.product = Some("sonnets");
    let (mut descriptors, mut bos, mut control) = ([0; 256], [0; 64], [0; 64]);
    let mut state = State::new();
    let mut builder = Builder::new(
        Driver::new(devices.USB, Interrupts),
        config,
        &mut descriptors,
        &mut bos,
        &mut [],
        &mut control,
    );
    let class = CdcAcmClass::new(&mut builder, &mut state, PACKET);
    let (sender, _receiver) = class.split();
    let mut device = builder.build();
    let device = pin!(device.run());
    let mut port = Port { device, sender };
    let workspace = WORKSPACE.take();
    loop {
        port.wait_for_computer();
        if let Stop::Model(_) = run(&mut port, region::model_region(), workspace) {
            // The line that says why has been sent. The port stays.
            block_on(port.device.as_mut());
        }
    }
}

/// The serial port, and what keeps USB going, which runs whenever the port is waited for.
struct Port<'r, 'd, Run> {
    device: Pin<&'r mut Run>,
    sender: Sender<'d, Driver<'d, USB>>,
}

impl<Run: Future> Port<'_, '_, Run> {
    fn wait_for_computer(&mut self) {
        block_on(select(self.device.as_mut(), self.sender.wait_connection()));
    }
}

impl<Run> ErrorType for Port<'_, '_, Run> {
    type Error = EndpointError;
}

impl<Run: Future> Write for Port<'_, '_, Run> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, EndpointError> {
        // A full packet would want an empty one behind it.
        let len = bytes.len().min(usize::from(PACKET) - 1);
        let packet = self.sender.write_packet(&bytes[..len]);
        match block_on(select(self.device.as_mut(), packet)) {
            Either::First(_) => Err(EndpointError::Disabled),
            Either::Second(sent) => sent.map(|()| len),
        }
    }

    fn flush(&mut self) -> Result<(), EndpointError> {
        Ok(())
    }
}
