//! The image of a Pico, flashed as its boot ROM flashes it, in an emulator of the RP2040 (rp2040js, from npm): it
//! is a serial port on USB, writes the text of the host, and passes `:selftest`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cross_tests::{assert_same_text, board_firmware, flash_of_rp2040, host_text};
use lstm_core::Model;
use xtask::{
    aligned::AlignedBytes,
    boards::Board,
    image, models, release, setup,
    shell::{root, target},
};

const CHARS: usize = 200;

/// The emulator with its script, in target/pico.
fn emulator() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = target().join("pico");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::read(source.join("package-lock.json")).unwrap();
    for name in ["package.json", "package-lock.json", "emulate.js"] {
        fs::copy(source.join(name), folder.join(name)).unwrap();
    }
    let complete = folder.join("complete");
    if fs::read(&complete).is_ok_and(|installed| installed == lock) {
        return folder;
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut install = Command::new(npm);
    let status = install
        .args(["ci", "--silent"])
        .current_dir(&folder)
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{install:?}");
    fs::write(complete, lock).unwrap();
    folder
}

/// The Pico after its boot ROM has taken this file: the text and the lines that it sends are those of a board with
/// this model, and with the letter of the host.
fn run(uf2: &[u8], path: &Path) {
    let board = Board::parse("pico").unwrap();
    let size = board.flash.size.0 as usize;
    let flash = flash_of_rp2040(uf2, board.memory.code.start, size, 0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flash");
    fs::write(&file, flash).unwrap();

    let flash = AlignedBytes::new(&fs::read(path).unwrap());
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let banner = format!(
        "# model {}, {}, checksum {:08x}; type :help\r\n",
        model.name(),
        model.format(),
        model.checksum()
    );
    let mut node = Command::new("node");
    node.arg("emulate.js").arg(&file).current_dir(emulator());
    // A banner greets whoever connects, at the start of a line.
    node.args([&*(banner.len() + CHARS).to_string(), ":selftest"]);
    node.args(["selftest PASS", ":info", "speed 0"]);
    let output = node.output().unwrap();
    let sent = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}{sent}");

    let text = sent
        .strip_prefix(&banner)
        .unwrap_or_else(|| panic!("found {sent}"));
    let (text, console) = text.split_once("\r\n> :selftest").unwrap();
    let text = text.replace("\r\n", "\n");
    assert!(text.len() >= CHARS);
    assert_same_text(&text, &host_text(&model, text.chars().count()));
    let golden = format!("digest {:08x}: right\r\n", model.golden().unwrap());
    assert!(console.contains(&golden), "{console}");
    assert!(console.contains("\r\n# selftest PASS\r\n"), "{console}");
    let room = board.memory.model_copy.map_or(0, |copy| copy.0 as usize);
    let is_copied = flash.bytes().len() <= room;
    let tells = console.contains("runs from a copy in RAM");
    assert_eq!(tells, is_copied, "{console}");
}

#[test]
fn a_pico_writes_the_text_of_the_host_and_passes_its_selftest() {
    if let Err(missing) = setup::check_node() {
        println!("not run: {missing:#}");
        return;
    }
    let board = Board::parse("pico").unwrap();
    let model = root().join("models/cifg-96-int4.lstm");
    let image = image::build(board, Some(&board_firmware(board)), &model).unwrap();
    run(&image.encode(board.image.format), &model);
}

#[test]
#[ignore = "emulates a large model for minutes"]
fn the_released_images_of_the_pico_do_so_too() {
    setup::check_node().unwrap();
    let (board, folder) = (Board::parse("pico").unwrap(), tempfile::tempdir().unwrap());
    release::make(&[release::Part::Images], &[board], folder.path()).unwrap();
    let mut started = 0;
    for model in models::shipped().unwrap() {
        let image = folder
            .path()
            .join(release::image_name(board, &model.path()));
        if image.exists() {
            run(&fs::read(image).unwrap(), &model.path());
            started += 1;
        }
    }
    assert_eq!(started, 2);
}
