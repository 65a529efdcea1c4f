//! Runs the real binary.
#![allow(dead_code, reason = "not every test file needs all")]

use std::path::Path;
use std::process::{Child, Command, Output};

/// What makes a run small; `good.txt` is in [`folder`].
pub(crate) const SMALL: &str =
    "--corpus good.txt --hidden 12 --embedding 6 --batch-size 4 --threads 1";

/// A folder with a text, `good.txt`.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.txt"), text(400)).unwrap();
    folder
}

/// Every file and folder below `folder`, and what is in it.
pub(crate) fn listing(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(listing(&path));
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        found.push((path.display().to_string(), bytes));
    }
    found.sort();
    found
}

/// The command with the words of `line`, in `folder`.
pub(crate) fn trainer(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-trainer"));
    command.args(line.split_whitespace()).current_dir(folder);
    command
}

/// Runs it to its end.
pub(crate) fn run(folder: &Path, line: &str) -> Output {
    trainer(folder, line).output().unwrap()
}

/// Sends a running one `-INT` or `-KILL`.
pub(crate) fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([name, &id]).status().unwrap();
    assert!(sent.success());
}

/// What it prints; it must succeed.
pub(crate) fn printed(folder: &Path, line: &str) -> String {
    let output = run(folder, line);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// It must refuse: one line on stderr that contains `expected`, nothing on stdout, exit code 2.
pub(crate) fn refuses(folder: &Path, line: &str, expected: &str) {
    let output = run(folder, line);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{line}: {stderr}");
    assert!(
        stderr.starts_with("error: ") && stderr.contains(expected),
        "{line}: {stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
    assert!(output.stdout.is_empty(), "{line}");
}

/// English-like text of `words` words, always the same.
pub(crate) fn text(words: usize) -> String {
    let list = [
        "shall", "I", "compare", "thee", "to", "a", "summer's", "day,\n", "thou", "art",
    ];
    (0..words)
        .map(|i| format!("{} ", list[(i * i + i / 7) % 10]))
        .collect()
}
