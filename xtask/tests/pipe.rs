//! What the command prints may be read to a part: `cargo xtask ... | head`.
#![cfg(unix)]

use std::process::{Command, Stdio};

#[test]
fn a_closed_pipe_ends_the_command_without_a_word() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("setup")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(141), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}
