//! The serial ports of this computer: which is a board's, and opening it.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use board_list::Flashing;
use serialport::{SerialPort, SerialPortType};

/// From one look at the ports to the next.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a read waits, and so how late the end of a console is noticed at most.
const READ_TIMEOUT: Duration = Duration::from_millis(100);
/// How long the system may take to let us open a port that has just appeared.
const SETTLING: Duration = Duration::from_secs(3);
/// Of every board.
const BAUD: u32 = 115_200;

/// A serial port on USB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// What the system calls it.
    pub name: String,
    /// Vendor and product.
    pub usb: (u16, u16),
}

impl Port {
    /// Those that are there now.
    pub fn all() -> Vec<Self> {
        let ports = serialport::available_ports().unwrap_or_default();
        let port = |port: serialport::SerialPortInfo| match port.port_type {
            // macOS lists each a second time, as one that waits for a modem's carrier.
            SerialPortType::UsbPort(usb) if !port.port_name.starts_with("/dev/tty.") => {
                Some(Port {
                    name: port.port_name,
                    usb: (usb.vid, usb.pid),
                })
            }
            _ => None,
        };
        ports.into_iter().filter_map(port).collect()
    }

    /// Those that may be a board's: with its numbers, or all for a board with an adapter of any kind.
    pub fn of<'a>(flashing: &Flashing, ports: &'a [Port]) -> Vec<&'a Port> {
        let is_of = |port: &&Port| {
            flashing.usb.is_none_or(|usb| {
                let (vendor, product) = port.usb;
                usb.vendor == vendor && usb.product.is_none_or(|expected| expected == product)
            })
        };
        ports.iter().filter(is_of).collect()
    }

    /// The name of a board's port, once it is there. `look` gives the ports at each time; those of
    /// `others` are not the board's.
    ///
    /// # Errors
    ///
    /// It does not come, or there are several.
    pub fn wait(
        flashing: &Flashing,
        others: &[Port],
        patience: Duration,
        mut look: impl FnMut() -> Vec<Port>,
    ) -> Result<String> {
        let start = Instant::now();
        loop {
            let ports = look();
            let candidates = Self::of(flashing, &ports).into_iter();
            let candidates: Vec<_> = candidates.filter(|port| !others.contains(port)).collect();
            match &candidates[..] {
                [] if start.elapsed() < patience => thread::sleep(PAUSE),
                [] => bail!(
                    "found no serial port of {} in {} s; --port NAME opens another",
                    flashing
                        .usb
                        .map_or("an adapter".into(), |usb| format!("the USB device {usb}")),
                    patience.as_secs()
                ),
                [port] => return Ok(port.name.clone()),
                several => {
                    let names: Vec<_> = several.iter().map(|port| &*port.name).collect();
                    bail!(
                        "found the serial ports {}, expected one; --port NAME chooses",
                        names.join(", ")
                    )
                }
            }
        }
    }
}

/// Opens a port as the boards want it.
///
/// # Errors
///
/// It is not there, or not ours.
pub(super) fn open(name: &str) -> Result<Box<dyn SerialPort>> {
    let start = Instant::now();
    let mut port = loop {
        match serialport::new(name, BAUD).timeout(READ_TIMEOUT).open() {
            Err(_) if start.elapsed() < SETTLING => thread::sleep(PAUSE),
            port => {
                let hint = match cfg!(target_os = "linux") {
                    true => {
                        "; `sudo usermod --append --groups dialout $USER` and a new login allow it"
                    }
                    false => "; another program may have it open",
                };
                break port
                    .with_context(|| format!("the serial port {name} does not open{hint}"))?;
            }
        }
    };
    // By which boards with USB of their own know that somebody reads. A pseudo-terminal has no such line.
    let _ = port.write_data_terminal_ready(true);
    Ok(port)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::boards::Board;

    fn port(name: &str, usb: (u16, u16)) -> Port {
        Port {
            name: name.into(),
            usb,
        }
    }

    fn wait(board: &str, others: &[Port], looks: &[&[Port]]) -> Result<String, String> {
        let board = Board::parse(board).unwrap();
        let mut looks = looks.iter();
        let look = || looks.next().map(|ports| ports.to_vec()).unwrap_or_default();
        let flashing = board.flashing.as_ref().unwrap();
        let found = Port::wait(flashing, others, 2 * PAUSE, look);
        found.map_err(|error| error.to_string())
    }

    #[test]
    fn a_port_is_told_by_its_numbers() {
        let (pico, other) = (port("COM4", (0x2e8a, 0xa)), port("COM5", (0x0d28, 0x204)));
        let looks: [&[Port]; 2] = [from_ref(&other), &[other.clone(), pico.clone()]];
        assert_eq!(wait("pico", &[], &looks), Ok("COM4".into()));
        assert_eq!(wait("microbit", &[], &looks), Ok("COM5".into()));
        let jlink = port("COM6", (0x1366, 0x1051));
        assert_eq!(
            wait("nrf52840-dk", &[], &[&[pico, jlink]]),
            Ok("COM6".into())
        );
        // Any adapter.
        assert_eq!(wait("bluepill", &[], &[&[other]]), Ok("COM5".into()));
    }

    #[test]
    fn a_port_that_was_there_before_is_another_board() {
        let (old, new) = (port("COM4", (0x2e8a, 0xa)), port("COM7", (0x2e8a, 0xa)));
        let looks: [&[Port]; 2] = [from_ref(&old), &[old.clone(), new.clone()]];
        assert_eq!(wait("pico", from_ref(&old), &looks), Ok("COM7".into()));
        let error = wait("pico", &[], &[&[old, new]]).unwrap_err();
        assert_eq!(
            error,
            "found the serial ports COM4, COM7, expected one; --port NAME chooses"
        );
    }

    #[test]
    fn a_port_that_does_not_come_is_told() {
        let error = wait("pico2", &[], &[]).unwrap_err();
        let expected =
            "found no serial port of the USB device 2e8a:0009 in 0 s; --port NAME opens another";
        assert_eq!(error, expected);
    }
}
