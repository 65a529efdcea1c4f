//! Running a board under QEMU and reading its serial port.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, bail};

use crate::{
    boards::{Board, emulator},
    setup,
};

/// What every line of the firmware itself starts with, to tell it from the text of the model.
const REMARK: u8 = b'#';

/// A board that runs under QEMU. It ends with this value.
pub struct Machine {
    child: Arc<Mutex<Child>>,
    /// Whether we, and not QEMU, ended it.
    stopped: Arc<AtomicBool>,
    serial: Option<ChildStdout>,
    keys: Option<ChildStdin>,
}

impl Machine {
    /// Starts the board, with the bytes of the file `model` at the start of its model region.
    pub fn start(board: &Board, elf: &Path, model: Option<&Path>) -> Result<Self> {
        if !elf.is_file() {
            bail!("found no firmware at {}", elf.display());
        }
        let mut arguments = vec![OsString::from("-kernel"), elf.into()];
        if let Some(model) = model {
            check_model(board, model)?;
            let place = format!(",addr={:#x},force-raw=on", board.memory.model.start);
            arguments.extend(loader(model, &place));
        }
        Self::launch(board, arguments)
    }

    /// Starts the board with these images in its flash, one after the other: Intel hex, or bytes
    /// and their address.
    pub fn start_images(board: &Board, images: &[(&Path, Option<u32>)]) -> Result<Self> {
        let arguments = images.iter().flat_map(|(file, address)| {
            let place = address.map(|address| format!(",addr={address:#x},force-raw=on"));
            loader(file, &place.unwrap_or_default())
        });
        Self::launch(board, arguments.collect())
    }

    fn launch(board: &Board, arguments: Vec<OsString>) -> Result<Self> {
        let emulator = emulator(board)?;
        setup::check_qemu(&emulator.program)?;
        // Not our terminal: QEMU would set it to raw mode, and leave it so when it is killed.
        let mut child = Command::new(&emulator.program)
            .args(["-M", &*emulator.machine, "-nographic", "-monitor", "none"])
            .args(&emulator.options)
            .args(["-serial", "stdio"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} does not start", emulator.program))?;
        let (serial, keys) = (child.stdout.take(), child.stdin.take());
        Ok(Machine {
            child: Arc::new(Mutex::new(child)),
            stopped: Arc::default(),
            serial,
            keys,
        })
    }

    /// What the board sends, to be taken once.
    pub fn serial(&mut self) -> Option<ChildStdout> {
        self.serial.take()
    }

    /// Where what is typed goes, to be taken once.
    pub fn keys(&mut self) -> Option<ChildStdin> {
        self.keys.take()
    }

    /// Whether the board still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(lock(&self.child).try_wait(), Ok(None))
    }

    /// What QEMU complained of, once it has ended.
    fn complaint(&mut self) -> Option<String> {
        let mut child = lock(&self.child);
        let status = child.wait().ok()?;
        if status.success() || self.stopped.load(Ordering::SeqCst) {
            return None;
        }
        let mut complaint = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            let _ = stderr.read_to_string(&mut complaint);
        }
        let line = complaint.lines().next().unwrap_or_default();
        Some(format!("QEMU ended with {status}: {line}"))
    }

    fn stop(child: &Mutex<Child>) {
        let mut child = lock(child);
        // Both fail only if it has ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        Self::stop(&self.child);
    }
}

fn lock(child: &Mutex<Child>) -> std::sync::MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The arguments with which QEMU loads a file into memory.
fn loader(file: &Path, place: &str) -> [OsString; 2] {
    // A comma in a file name is doubled; QEMU takes a single one for the end of it.
    let file = file.display().to_string().replace(',', ",,");
    [
        "-device".into(),
        format!("loader,file={file}{place}").into(),
    ]
}

/// Fails unless the model is a file that fits the board's region: QEMU crashes on one that does
/// not.
pub fn check_model(board: &Board, model: &Path) -> Result<()> {
    let file =
        std::fs::metadata(model).with_context(|| format!("no model at {}", model.display()))?;
    if !file.is_file() {
        bail!("{} is not a file, expected a model", model.display());
    }
    let bytes = file.len();
    let room = board.memory.model.size.0;
    if bytes > room.into() {
        bail!(
            "{} does not fit the model region of {}: found {bytes} bytes, expected at most {room}",
            model.display(),
            board.name,
        );
    }
    Ok(())
}

/// Shows what the board sends and sends what is typed, until Ctrl-C or until it has written `chars`
/// characters of text.
pub fn show(board: &Board, elf: &Path, model: &Path, chars: Option<usize>) -> Result<()> {
    let mut machine = Machine::start(board, elf, Some(model))?;
    let mut serial = machine.serial().context("the serial port is piped")?;
    let (child, stopped) = (Arc::clone(&machine.child), Arc::clone(&machine.stopped));
    // Ctrl-C, or the end of our terminal, ends QEMU; the loop below then sees its output end.
    ctrlc::set_handler(move || {
        stopped.store(true, Ordering::SeqCst);
        Machine::stop(&child);
    })?;

    let _terminal = Terminal::keys_one_by_one();
    let mut keys = machine.keys().context("the serial port is piped")?;
    // Ends with us, or when one of the two does.
    thread::spawn(move || io::copy(&mut io::stdin().lock(), &mut keys));

    let mut text = Text::new(chars);
    let mut chunk = [0; 1024];
    while !text.is_complete() {
        let n = match serial.read(&mut chunk) {
            Ok(0) => match machine.complaint() {
                Some(complaint) => bail!(complaint),
                None => break,
            },
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        // The board ends lines as serial terminals want it, with "\r\n".
        let sent: Vec<u8> = chunk[..n].iter().copied().filter(|&b| b != b'\r').collect();
        let shown = text.take(&sent);
        let mut stdout = io::stdout().lock();
        stdout.write_all(shown)?;
        stdout.flush()?;
        if chars.is_some() && text.was_refused() {
            bail!("the firmware refused the model {}", model.display());
        }
    }
    println!();
    println!("==> {} characters written", text.chars);
    Ok(())
}

/// Our terminal while the board has its keys: each goes to the board at once, and the board echoes
/// it. Ctrl-C still ends us. It is set back with this value.
struct Terminal {
    #[cfg(unix)]
    before: nix::sys::termios::Termios,
}

impl Terminal {
    /// `None` if our input is no terminal, or not ours because we run in the background.
    #[cfg(unix)]
    fn keys_one_by_one() -> Option<Self> {
        use nix::{
            sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr},
            unistd::{getpgrp, tcgetpgrp},
        };

        let input = io::stdin();
        if tcgetpgrp(&input) != Ok(getpgrp()) {
            return None;
        }
        let before = tcgetattr(&input).ok()?;
        let mut now = before.clone();
        now.local_flags
            .remove(LocalFlags::ICANON | LocalFlags::ECHO);
        tcsetattr(&input, SetArg::TCSANOW, &now).ok()?;
        Some(Terminal { before })
    }

    #[cfg(not(unix))]
    fn keys_one_by_one() -> Option<Self> {
        None
    }
}

#[cfg(unix)]
impl Drop for Terminal {
    fn drop(&mut self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        // If the terminal is gone, there is nothing to set back.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}

/// Tells the characters of the text from the lines of the firmware before it.
struct Text {
    limit: Option<usize>,
    chars: usize,
    /// The line of the firmware before the text, as far as it has come.
    first_line: Vec<u8>,
    in_text: bool,
}

impl Text {
    fn new(limit: Option<usize>) -> Self {
        Text {
            limit,
            chars: 0,
            first_line: Vec::new(),
            in_text: false,
        }
    }

    fn is_complete(&self) -> bool {
        self.limit.is_some_and(|limit| self.chars >= limit)
    }

    fn was_refused(&self) -> bool {
        self.in_text && self.first_line.starts_with(b"# no model")
    }

    /// The part of these bytes that comes before the limit.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        for (i, &byte) in bytes.iter().enumerate() {
            if !self.in_text {
                self.first_line.push(byte);
                self.in_text = byte == b'\n' || self.first_line[0] != REMARK;
                continue;
            }
            let starts_a_character = byte & 0xC0 != 0x80;
            if starts_a_character && self.is_complete() {
                return &bytes[..i];
            }
            self.chars += usize::from(starts_a_character);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of a stream that arrives in pieces, and how many characters were counted.
    fn shown(stream: &str, piece: usize, limit: Option<usize>) -> (String, usize) {
        let mut text = Text::new(limit);
        let mut shown = Vec::new();
        for bytes in stream.as_bytes().chunks(piece) {
            shown.extend_from_slice(text.take(bytes));
        }
        (String::from_utf8_lossy(&shown).into_owned(), text.chars)
    }

    #[test]
    fn the_banner_is_shown_and_not_counted() {
        for piece in 1..20 {
            let stream = "# model a, int8\nto be\n#";
            assert_eq!(shown(stream, piece, None), (stream.to_owned(), 7));
            let cut = ("# model a, int8\nto".to_owned(), 2);
            assert_eq!(shown(stream, piece, Some(2)), cut);
        }
    }

    #[test]
    fn a_character_of_several_bytes_counts_once_and_stays_whole() {
        for piece in 1..8 {
            let cut = ("#\n\u{e9}\u{2014}".to_owned(), 2);
            assert_eq!(shown("#\n\u{e9}\u{2014}xyz", piece, Some(2)), cut);
        }
    }

    #[test]
    fn a_refusal_is_told_from_text() {
        let mut text = Text::new(Some(1));
        text.take(b"# no model runs: not");
        assert!(!text.was_refused());
        text.take(b" a .lstm file\n");
        assert!(text.was_refused());
        assert!(!text.is_complete());
    }
}
