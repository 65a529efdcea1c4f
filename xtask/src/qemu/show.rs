//! A board's serial port for a person: the text at a pace at which it can be read, and what is typed.

use std::{
    io::{self, IsTerminal, Read, Write},
    path::Path,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::{Machine, text::Text};
use crate::{
    boards::Board,
    console::{Flow, Terminal},
};

/// Characters a second for a person.
const READABLE: u32 = 60;
/// The most that the firmware takes.
const FASTEST: i64 = 100_000;
/// How long a board that is to write so many characters may write none.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much text, and how fast.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct TextOptions {
    /// Stop after this many characters of text, instead of at Ctrl-C
    #[arg(long, value_name = "N")]
    pub chars: Option<usize>,
    /// So many characters a second, 0 as fast as it can [default: 60 if the output is a terminal,
    /// else 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=FASTEST))]
    pub speed: Option<u32>,
}

/// Shows what the board sends and sends what is typed, until Ctrl-C or until it has written as many
/// characters of text as are asked for.
///
/// # Errors
///
/// QEMU fails, the board refuses the model, or it falls silent before it has written them.
pub fn show(board: &Board, elf: &Path, model: &Path, options: &TextOptions) -> Result<()> {
    let mut machine = Machine::start(board, elf, Some(model))?;
    let serial = machine.serial().context("the serial port is piped")?;
    let keys = machine.keys().context("the serial port is piped")?;
    let (child, stopped) = (Arc::clone(&machine.child), Arc::clone(&machine.stopped));
    // Ctrl-C, or the end of our terminal, ends QEMU; its output then ends.
    ctrlc::set_handler(move || {
        stopped.store(true, Ordering::SeqCst);
        Machine::stop(&child);
    })?;
    let is_terminal = io::stdout().is_terminal();
    let speed = options.speed.unwrap_or(match is_terminal {
        true => READABLE,
        false => 0,
    });
    if is_terminal {
        let pace = match speed {
            0 => "the text comes as fast as it can".to_owned(),
            speed => format!("the text comes at {speed} characters a second (--speed)"),
        };
        println!("==> {pace}; Ctrl-C ends it");
    }
    let _terminal = Terminal::keys_one_by_one();
    let mut text = Text::new(options.chars);
    let end = converse(serial, keys, speed, PATIENCE, &mut text, &mut io::stdout())?;
    if end == End::Closed
        && let Some(complaint) = machine.complaint()
    {
        bail!(complaint);
    }
    if text.was_refused() && options.chars.is_some() {
        bail!("the firmware refused the model {}", model.display());
    }
    println!();
    println!("==> {} characters written", text.chars);
    Ok(())
}

/// Why a conversation ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// There is as much text as was asked for, or there will be none.
    Complete,
    /// The board sends no more.
    Closed,
}

/// Shows what comes from `serial`, and sends what is typed to `keys`. The board is told its speed
/// first, unless it is 0, and begins its text anew; of that, nothing is shown.
fn converse(
    serial: impl Read + Send + 'static,
    mut keys: impl Write + Send + 'static,
    speed: u32,
    patience: Duration,
    text: &mut Text,
    screen: &mut impl Write,
) -> Result<End> {
    let flow = Flow::default();
    let chunks = chunks(serial, flow.clone());
    let has_limit = text.limit().is_some();
    let mut received = Vec::new();
    while !received.contains(&b'\n') {
        match next(&chunks, has_limit.then_some(patience), text)? {
            Some(chunk) => received.extend(chunk),
            None => {
                show_all(text.take(&received), screen)?;
                return Ok(End::Closed);
            }
        }
    }
    if speed > 0 && !received.starts_with(b"# no model") {
        keys.write_all(format!(":speed {speed}\r:reset\r").as_bytes())?;
        keys.flush()?;
        skip(&chunks, &mut received, b"> :reset\n", text, patience)?;
    }
    // Ends with us, or when one of the two does.
    thread::spawn(move || flow.send(io::stdin().lock(), keys));
    loop {
        show_all(text.take(&received), screen)?;
        if text.is_complete() || has_limit && text.was_refused() {
            return Ok(End::Complete);
        }
        match next(&chunks, has_limit.then_some(patience), text)? {
            Some(chunk) => received = chunk,
            None => return Ok(End::Closed),
        }
    }
}

/// Takes out what stands between the first line and this, and this with it.
fn skip(
    chunks: &Receiver<Vec<u8>>,
    received: &mut Vec<u8>,
    end: &[u8],
    text: &Text,
    patience: Duration,
) -> Result<()> {
    loop {
        let mut windows = received.windows(end.len());
        if let Some(at) = windows.position(|window| window == end) {
            let first_line = received.iter().position(|&byte| byte == b'\n');
            received.drain(first_line.map_or(0, |at| at + 1)..at + end.len());
            return Ok(());
        }
        match next(chunks, Some(patience), text)? {
            Some(chunk) => received.extend(chunk),
            None => return Ok(()),
        }
    }
}

/// The next bytes of the board, without the CR of its line ends; nothing if it sends no more.
fn next(
    chunks: &Receiver<Vec<u8>>,
    patience: Option<Duration>,
    text: &Text,
) -> Result<Option<Vec<u8>>> {
    let chunk = match patience {
        Some(patience) => chunks.recv_timeout(patience),
        None => chunks.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    match chunk {
        Ok(mut chunk) => {
            chunk.retain(|&byte| byte != b'\r');
            Ok(Some(chunk))
        }
        Err(RecvTimeoutError::Disconnected) => Ok(None),
        Err(RecvTimeoutError::Timeout) => bail!(
            "the board fell silent: found {} characters and none more in {} s, expected {}",
            text.chars,
            patience.unwrap_or_default().as_secs(),
            text.limit().unwrap_or(1)
        ),
    }
}

/// What is read, as it comes, without what the board asks by.
fn chunks(mut serial: impl Read + Send + 'static, flow: Flow) -> Receiver<Vec<u8>> {
    let (send, chunks) = channel();
    thread::spawn(move || {
        let mut chunk = [0; 1024];
        loop {
            match serial.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => {
                    let mut received = chunk[..n].to_vec();
                    flow.obey(&mut received);
                    if send.send(received).is_err() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => break,
            }
        }
    });
    chunks
}

fn show_all(bytes: &[u8], screen: &mut impl Write) -> Result<()> {
    screen.write_all(bytes)?;
    screen.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::console::Keys;

    /// A board that sends these pieces, each after so many bytes have been typed, and then nothing.
    struct Board {
        pieces: Vec<(usize, &'static str)>,
        typed: Arc<Mutex<Vec<u8>>>,
        is_silent: bool,
    }

    impl Read for Board {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            loop {
                let typed = self.typed.lock().unwrap().len();
                match self.pieces.first() {
                    Some(&(after, piece)) if typed >= after => {
                        self.pieces.remove(0);
                        bytes[..piece.len()].copy_from_slice(piece.as_bytes());
                        return Ok(piece.len());
                    }
                    None if !self.is_silent => return Ok(0),
                    _ => thread::sleep(Duration::from_millis(1)),
                }
            }
        }
    }

    /// What is shown, what was typed, and the outcome.
    fn shown(
        pieces: &[(usize, &'static str)],
        is_silent: bool,
        speed: u32,
        chars: Option<usize>,
    ) -> (String, String, Result<End>) {
        let typed = Arc::default();
        let board = Board {
            pieces: pieces.to_vec(),
            typed: Arc::clone(&typed),
            is_silent,
        };
        let (mut screen, mut text) = (Vec::new(), Text::new(chars));
        let patience = Duration::from_millis(200);
        let keys = Keys(Arc::clone(&typed));
        let end = converse(board, keys, speed, patience, &mut text, &mut screen);
        let typed = String::from_utf8(typed.lock().unwrap().clone()).unwrap();
        (String::from_utf8(screen).unwrap(), typed, end)
    }

    #[test]
    fn a_paced_text_begins_anew_behind_the_first_line() {
        let typed = ":speed 60\r:reset\r";
        let pieces = [
            (0, "# model a; ty"),
            (0, "pe :help\r\nto b"),
            (10, "e\r\n> :speed 60\r\n# speed 60\r\nt> :re"),
            (typed.len(), "set\r\nto be"),
            (0, " or not"),
        ];
        let (screen, keys, end) = shown(&pieces, false, 60, None);
        assert_eq!(screen, "# model a; type :help\nto be or not");
        assert_eq!((&*keys, end.unwrap()), (typed, End::Closed));
        let (screen, _, end) = shown(&pieces, true, 60, Some(5));
        assert_eq!(screen, "# model a; type :help\nto be");
        assert_eq!(end.unwrap(), End::Complete);
    }

    #[test]
    fn nothing_is_typed_where_no_speed_is_asked_for_or_no_model_runs() {
        let (screen, keys, _) = shown(&[(0, "# model a\r\nto be")], false, 0, None);
        assert_eq!((&*screen, &*keys), ("# model a\nto be", ""));
        let (screen, keys, end) = shown(&[(0, "# no model runs: x\r\n")], true, 60, Some(5));
        assert_eq!((&*screen, &*keys), ("# no model runs: x\n", ""));
        assert_eq!(end.unwrap(), End::Complete);
    }

    #[test]
    fn a_board_that_falls_silent_before_it_has_written_enough_is_told() {
        for pieces in [&[][..], &[(0, "# model a")], &[(0, "# model a\r\nto ")]] {
            let (_, _, end) = shown(pieces, true, 0, Some(5));
            let error = end.unwrap_err().to_string();
            let expected = match pieces {
                [(_, "# model a\r\nto ")] => "found 3 characters and none more in 0 s, expected 5",
                _ => "found 0 characters and none more in 0 s, expected 5",
            };
            assert!(error.ends_with(expected), "{error}");
        }
    }
}
