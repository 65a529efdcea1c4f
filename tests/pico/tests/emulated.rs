//! The image of a Pico, flashed as its boot ROM flashes it, in an emulator of the RP2040 (rp2040js, from npm): it
//! is a serial port on USB, writes the text of the host, and passes `:selftest`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cross_tests::{Flash, assert_same_text, board_firmware, flash_of_rp2040, host_text};
use lstm_core::Model;
use xtask::{
    boards::Board,
    image, setup,
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

#[test]
fn a_pico_writes_the_text_of_the_host_and_passes_its_selftest() {
    if let Err(missing) = setup::check_node() {
        println!("not run: {missing:#}");
        return;
    }
    let board = Board::parse("pico").unwrap();
    let path = root().join("models/cifg-96-int4.lstm");
    let image = image::build(board, Some(&board_firmware(board)), &path).unwrap();
    let uf2 = image.encode(board.image.format).unwrap();
    let flash = flash_of_rp2040(
        &uf2,
        board.memory.code.start,
        board.flash.size.0 as usize,
        0,
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flash");
    fs::write(&file, flash).unwrap();

    let flash = Flash::new(&fs::read(&path).unwrap());
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let banner = format!(
        "# model cifg-96-int4, int4, checksum {:08x}; type :help\r\n",
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
    assert!(console.contains("runs from a copy in RAM"), "{console}");
}
