//! `cargo xtask flash` with a folder in the place of a board's drive: what arrives there is the image, and
//! it starts.

use std::{
    fs,
    process::{Command, Output},
};

use cross_tests::{Console, assert_same_text, board_firmware, host_text};
use lstm_core::Model;
use tempfile::TempDir;
use xtask::{aligned::AlignedBytes, boards::Board, image, models, qemu::Machine, shell::root};

/// `cargo xtask flash`, with this folder as the drive and the firmware of `board_firmware`.
fn flash(board: &Board, drive: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--release", "--package", "xtask", "--"]);
    command.args(["flash", &*board.name, "--no-console", "--drive"]);
    command
        .arg(drive.path())
        .arg("--elf")
        .arg(board_firmware(board));
    command
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap()
}

#[test]
fn the_drive_gets_the_image_and_the_board_starts_from_it() {
    let (board, drive) = (Board::parse("microbit").unwrap(), TempDir::new().unwrap());
    let output = flash(board, &drive, &[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let file = drive.path().join("firmware.hex");
    let default = models::default(board);
    let image = image::build(board, Some(&board_firmware(board)), &default).unwrap();
    let expected = image.encode(board.image.format);
    assert!(fs::read(&file).unwrap() == expected, "another image");

    let flash = AlignedBytes::new(&fs::read(default).unwrap());
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let mut console = Console::of(Machine::start_images(board, &[(&file, None)]).unwrap());
    let banner = console.line();
    assert!(banner.contains(model.name()), "{banner}");
    assert_same_text(&console.chars(200), &host_text(&model, 200));
}

#[test]
fn a_model_that_does_not_fit_is_refused_and_nothing_is_written() {
    let (board, drive) = (Board::parse("microbit").unwrap(), TempDir::new().unwrap());
    let output = flash(board, &drive, &["--model", "models/cifg-512.lstm"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let line = stderr.trim_end();
    assert!(line.ends_with("; models/cifg-512-int4.lstm fits"), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert_eq!(fs::read_dir(drive.path()).unwrap().count(), 0);
}
