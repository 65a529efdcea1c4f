//! The console of a board on a serial port: what it sends is shown, what is typed is sent.

use std::{
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Result, bail};

use super::{Flow, Terminal, port::open};
use crate::boards::Board;

/// Ctrl-C and Ctrl-], which end the console.
const ENDS: [u8; 2] = [0x03, 0x1d];

/// Opens the console of a board at this port, until Ctrl-C or Ctrl-].
///
/// # Errors
///
/// The port does not open, or it goes away.
pub fn show(board: &Board, port: &str) -> Result<()> {
    let mut serial = open(port)?;
    let keys = serial.try_clone()?;
    if board.is_bare_metal() {
        // Nothing tells these that somebody has opened the port. Enter shows what runs.
        serial.write_all(b"\r")?;
    }
    println!("==> the console at {port}: :help lists what it can, Ctrl-C or Ctrl-] ends it");
    let is_over = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_over);
    ctrlc::set_handler(move || stop.store(true, Ordering::SeqCst))?;
    let _terminal = Terminal::keys_one_by_one();
    match converse(serial, keys, io::stdin(), &is_over, &mut io::stdout())? {
        End::Left => {
            println!("\n==> the console has ended; the board goes on");
            Ok(())
        }
        End::Gone => {
            println!();
            bail!(
                "the serial port {port} is gone, expected it until Ctrl-C: is the board unplugged?"
            )
        }
    }
}

/// Why a console ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The person left.
    Left,
    /// The port went away.
    Gone,
}

/// Shows what comes from `serial` and sends what is typed to `keys`, until `is_over` or one of [`ENDS`].
fn converse(
    mut serial: impl Read,
    keys: impl Write + Send + 'static,
    typed: impl Read + Send + 'static,
    is_over: &Arc<AtomicBool>,
    screen: &mut impl Write,
) -> Result<End> {
    let flow = Flow::default();
    let typed = UntilEnd {
        typed,
        is_over: Arc::clone(is_over),
    };
    let sender = flow.clone();
    // Ends with us, when there is nothing more to type, or with the port.
    thread::spawn(move || sender.send(typed, keys));
    let mut chunk = [0; 1024];
    while !is_over.load(Ordering::SeqCst) {
        match serial.read(&mut chunk) {
            Ok(0) => return Ok(End::Gone),
            Ok(count) => {
                let mut received = chunk[..count].to_vec();
                flow.obey(&mut received);
                screen.write_all(&received)?;
                screen.flush()?;
            }
            Err(error) => match error.kind() {
                io::ErrorKind::TimedOut
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::Interrupted => {}
                _ => return Ok(End::Gone),
            },
        }
    }
    Ok(End::Left)
}

/// What is typed before one of [`ENDS`].
struct UntilEnd<R> {
    typed: R,
    is_over: Arc<AtomicBool>,
}

impl<R: Read> Read for UntilEnd<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.is_over.load(Ordering::SeqCst) {
            return Ok(0);
        }
        let count = self.typed.read(bytes)?;
        let end = bytes[..count].iter().position(|byte| ENDS.contains(byte));
        self.is_over.fetch_or(end.is_some(), Ordering::SeqCst);
        Ok(end.unwrap_or(count))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use serialport::{SerialPort, TTYPort};

    use super::*;

    /// A pseudo-terminal in the place of a board's port, and the name of its other end.
    fn board() -> (TTYPort, TTYPort, String) {
        let (mut board, port) = TTYPort::pair().unwrap();
        board.set_timeout(Duration::from_secs(10)).unwrap();
        let name = port.name().unwrap();
        (board, port, name)
    }

    #[test]
    fn what_the_board_sends_is_shown_and_what_is_typed_arrives() {
        let (mut board, other_end, name) = board();
        // Two cannot have it open, and it stays there while the board has it.
        drop(other_end);
        let serial = open(&name).unwrap();
        let keys = serial.try_clone().unwrap();
        let (typed, mut person) = io::pipe().unwrap();
        let talk = thread::spawn(move || {
            // XOFF and XON are obeyed, not shown.
            board.write_all(b"# model a\r\n\x13\x11to be").unwrap();
            person.write_all(b":help\r").unwrap();
            let mut arrived = [0; 6];
            board.read_exact(&mut arrived).unwrap();
            board.write_all(b"\r\n# help").unwrap();
            // Gives the text the time to come before the end.
            thread::sleep(Duration::from_millis(500));
            person.write_all(b"\x1d").unwrap();
            (arrived, board)
        });
        let (is_over, mut screen) = (Arc::default(), Vec::new());
        let end = converse(serial, keys, typed, &is_over, &mut screen).unwrap();
        assert_eq!(end, End::Left);
        assert_eq!(&talk.join().unwrap().0, b":help\r");
        assert_eq!(
            String::from_utf8(screen).unwrap(),
            "# model a\r\nto be\r\n# help"
        );
    }

    #[test]
    fn a_board_that_is_unplugged_ends_it_and_so_does_a_signal() {
        let (board, other_end, name) = board();
        drop(other_end);
        let serial = open(&name).unwrap();
        let keys = serial.try_clone().unwrap();
        drop(board);
        let end = converse(serial, keys, io::empty(), &Arc::default(), &mut io::sink());
        assert_eq!(end.unwrap(), End::Gone);
        let over = Arc::new(AtomicBool::new(true));
        let end = converse(io::empty(), io::sink(), io::empty(), &over, &mut io::sink());
        assert_eq!(end.unwrap(), End::Left);
    }

    #[test]
    fn a_port_that_is_not_there_is_told() {
        let error = open("/dev/no-such-port").unwrap_err().to_string();
        assert!(
            error.starts_with("the serial port /dev/no-such-port does not open; "),
            "{error}"
        );
    }
}
