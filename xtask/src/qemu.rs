//! Running a board under QEMU and reading its serial port.

mod keys;
mod lines;
mod show;
mod terminal;
mod text;

use std::{
    ffi::OsString,
    io::Read,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, bail};

pub use lines::Lines;
pub use show::{TextOptions, show};

use crate::{
    boards::{Board, emulator},
    models, setup,
};

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
            models::check(board, model)?;
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
        setup::check_program(&emulator.program)?;
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
