//! The port, plugged into a computer of the tests.

mod computer;

use computer::{Computer, Socket};
use embassy_usb::driver::EndpointError;
use embedded_io::{Read, ReadReady, Write};
use firmware_app::{Board, Console, Memory, Ram};
use lstm_core::Model;
use support_usb::{Buffers, Identity, Port, connect, session};

/// Gives a port that is plugged into this computer, and has a terminal program there if asked for.
fn plugged(computer: &Computer, has_terminal: bool, work: impl FnOnce(&mut Port<'_, '_, Socket>)) {
    let socket = Socket {
        computer: computer.clone(),
        endpoints: 0,
    };
    computer.plug_in();
    let identity = Identity {
        vendor: 0x1234,
        product: 0x5678,
        name: "Test board",
    };
    connect(socket, identity, &mut Buffers::new(), |port| {
        if has_terminal {
            computer.set_terminal(true);
            port.wait_for_terminal();
        }
        work(port);
    });
}

/// A string descriptor.
fn string(text: &str) -> Vec<u8> {
    let mut bytes = vec![2 + 2 * text.len() as u8, 3];
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

#[test]
fn the_computer_sees_a_serial_port_with_the_name_of_the_board() {
    let computer = Computer::default();
    let (device, configuration, text) = (1, 2, 3);
    computer.ask_for_descriptor(device, 0);
    computer.ask_for_descriptor(configuration, 0);
    computer.ask_for_descriptor(text, 1);
    computer.ask_for_descriptor(text, 2);
    plugged(&computer, true, |_| {});
    let answers = computer.answers();
    assert!(answers.iter().all(Option::is_some), "{answers:?}");
    let answers: Vec<_> = answers
        .into_iter()
        .flatten()
        .filter(|a| !a.is_empty())
        .collect();
    let [device, configuration, maker, product] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(device[8..12], [0x34, 0x12, 0x78, 0x56]);
    assert_eq!([maker, product], [&string("lstm"), &string("Test board")]);
    // The interfaces, by their class: control of a modem, and its data.
    let total = usize::from(u16::from_le_bytes([configuration[2], configuration[3]]));
    assert_eq!(configuration.len(), total);
    let mut rest = &configuration[..];
    let mut classes: Vec<u8> = Vec::new();
    while let [length, kind, ..] = *rest {
        if kind == 4 {
            classes.push(rest[5]);
        }
        rest = &rest[usize::from(length)..];
    }
    assert_eq!(classes, [0x02, 0x0a]);
}

/// Neither a computer that has configured the board nor one that only asks is a terminal program.
#[test]
fn it_waits_until_a_terminal_program_opens_the_port() {
    let computer = Computer::default();
    plugged(&computer, false, |port| {
        for _ in 0..5 {
            computer.later(|computer| assert_eq!(computer.packets().len(), 0));
        }
        computer.later(|computer| computer.set_terminal(true));
        port.wait_for_terminal();
        assert_eq!(port.write(b"hi"), Ok(2));
    });
    assert_eq!(computer.text(), "hi");
}

#[test]
fn bytes_come_in_their_order_and_wait_in_the_computer_until_they_are_read() {
    let computer = Computer::default();
    plugged(&computer, true, |port| {
        assert_eq!(port.read_ready(), Ok(false));
        let sent: Vec<u8> = (0..=255).cycle().take(64 * 100).collect();
        sent.chunks(64).for_each(|packet| computer.send(packet));
        assert_eq!(port.read_ready(), Ok(true));
        // However long the board takes, it has room for one packet.
        assert_eq!(port.read_ready(), Ok(true));
        assert_eq!(computer.unsent(), 99);
        let mut received: Vec<u8> = Vec::new();
        let mut bytes = [0; 7];
        while port.read_ready().unwrap() {
            let count = port.read(&mut bytes).unwrap();
            assert!(count > 0);
            received.extend(&bytes[..count]);
        }
        assert_eq!(received, sent);
        assert_eq!(computer.unsent(), 0);
    });
}

#[test]
fn a_read_waits_for_the_first_byte_alone() {
    let computer = Computer::default();
    plugged(&computer, true, |port| {
        computer.later(|computer| computer.send(b"ab"));
        let mut bytes = [0; 64];
        assert_eq!(port.read(&mut bytes), Ok(2));
        assert_eq!(&bytes[..2], b"ab");
    });
}

/// A full packet would want an empty one after it.
#[test]
fn what_is_sent_goes_in_packets_that_are_never_full() {
    let computer = Computer::default();
    let text: Vec<u8> = (0..1000).map(|i| b'a' + (i % 26) as u8).collect();
    plugged(&computer, true, |port| {
        let mut rest = &text[..];
        while !rest.is_empty() {
            let count = port.write(rest).unwrap();
            rest = &rest[count..];
        }
    });
    let packets = computer.packets();
    assert!(packets.iter().all(|packet| packet.len() < 64));
    assert_eq!(packets.concat(), text);
}

#[test]
fn a_computer_that_does_not_listen_is_waited_for() {
    let computer = Computer::default();
    plugged(&computer, true, |port| {
        computer.set_deaf(true);
        for _ in 0..5 {
            computer.later(|computer| assert_eq!(computer.packets().len(), 0));
        }
        computer.later(|computer| computer.set_deaf(false));
        assert_eq!(port.write(b"patience"), Ok(8));
    });
    assert_eq!(computer.text(), "patience");
}

#[test]
fn a_terminal_program_that_goes_ends_reading_and_writing() {
    let computer = Computer::default();
    plugged(&computer, true, |port| {
        // In the midst of a packet that nobody takes.
        computer.set_deaf(true);
        computer.later(|computer| computer.set_terminal(false));
        assert_eq!(port.write(b"lost"), Err(EndpointError::Disabled));
        assert_eq!(port.read_ready(), Err(EndpointError::Disabled));
        // The next one gets nothing of it, and what the first one typed is gone.
        computer.set_deaf(false);
        computer.set_terminal(true);
        port.wait_for_terminal();
        assert_eq!(port.write(b"new"), Ok(3));
    });
    assert_eq!(computer.text(), "new");
}

#[test]
fn what_one_terminal_program_typed_is_not_read_from_the_next() {
    let computer = Computer::default();
    plugged(&computer, true, |port| {
        computer.send(b"old");
        assert_eq!(port.read(&mut [0; 1]), Ok(1));
        computer.set_deaf(true);
        computer.later(|computer| computer.set_terminal(false));
        assert_eq!(port.write(b"lost"), Err(EndpointError::Disabled));
        computer.set_terminal(true);
        port.wait_for_terminal();
        assert_eq!(port.read_ready(), Ok(false));
        let mut bytes = [0; 64];
        computer.send(b"new");
        assert_eq!(port.read(&mut bytes), Ok(3));
        assert_eq!(&bytes[..3], b"new");
    });
}

/// A plug that is pulled, or a computer that starts anew.
#[test]
fn a_reset_of_the_bus_ends_the_session_and_the_next_one_works() {
    let computer = Computer::default();
    plugged(&computer, true, |port| {
        assert_eq!(port.write(b"one"), Ok(3));
        computer.reset();
        assert_eq!(port.read_ready(), Err(EndpointError::Disabled));
        assert_eq!(port.write(b"nobody"), Err(EndpointError::Disabled));
        computer.plug_in();
        computer.set_terminal(true);
        port.wait_for_terminal();
        assert_eq!(port.write(b"two"), Ok(3));
    });
    assert_eq!(computer.text(), "onetwo");
}

/// A board whose clock goes on whenever it is looked at.
struct Ticking(u32);

impl Board for Ticking {
    fn name(&self) -> &'static str {
        "a test"
    }

    fn ticks(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }

    fn ticks_per_second(&self) -> u32 {
        200
    }

    fn tick_unit(&self) -> &'static str {
        "ticks"
    }

    fn memory(&mut self) -> Memory {
        Memory::default()
    }

    fn lost_bytes(&mut self) -> u32 {
        0
    }
}

/// Of a board without a model: its console greets each one that connects, and answers.
#[test]
fn each_terminal_program_is_greeted_and_answered() {
    let region = [0; 64];
    let model = Model::from_region(&region);
    let mut ram = Ram::<64>::new();
    let mut console = Console::new(model, &region, &mut ram);
    let computer = Computer::default();
    plugged(&computer, false, |port| {
        for (command, answer) in [
            (
                "\x03:hlep\r",
                "# found :hlep, expected a command of :help; did you mean :help?",
            ),
            (
                "\x03:speed x\r",
                "# found :speed x, expected :speed 0 to 100000",
            ),
        ] {
            computer.set_terminal(true);
            // Within the tenth of a second, and so dropped.
            computer.send(b":stats\r");
            for _ in 0..60 {
                computer.later(|_| {});
            }
            computer.later(|computer| computer.send(command.as_bytes()));
            for _ in 0..60 {
                computer.later(|_| {});
            }
            computer.later(|computer| computer.set_terminal(false));
            session(port, &mut console, &mut Ticking(0));
            let text = computer.text();
            assert!(text.starts_with("# no model runs: "), "{text}");
            assert!(text.contains(answer), "{text}");
            assert!(!text.contains(" bytes lost"), "{text}");
        }
    });
}
