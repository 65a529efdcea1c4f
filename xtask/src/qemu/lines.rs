use std::{
    io::{Read, Write},
    path::Path,
    process::ChildStdin,
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::Machine;
use crate::boards::Board;

/// How long a board may take for a line.
const PATIENCE: Duration = Duration::from_secs(60);

/// A board under QEMU whose model reads values: lines go in, lines come out.
pub struct Lines {
    machine: Machine,
    keys: ChildStdin,
    chunks: Receiver<Vec<u8>>,
    received: Vec<u8>,
}

impl Lines {
    /// Starts a board with this model.
    ///
    /// # Errors
    ///
    /// QEMU fails.
    pub fn start(board: &Board, elf: &Path, model: &Path) -> Result<Self> {
        let mut machine = Machine::start(board, elf, Some(model))?;
        let mut serial = machine.serial().context("the serial port is piped")?;
        let keys = machine.keys().context("the serial port is piped")?;
        let (send, chunks) = channel();
        // Ends with QEMU.
        thread::spawn(move || {
            let mut chunk = [0; 1024];
            while let Ok(count) = serial.read(&mut chunk) {
                if count == 0 || send.send(chunk[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Lines {
            machine,
            keys,
            chunks,
            received: Vec::new(),
        })
    }

    /// The next line that the board sends, without its end.
    ///
    /// # Errors
    ///
    /// It sends none.
    pub fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.received.drain(..=end).collect();
                // Line ends, and what the board asks its sender by: a line at a time needs no flow control.
                line.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0x11 | 0x13));
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            match self.chunks.recv_timeout(PATIENCE) {
                Ok(chunk) => self.received.extend(chunk),
                Err(_) if !self.machine.is_running() => match self.machine.complaint() {
                    Some(complaint) => bail!(complaint),
                    None => bail!("QEMU has ended"),
                },
                Err(_) => bail!("found no line of the board in {} s", PATIENCE.as_secs()),
            }
        }
    }

    /// Types a line, and reads its echo.
    ///
    /// # Errors
    ///
    /// The board sends something else.
    pub fn enter(&mut self, line: &str) -> Result<()> {
        self.keys.write_all(format!("{line}\r").as_bytes())?;
        self.keys.flush()?;
        let (found, expected) = (self.line()?, format!("> {line}"));
        if found != expected {
            bail!("found {found:?} from the board, expected its echo {expected:?}");
        }
        Ok(())
    }
}
