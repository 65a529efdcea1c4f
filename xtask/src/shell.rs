//! Running programs, and saying what runs and how long it took.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// Where there is no terminal: the time from one sign of life to the next.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// The root of the repository: the nearest folder with xtask in it, from the current folder upwards.
///
/// # Errors
///
/// There is none.
pub fn find_root() -> Result<PathBuf> {
    let start = std::env::current_dir().context("the current folder is gone")?;
    let is_root = |folder: &&Path| {
        ["Cargo.toml", "xtask/Cargo.toml"]
            .iter()
            .all(|file| folder.join(file).is_file())
    };
    let root = start.ancestors().find(is_root).map(Path::to_path_buf);
    root.with_context(|| {
        format!(
            "found no xtask/Cargo.toml in {} or a folder above it, expected the repository",
            start.display()
        )
    })
}

/// The root of the repository.
///
/// # Panics
///
/// [`find_root`] does not find it.
pub fn root() -> PathBuf {
    find_root().unwrap_or_else(|error| panic!("{error:#}"))
}

/// The folder for everything that is built or fetched, apart from the firmware.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Cargo, in a folder.
pub fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder);
    command
}

/// The command line as a person would type it.
pub fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command that talks to a person, with our terminal.
pub fn attach(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("`{}` does not start", line(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// Runs a command that needs nobody, as [`watch`] does.
pub fn run(command: &mut Command) -> Result<()> {
    match watch(command)? {
        (_, true) => Ok(()),
        (_, false) => bail!("`{}` failed", line(command)),
    }
}

/// Runs a command, shows what it writes line by line, and meanwhile for how long it has been
/// running. Gives its standard output, and whether it succeeded.
pub fn watch(command: &mut Command) -> Result<(String, bool)> {
    let what = line(command);
    let clock = ProgressBar::new_spinner();
    clock.set_style(ProgressStyle::with_template("    {elapsed}: {wide_msg}")?);
    clock.set_message(what.clone());
    if !clock.is_hidden() && std::env::var_os("CARGO_TERM_COLOR").is_none() {
        // It does not see the terminal.
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{what}` does not start"))?;
    let stdout = child.stdout.take().context("standard output is piped")?;
    let stderr = child.stderr.take().context("standard error is piped")?;
    clock.enable_steady_tick(Duration::from_secs(1));
    let is_hidden = clock.is_hidden();
    let (done, is_done) = channel::<()>();
    let output = thread::scope(|scope| {
        if is_hidden {
            scope.spawn(|| sign_of_life(&what, is_done));
        }
        let errors = scope.spawn(|| lines(stderr, |line| clock.suspend(|| eprint!("{line}"))));
        let output = lines(stdout, |line| clock.suspend(|| print!("{line}")));
        let errors = errors.join().unwrap_or_else(|_| Ok(String::new()));
        drop(done);
        errors.and(output)
    })?;
    clock.finish_and_clear();
    Ok((output, child.wait()?.success()))
}

/// Says now and then for how long it has been waiting.
fn sign_of_life(what: &str, is_done: Receiver<()>) {
    let start = Instant::now();
    while is_done.recv_timeout(SIGN_OF_LIFE) == Err(RecvTimeoutError::Timeout) {
        println!("    {} s: {what}", start.elapsed().as_secs());
    }
}

/// Shows each line as it comes, and gives all of them.
fn lines(from: impl Read, show: impl Fn(&str)) -> Result<String> {
    let (mut from, mut text) = (BufReader::new(from), String::new());
    loop {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(text);
        }
        let line = String::from_utf8_lossy(&line);
        show(&line);
        text += &line;
    }
}

/// The standard output of a command that must succeed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{}` does not start", line(command)))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", line(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program is there and runs with these arguments.
pub fn works(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Says what is done, does it, and says how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("==> {what}");
    let start = Instant::now();
    let result = work().with_context(|| what.to_owned())?;
    println!("    done in {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_from_a_folder_below_it() {
        let root = find_root().unwrap();
        assert!(root.join("xtask/src/shell.rs").is_file());
        // Tests run in the folder of their package.
        assert_eq!(root.join("xtask"), std::env::current_dir().unwrap());
    }

    #[test]
    fn the_output_and_the_outcome_of_a_command_are_given() {
        let mut rustc = Command::new("rustc");
        let (output, success) = watch(rustc.arg("--version")).unwrap();
        assert!(
            output.starts_with("rustc 1.") && output.ends_with('\n'),
            "{output}"
        );
        assert!(success);
        let mut rustc = Command::new("rustc");
        let error = run(rustc.arg("--no-such-flag")).unwrap_err();
        assert_eq!(error.to_string(), "`rustc --no-such-flag` failed");
    }
}
