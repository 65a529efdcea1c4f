use core::convert::Infallible;

use embedded_io::{Error as _, ErrorKind, Read, ReadReady, Write};
use lstm_core::Model;

use crate::{Board, Console, Ram, Step};

/// Checks the model in `region`, then streams its text to `serial` and does what is typed there,
/// until the port no longer takes what is sent or is not connected: why, it returns.
pub fn run<S, B, const WORDS: usize>(
    serial: &mut S,
    board: &mut B,
    region: &[u8],
    ram: &mut Ram<WORDS>,
) -> S::Error
where
    S: Read + ReadReady + Write,
    B: Board,
{
    drive(&mut console(region, ram), serial, board)
}

/// Apart, so that what it needs of the stack is free again when the model runs.
#[inline(never)]
fn console<'s, 'm, const WORDS: usize>(
    region: &'m [u8],
    ram: &'s mut Ram<WORDS>,
) -> Console<'s, 'm> {
    Console::new(Model::from_region(region), region, ram)
}

/// Moves bytes between a console and a port until the port no longer takes what is sent, or nobody
/// is connected to it ([`ErrorKind::NotConnected`]): why, it returns. The console can go on with
/// another port, or with the same.
///
/// Any other error in reading, such as an overrun or a wrong stop bit, is counted for `:stats`; the
/// stream goes on.
pub fn drive<S, B>(console: &mut Console<'_, '_>, serial: &mut S, board: &mut B) -> S::Error
where
    S: Read + ReadReady + Write,
    B: Board,
{
    let Err(error) = forever(console, serial, board);
    error
}

fn forever<S, B>(
    console: &mut Console<'_, '_>,
    serial: &mut S,
    board: &mut B,
) -> Result<Infallible, S::Error>
where
    S: Read + ReadReady + Write,
    B: Board,
{
    let mut is_flushed = true;
    loop {
        while console.is_listening()
            && let Some(byte) = next_byte(console, serial)?
        {
            let echo = console.input(byte);
            send(serial, board, echo)?;
        }
        match console.step(board) {
            Step::Send(text) => {
                send(serial, board, text)?;
                is_flushed = false;
            }
            Step::Busy => {}
            Step::Idle => {
                if !is_flushed {
                    serial.flush()?;
                    is_flushed = true;
                }
                board.idle();
            }
        }
    }
}

/// A byte that has arrived.
fn next_byte<S: Read + ReadReady>(
    console: &mut Console<'_, '_>,
    serial: &mut S,
) -> Result<Option<u8>, S::Error> {
    let mut byte = [0];
    let read = match serial.read_ready() {
        Ok(true) => serial.read(&mut byte),
        Ok(false) => Ok(0),
        Err(error) => Err(error),
    };
    match read {
        Ok(count) => Ok((count > 0).then_some(byte[0])),
        Err(error) if error.kind() == ErrorKind::NotConnected => Err(error),
        Err(_) => {
            console.note_port_error();
            Ok(None)
        }
    }
}

/// Sends all of it. Not `write_all`, which panics if a port takes nothing.
fn send<S: Write>(serial: &mut S, board: &mut impl Board, text: &str) -> Result<(), S::Error> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let sent = serial.write(rest)?;
        if sent == 0 {
            board.idle();
        }
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}
