//! The images for a board's flash: they hold the firmware and the model, byte for byte, and start.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use cross_tests::{Console, assert_same_text, board_firmware, flash_of_rp2040, host_text, shipped};
use flash_image::{Format, Image, Segment};
use host_trainer::hardware::boards as trainer;
use lstm_core::Model;
use tempfile::TempDir;
use xtask::{
    aligned::AlignedBytes,
    boards::{Board, all, emulated},
    image::{self, load_segments},
    qemu::Machine,
    shell::root,
};

const CHARS: usize = 500;

fn model(name: &str) -> PathBuf {
    root().join("models").join(name)
}

/// Fits every board.
fn small() -> PathBuf {
    model("cifg-96-int4.lstm")
}

/// An image of the firmware, if there is one, and of a model.
fn write(
    folder: &TempDir,
    board: &Board,
    firmware: Option<&Path>,
    model: &Path,
    format: Format,
) -> PathBuf {
    let image = image::build(board, firmware, model).unwrap();
    let path = folder.path().join(format!("{}.{format}", board.name));
    fs::write(&path, image.encode(format)).unwrap();
    path
}

fn assert_writes_the_text_of(machine: Machine, model: &Path) {
    let flash = AlignedBytes::new(&fs::read(model).unwrap());
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let mut console = Console::of(machine);
    let banner = console.line();
    assert!(banner.contains(model.name()), "{banner}");
    assert_same_text(&console.chars(CHARS), &host_text(&model, CHARS));
}

#[test]
fn an_image_is_what_the_elf_file_loads_and_the_model() {
    for board in emulated() {
        let elf = board_firmware(board);
        let mut expected = load_segments(&elf).unwrap();
        expected.push(Segment {
            address: board.memory.model.start,
            bytes: fs::read(small()).unwrap(),
        });
        let image = image::build(board, Some(&elf), &small()).unwrap();
        assert_eq!(image, Image::new(expected).unwrap(), "{}", board.name);
    }
}

#[test]
fn every_board_starts_from_its_images() {
    let folder = TempDir::new().unwrap();
    for board in emulated() {
        let elf = board_firmware(board);
        let start = load_segments(&elf).unwrap()[0].address;
        for (format, address) in [(Format::Hex, None), (Format::Bin, Some(start))] {
            let file = write(&folder, board, Some(&elf), &small(), format);
            let machine = Machine::start_images(board, &[(&file, address)]).unwrap();
            assert_writes_the_text_of(machine, &small());
        }
    }
}

/// Writes one image to flash, and a later one over it, as a programmer does.
#[test]
fn a_new_poet_comes_without_the_firmware() {
    let folder = TempDir::new().unwrap();
    let other = model("sonnets-64-int4.lstm");
    for name in ["microbit", "nucleo-f446re", "bluepill"] {
        let board = Board::parse(name).unwrap();
        let elf = board_firmware(board);
        let start = load_segments(&elf).unwrap()[0].address;
        let read = |firmware, model: &Path| {
            fs::read(write(&folder, board, firmware, model, Format::Bin)).unwrap()
        };
        let mut flash = read(Some(&*elf), &model("cifg-96-int4.lstm"));
        let poet = read(None, &other);
        let place = (board.memory.model.start - start) as usize;
        flash.resize(flash.len().max(place + poet.len()), 0xff);
        flash[place..place + poet.len()].copy_from_slice(&poet);
        let file = folder.path().join("flash");
        fs::write(&file, flash).unwrap();
        let machine = Machine::start_images(board, &[(&file, Some(start))]).unwrap();
        assert_writes_the_text_of(machine, &other);
    }
}

/// The family of the RP2040 in Microsoft's list.
const RP2040: Format = Format::Uf2 {
    family: 0xe48b_ff56,
};

#[test]
fn the_boot_rom_of_the_rp2040_keeps_every_byte_of_a_uf2() {
    let boards = all().iter().filter(|board| board.image.format == RP2040);
    let mut tried = 0;
    for board in boards {
        let elf = board_firmware(board);
        for (model, firmware) in shipped().iter().flat_map(|m| [(m, Some(&*elf)), (m, None)]) {
            let image = image::build(board, firmware, model).unwrap();
            let uf2 = image.encode(RP2040);
            let start = board.memory.code.start;
            for before in [0x00, 0xff] {
                let flash = flash_of_rp2040(&uf2, start, board.flash.size.0 as usize, before);
                for Segment { address, bytes } in image.segments() {
                    let found = &flash[(address - start) as usize..][..bytes.len()];
                    let wrong = found.iter().zip(bytes).filter(|(a, b)| a != b).count();
                    assert_eq!(wrong, 0, "{}, {}", board.name, model.display());
                }
            }
            tried += 1;
        }
    }
    assert!(tried >= 2 * 2 * shipped().len(), "{tried}");
}

/// That the test above can fail: a page that is left out moves the numbers of those after it.
#[test]
fn the_boot_rom_of_the_rp2040_loses_pages_of_a_uf2_with_a_gap() {
    let board = Board::parse("pico").unwrap();
    let image = image::build(board, None, &small()).unwrap();
    let mut uf2 = image.encode(RP2040);
    uf2.drain(512..1024);
    for (number, block) in (0u32..).zip(uf2.chunks_mut(512)) {
        block[20..24].copy_from_slice(&number.to_le_bytes());
    }
    let [Segment { address, bytes }] = image.segments() else {
        panic!("found {image:?}, expected one segment");
    };
    let flash = flash_of_rp2040(&uf2, *address, bytes.len().next_multiple_of(4096), 0xff);
    let wrong = flash.iter().zip(bytes).filter(|(a, b)| a != b).count();
    assert!(wrong > 256, "{wrong}");
}

/// `cargo xtask image`, without building xtask again.
fn xtask_image(board: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--release", "--package", "xtask", "--"]);
    command.args(["image", board]).args(arguments);
    command.current_dir(root()).output().unwrap()
}

#[test]
fn what_cannot_be_used_is_refused_before_anything_is_written() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out.hex");
    let out = out.to_str().unwrap();
    let long = model("sonnets-256.lstm");
    let long = long.to_str().unwrap();
    let readme = root().join("README.md");
    let readme = readme.to_str().unwrap();
    for (board, arguments, expected) in [
        (
            "microbit",
            &["--model", long, "--model-only", "--out", out][..],
            "does not fit the model region of microbit: found ",
        ),
        (
            "microbit",
            &["--model", readme, "--model-only", "--out", out],
            "not a .lstm file: it begins with",
        ),
        (
            "microbit",
            &["--model", "nothing.lstm", "--model-only", "--out", out],
            "no model at nothing.lstm",
        ),
    ] {
        let output = xtask_image(board, arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_drive_that_would_destroy_the_firmware_is_warned_of() {
    let folder = TempDir::new().unwrap();
    let (small, out) = (small(), folder.path().join("out.hex"));
    let (small, out) = (small.to_str().unwrap(), out.to_str().unwrap());
    for (board, expected) in [
        ("microbit", "which erases the whole flash first"),
        ("microbit-v2", "which erases the whole flash first"),
        ("nucleo-f446re", "which writes from the start of flash"),
        ("pico", ""),
    ] {
        let arguments = ["--model", small, "--model-only", "--out", out];
        let output = xtask_image(board, &arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        assert!(stderr.contains(expected), "{board}: {stderr}");
        let lines = usize::from(!expected.is_empty());
        assert_eq!(stderr.lines().count(), lines, "{board}: {stderr}");
    }
}

#[test]
fn the_next_step_is_told() {
    let folder = TempDir::new().unwrap();
    let small = small();
    let small = small.to_str().unwrap();
    for (board, end, expected) in [
        ("pico", "uf2", "next: Hold BOOTSEL while connecting USB. "),
        ("bluepill", "hex", " -c \"program OUT verify reset exit\"."),
        ("esp32c3", "bin", "espflash write-bin 0x200000 OUT"),
        (
            "mps2-an386",
            "hex",
            "next: cargo xtask qemu mps2-an386 --model ",
        ),
    ] {
        let out = folder.path().join(format!("out.{end}"));
        let out = out.to_str().unwrap();
        let arguments = ["--model", small, "--model-only", "--out", out];
        let output = xtask_image(board, &arguments);
        let stdout = String::from_utf8(output.stdout).unwrap();
        let expected = expected.replace("OUT", out);
        assert!(stdout.contains(&expected), "{board}: {stdout}");
        assert!(!stdout.contains(['`', '<']), "{board}: {stdout}");
    }
}

#[test]
fn a_firmware_that_reaches_into_the_model_region_is_refused() {
    // The micro:bit's firmware begins at 0, where a board with its model there would have no room.
    let elf = board_firmware(Board::parse("microbit").unwrap());
    let mut board = Board::parse("microbit").unwrap().clone();
    board.memory.model.start = 0x1000;
    let error = image::build(&board, Some(&elf), &small()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains(" overlaps the model region: found bytes from 0x"),
        "{error}"
    );
}

/// A person without Rust gets, byte for byte, what `cargo xtask image` makes.
#[test]
fn host_trainer_puts_a_model_into_an_image_as_xtask_does() {
    let other = model("recall-96-small.lstm");
    let file = AlignedBytes::read(&other).unwrap();
    let engine = Model::from_bytes(file.bytes()).unwrap();
    for name in ["microbit", "nucleo-f446re", "pico"] {
        let board = Board::parse(name).unwrap();
        let elf = board_firmware(board);
        let made = |model: &Path| {
            let image = image::build(board, Some(&elf), model).unwrap();
            image.encode(board.image.format)
        };
        let (trained, flash) = trainer::Board::with_flash(name).unwrap();
        trained.check(&engine).unwrap();
        let place = trained.place(&flash);
        let image = place.replace(&made(&small()), file.bytes()).unwrap();
        assert!(image.encode(flash.format) == made(&other), "{name}");
    }
}
