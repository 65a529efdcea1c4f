use core::{
    convert::Infallible,
    ops::Range,
    pin::{Pin, pin},
};

use embassy_futures::{
    block_on,
    select::{Either3, select, select3},
    yield_now,
};
use embassy_usb::{
    Builder, Config, UsbDevice,
    class::cdc_acm::{CdcAcmClass, Receiver, Sender, State},
    driver::{Driver, EndpointError},
};
use embedded_io::{ErrorType, Read, ReadReady, Write};

/// Bytes of a packet.
const PACKET: u16 = 64;

/// As what the computer shows the port.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'d> {
    /// The numbers of USB: two programs that need different drivers may not share them.
    pub vendor: u16,
    /// The vendor's number of the product.
    pub product: u16,
    /// The name of the product, for people.
    pub name: &'d str,
}

/// The memory of a port.
pub struct Buffers<'d> {
    configuration: [u8; 256],
    capabilities: [u8; 64],
    control: [u8; 64],
    state: State<'d>,
}

impl Buffers<'_> {
    /// Fit for a `static`.
    pub const fn new() -> Self {
        Buffers {
            configuration: [0; 256],
            capabilities: [0; 64],
            control: [0; 64],
            state: State::new(),
        }
    }
}

impl Default for Buffers<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a serial port that the computer shows as this, and gives it to `work`.
pub fn connect<'d, D: Driver<'d>, T>(
    driver: D,
    identity: Identity<'d>,
    buffers: &'d mut Buffers<'d>,
    work: impl FnOnce(&mut Port<'_, 'd, D>) -> T,
) -> T {
    let mut config = Config::new(identity.vendor, identity.product);
    config.manufacturer = Some("lstm");
    config.product = Some(identity.name);
    let mut builder = Builder::new(
        driver,
        config,
        &mut buffers.configuration,
        &mut buffers.capabilities,
        &mut [],
        &mut buffers.control,
    );
    let class = CdcAcmClass::new(&mut builder, &mut buffers.state, PACKET);
    let (sender, receiver) = class.split();
    let device = pin!(keep_going(builder.build()));
    work(&mut Port {
        device,
        sender,
        receiver,
        packet: [0; PACKET as usize],
        received: 0..0,
    })
}

/// Answers the computer.
async fn keep_going<'d, D: Driver<'d>>(mut device: UsbDevice<'d, D>) -> Infallible {
    device.run().await
}

/// The serial port, and what keeps USB going, which runs whenever the port is used.
///
/// Its errors say that no terminal program is there.
pub struct Port<'r, 'd, D: Driver<'d>> {
    device: Pin<&'r mut dyn Future<Output = Infallible>>,
    sender: Sender<'d, D>,
    receiver: Receiver<'d, D>,
    packet: [u8; PACKET as usize],
    /// The bytes of the packet that have not been read yet.
    received: Range<usize>,
}

impl<'d, D: Driver<'d>> Port<'_, 'd, D> {
    /// A terminal program that opens the port sets the signal DTR, and one that goes clears it. The
    /// driver itself tells neither: unplugged, it waits for the computer.
    pub fn wait_for_terminal(&mut self) {
        self.received = 0..0;
        let sender = &self.sender;
        block_on(select(self.device.as_mut(), until(|| sender.dtr())));
    }

    /// Drops what has come.
    pub(crate) fn drop_received(&mut self) {
        // That nobody is there, whoever reads or writes next is told.
        let _ = self.read_ready();
        self.received = 0..0;
    }
}

/// Waits until this holds, and meanwhile lets others run.
async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        yield_now().await;
    }
}

impl<'d, D: Driver<'d>> ErrorType for Port<'_, 'd, D> {
    type Error = EndpointError;
}

impl<'d, D: Driver<'d>> ReadReady for Port<'_, 'd, D> {
    fn read_ready(&mut self) -> Result<bool, EndpointError> {
        if self.received.is_empty() {
            let packet = self.receiver.read_packet(&mut self.packet);
            // One that has not arrived yet is not waited for.
            match block_on(select3(self.device.as_mut(), packet, yield_now())) {
                Either3::First(never) => match never {},
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

impl<'d, D: Driver<'d>> Read for Port<'_, 'd, D> {
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

impl<'d, D: Driver<'d>> Write for Port<'_, 'd, D> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, EndpointError> {
        // A full packet would want an empty one after it.
        let len = bytes.len().min(usize::from(PACKET) - 1);
        let (sender, receiver) = (&mut self.sender, &self.receiver);
        let packet = sender.write_packet(&bytes[..len]);
        let gone = until(|| !receiver.dtr());
        match block_on(select3(self.device.as_mut(), packet, gone)) {
            Either3::First(never) => match never {},
            Either3::Second(sent) => sent.map(|()| len),
            Either3::Third(()) => Err(EndpointError::Disabled),
        }
    }

    fn flush(&mut self) -> Result<(), EndpointError> {
        Ok(())
    }
}
