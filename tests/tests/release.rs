//! The files of a release: each image starts in the emulator of its board, and writes the text of the host or passes its selftest.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use cross_tests::{Console, assert_same_text, host_text};
use lstm_core::Model;
use tempfile::TempDir;
use xtask::{
    aligned::AlignedBytes,
    boards::{Board, all},
    models,
    qemu::Machine,
    release::{Part, SUMS, VERSION, image_name, make},
};

const CHARS: usize = 200;

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// Starts every image of the board that is in the folder, where QEMU has a machine for it. Gives how many
/// there are.
fn start_images(board: &Board, folder: &Path) -> usize {
    let shipped = models::shipped().unwrap();
    let mut models: BTreeSet<_> = shipped.iter().map(|model| model.path()).collect();
    models.insert(models::default(board));
    let images = models.into_iter().map(|model| {
        let image = folder.join(image_name(board, &model));
        (model, image)
    });
    let images: Vec<_> = images.filter(|(_, image)| image.exists()).collect();
    for (model, image) in images.iter().filter(|_| board.emulator.is_some()) {
        let is_bin = image.extension().is_some_and(|end| end == "bin");
        let place = is_bin.then_some(board.memory.code.start);
        let mut console = Console::of(Machine::start_images(board, &[(image, place)]).unwrap());
        let flash = AlignedBytes::new(&fs::read(model).unwrap());
        let model = Model::from_bytes(flash.bytes()).unwrap();
        let banner = console.line();
        let expected = format!("checksum {:08x}", model.checksum());
        assert!(banner.contains(&expected), "{}: {banner}", image.display());
        match model.num_channels() {
            0 => assert_same_text(&console.chars(CHARS), &host_text(&model, CHARS)),
            _ => {
                let answer = console.ask(":selftest", "# selftest");
                assert!(answer.ends_with("# selftest PASS\n"), "{answer}");
            }
        }
    }
    images.len()
}

/// That every file is in the list of sums and has its sum, by another program than ours.
fn check_sums(folder: &Path) {
    let sums = fs::read_to_string(folder.join(SUMS)).unwrap();
    let listed = sums.lines().filter_map(|line| line.split_once("  "));
    let mut listed: BTreeSet<_> = listed.map(|(_, name)| name.to_owned()).collect();
    listed.insert(SUMS.into());
    assert_eq!(listed, names(folder));
    let mut check = Command::new(if cfg!(target_os = "macos") {
        "shasum"
    } else {
        "sha256sum"
    });
    if cfg!(target_os = "macos") {
        check.args(["--algorithm", "256"]);
    }
    let output = check
        .args(["--check", SUMS])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_released_images_of_three_boards_do_what_the_host_does() {
    let folder = TempDir::new().unwrap();
    let boards = ["microbit", "microbit-sensors", "bluepill"];
    let boards = boards.map(|name| Board::parse(name).unwrap());
    make(&[Part::Images, Part::Models], &boards, folder.path()).unwrap();
    let counts = boards.map(|board| start_images(board, folder.path()));
    // The blue pill has room for the smallest alone.
    assert_eq!(counts, [2, 2, 1]);
    check_sums(folder.path());
    let models = format!("sonnets-{VERSION}-models.zip");
    assert!(names(folder.path()).contains(&models));
}

#[test]
#[ignore = "builds the firmware of every board, the trainer, the libraries for C and the wheel: ten minutes"]
fn a_whole_release_is_made_and_starts_in_every_emulator() {
    let folder = TempDir::new().unwrap();
    let boards: Vec<_> = all().iter().collect();
    let parts = [
        Part::Images,
        Part::Models,
        Part::Page,
        Part::HostTrainer,
        Part::C,
        Part::Python,
    ];
    make(&parts, &boards, folder.path()).unwrap();
    for board in boards {
        let count = start_images(board, folder.path());
        let expected = if board.name == "bluepill" { 1 } else { 2 };
        assert_eq!(count, expected, "{}", board.name);
    }
    check_sums(folder.path());
    let names = names(folder.path());
    let is_there = |start: &str, end: &str| {
        let start = format!("{start}-{VERSION}-");
        names
            .iter()
            .any(|name| name.starts_with(&start) && name.ends_with(end))
    };
    for (start, end) in [
        ("sonnets", "page.html"),
        ("sonnets", "models.zip"),
        ("sonnets", "arduino.zip"),
        ("sonnets", "-c.zip"),
        ("sonnets", "esp32c3-firmware.elf"),
        ("host-trainer", ".zip"),
    ] {
        assert!(is_there(start, end), "{start} {end}: {names:?}");
    }
    let is_wheel = |name: &String| name.starts_with("lstm_mcu-") && name.ends_with(".whl");
    assert!(names.iter().any(is_wheel), "{names:?}");
}
