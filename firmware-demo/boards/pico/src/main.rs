//! Raspberry Pi Pico and Pico 2: an RP2040 with two Cortex-M0+ and 264 KB of RAM, or an RP2350 with
//! two Cortex-M33 and 520 KB. One core writes; the board is a serial port on USB.
//!
//! Bytes that arrive while a character is computed wait in the computer: USB holds them back.

#![no_std]
#![no_main]

#[path = "../../../support/uart/src/memory.rs"]
mod memory;
#[path = "../../../support/uart/src/region.rs"]
mod region;

use core::{
    ops::Range,
    pin::{Pin, pin},
};

use cortex_m_rt::entry;
use embassy_futures::{
    block_on,
    select::{Either3, select, select3},
    yield_now,
};
#[cfg(not(feature = "rp2350"))]
use embassy_rp::pac::TIMER;
#[cfg(feature = "rp2350")]
use embassy_rp::pac::TIMER0 as TIMER;
use embassy_rp::{
    bind_interrupts,
    peripherals::USB,
    usb::{Driver, InterruptHandler},
};
use embassy_usb::{
    Builder, Config,
    class::cdc_acm::{CdcAcmClass, Receiver, Sender, State},
    driver::EndpointError,
};
use embedded_io::{ErrorType, Read, ReadReady, Write};
use firmware_app::{Board, Console, Memory, Ram, drive};
use lstm_core::Model;
use panic_halt as _;
use static_cell::ConstStaticCell;

/// 32 KB.
const WORDS: usize = 8 * 1024;
static WORKSPACE: ConstStaticCell<Ram<WORDS>> = ConstStaticCell::new(Ram::new());
/// The bytes of a packet.
const PACKET: u16 = 64;

bind_interrupts!(struct Interrupts {
    USBCTRL_IRQ => InterruptHandler<USB>;
});

#[entry]
fn main() -> ! {
    memory::paint();
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
    let (sender, receiver) = class.split();
    let mut device = builder.build();
    let device = pin!(device.run());
    let mut port = Port {
        device,
        sender,
        receiver,
        packet: [0; PACKET as usize],
        received: 0..0,
    };

    let region = region::model_region();
    let model = Model::from_region(region);
    let model = model.as_ref().map_err(|&error| error);
    let mut console = Console::new(model, region, WORKSPACE.take());
    loop {
        port.wait_for_terminal();
        console.greet();
        // Until the terminal program goes.
        drive(&mut console, &mut port, &mut Pico);
    }
}

/// What the console asks of the board.
struct Pico;

impl Board for Pico {
    fn ticks(&mut self) -> u32 {
        TIMER.timerawl().read()
    }

    fn ticks_per_second(&self) -> u32 {
        1_000_000
    }

    fn tick_unit(&self) -> &'static str {
        "microseconds (TIMER)"
    }

    fn memory(&mut self) -> Memory {
        memory::measure()
    }

    /// USB holds back what there is no room for.
    fn lost_bytes(&mut self) -> u32 {
        0
    }
}

/// The serial port, and what keeps USB going, which runs whenever the port is used.
struct Port<'r, 'd, Run> {
    device: Pin<&'r mut Run>,
    sender: Sender<'d, Driver<'d, USB>>,
    receiver: Receiver<'d, Driver<'d, USB>>,
    packet: [u8; PACKET as usize],
    /// The bytes of the packet that have not been read yet.
    received: Range<usize>,
}

impl<Run: Future> Port<'_, '_, Run> {
    /// A terminal program that opens the port sets the signal DTR, and one that goes clears it. The
    /// driver itself tells neither: unplugged, it waits for the computer.
    fn wait_for_terminal(&mut self) {
        self.received = 0..0;
        let sender = &self.sender;
        block_on(select(self.device.as_mut(), until(|| sender.dtr())));
    }
}

/// Waits until this holds, and meanwhile lets others run.
async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        yield_now().await;
    }
}

impl<Run> ErrorType for Port<'_, '_, Run> {
    type Error = EndpointError;
}

impl<Run: Future> ReadReady for Port<'_, '_, Run> {
    fn read_ready(&mut self) -> Result<bool, EndpointError> {
        if self.received.is_empty() {
            let packet = self.receiver.read_packet(&mut self.packet);
            // One that has not arrived yet is not waited for.
            match block_on(select3(self.device.as_mut(), packet, yield_now())) {
                Either3::First(_) => return Err(EndpointError::Disabled),
                Either3::Second(length) => self.received = 0..length?,
                Either3::Third(()) => {}
            }
            if !self.sender.dtr() {
                return Err(EndpointError::Disabled);
            }
        }
        Ok(!self.received.is_empty())
    }
}

impl<Run: Future> Read for Port<'_, '_, Run> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, EndpointError> {
        while !self.read_ready()? {}
        let mut count = 0;
        for (to, from) in bytes.iter_mut().zip(&mut self.received) {
            *to = self.packet[from];
            count += 1;
        }
        Ok(count)
    }
}

impl<Run: Future> Write for Port<'_, '_, Run> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, EndpointError> {
        // A full packet would want an empty one behind it.
        let len = bytes.len().min(usize::from(PACKET) - 1);
        let (sender, receiver) = (&mut self.sender, &self.receiver);
        let packet = sender.write_packet(&bytes[..len]);
        let gone = until(|| !receiver.dtr());
        match block_on(select3(self.device.as_mut(), packet, gone)) {
            Either3::First(_) | Either3::Third(()) => Err(EndpointError::Disabled),
            Either3::Second(sent) => sent.map(|()| len),
        }
    }

    fn flush(&mut self) -> Result<(), EndpointError> {
        Ok(())
    }
}
