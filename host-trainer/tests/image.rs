//! `image` through the real binary.

mod binary;

use std::fs;

use binary::{listing, printed, refuses};
use flash_image::{Format, Image, Segment};
use host_trainer::hardware::boards::{BOARDS, Board, Flash};
use host_trainer::model::encode::encode_zeros;
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::text::alphabet::Alphabet;

/// A model of so many units.
fn model(hidden: usize) -> Vec<u8> {
    let layer = LayerConfig::lstm(hidden);
    let config = NetworkConfig::stack(&Alphabet::letters(), 8, layer, 1);
    encode_zeros(&config, lstm_core::Format::Int4).unwrap()
}

fn segment(address: u32, bytes: Vec<u8>) -> Segment {
    Segment { address, bytes }
}

/// What stands in the place of a firmware: of two parts, which end on no round address.
fn firmware(flash: &Flash) -> Vec<Segment> {
    let bytes = |len: u32| (0..len).map(|i| ((i * i) >> 3) as u8).collect();
    vec![
        segment(flash.start, bytes(5003)),
        segment(flash.start + 6001, bytes(1001)),
    ]
}

/// The image of a release.
fn image(flash: &Flash, model: &[u8]) -> Vec<u8> {
    let mut segments = firmware(flash);
    segments.push(segment(flash.model, model.to_vec()));
    Image::new(segments).unwrap().encode(flash.format)
}

fn boards() -> impl Iterator<Item = (&'static Board, Flash)> {
    let boards = BOARDS.iter();
    boards.filter_map(|board| Some((board, board.flash?)))
}

fn path_of(name: &str, flash: &Flash) -> String {
    format!("{name}.{}", flash.format)
}

/// As if the release had been made with it: not a byte of the longer model is left.
#[test]
fn a_model_takes_the_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let [long, short] = [model(40), model(7)];
    fs::write(path.join("mine.lstm"), &short).unwrap();
    let mut tried = Vec::new();
    for (board, flash) in boards().filter(|(_, flash)| flash.has_firmware) {
        let name = board.name;
        let into = path_of("release", &flash);
        fs::write(path.join(&into), image(&flash, &long)).unwrap();
        let line = format!("image mine.lstm --board {name} --into {into}");
        let told = printed(path, &line);
        let out = path_of(&format!("mine-{name}"), &flash);
        assert!(told.starts_with(&format!("wrote {out} (")), "{told}");
        assert!(told.contains("next: ") && !told.contains('`'), "{told}");
        let found = fs::read(path.join(&out)).unwrap();
        assert!(found == image(&flash, &short), "{name}");
        // And back, from what was written.
        fs::write(path.join("long.lstm"), &long).unwrap();
        let back = path_of("back", &flash);
        let line = format!("-q image long.lstm --board {name} --into {out} --out {back}");
        assert_eq!(printed(path, &line).lines().count(), 1);
        let found = fs::read(path.join(&back)).unwrap();
        assert!(found == image(&flash, &long), "{name}");
        let told: serde_json::Value =
            serde_json::from_str(&printed(path, &format!("{line} --json"))).unwrap();
        assert_eq!(told["out"], back);
        assert_eq!(
            (told["bytes"].clone(), told["start"].clone()),
            (found.len().into(), flash.start.into())
        );
        tried.push(flash.format.to_string());
    }
    for format in ["hex", "bin", "uf2"] {
        assert!(tried.iter().any(|tried| tried == format), "{format}");
    }
}

#[test]
fn a_model_alone_is_an_image_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mine = model(7);
    fs::write(path.join("mine.lstm"), &mine).unwrap();
    for (board, flash) in boards() {
        let out = path_of("alone", &flash);
        let name = board.name;
        let told = printed(path, &format!("image mine.lstm --board {name} --out {out}"));
        let is_erased = matches!(name, "microbit" | "microbit-sensors" | "microbit-v2");
        assert!(
            !is_erased || told.contains("note: it has no firmware: do not copy it"),
            "{told}"
        );
        let image = Image::new(vec![segment(flash.model, mine.clone())]).unwrap();
        let found = fs::read(path.join(&out)).unwrap();
        assert!(found == image.encode(flash.format), "{name}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let write = |name: &str, bytes: &[u8]| fs::write(path.join(name), bytes).unwrap();
    let [small, large] = [model(7), model(300)];
    write("mine.lstm", &small);
    write("large.lstm", &large);
    write("damaged.lstm", &small[..small.len() - 1]);
    let sensors = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../models/sensors/motions-gru.lstm"
    );
    write("sensors.lstm", &fs::read(sensors).unwrap());
    let flash = |name: &str| Board::with_flash(name).unwrap().1;
    let [microbit, v2, pico] = ["microbit", "microbit-v2", "pico"].map(flash);
    let release = image(&microbit, &small);
    write("m.hex", &release);
    write("cut.hex", &release[..release.len() / 2]);
    let mut changed = release.clone();
    changed[release.len() / 2] ^= 1;
    write("changed.hex", &changed);
    write("v2.hex", &image(&v2, &small));
    write("p.uf2", &image(&pico, &small));
    let alone = Image::new(vec![segment(microbit.model, small.clone())]).unwrap();
    write("alone.hex", &alone.encode(Format::Hex));
    let mut long = firmware(&microbit);
    long.push(segment(microbit.model, small.clone()));
    let room = BOARDS
        .iter()
        .find(|board| board.name == "microbit")
        .unwrap();
    let end = microbit.model + room.model_room as u32;
    long.push(segment(end, vec![1; 40]));
    write("longer.hex", &Image::new(long).unwrap().encode(Format::Hex));
    let before = listing(path);
    for (line, expected) in [
        (
            "mine.lstm --board nano",
            "found the board nano, expected one of bluepill, esp32c3, feather-rp2040, microbit, ",
        ),
        // Emulated only.
        ("mine.lstm --board mps2-an386", "found the board mps2-an386"),
        ("mine.lstm", "--board <NAME>"),
        ("none.lstm --board pico", "cannot read none.lstm"),
        ("damaged.lstm --board pico", "damaged.lstm: "),
        (
            "large.lstm --board bluepill",
            "found a model that bluepill does not run: flash lacks ",
        ),
        (
            "sensors.lstm --board microbit --into m.hex",
            "found a model that microbit does not run: its firmware lacks sensor",
        ),
        (
            "mine.lstm --board microbit --into none.hex",
            "cannot read none.hex",
        ),
        ("mine.lstm --board microbit --into cut.hex", "cut.hex: "),
        (
            "mine.lstm --board microbit --into changed.hex",
            "is none of Intel hex: ",
        ),
        (
            "mine.lstm --board microbit --into v2.hex",
            "expected the image of a release for this board",
        ),
        (
            "mine.lstm --board microbit --into alone.hex",
            "found an image with a model alone, expected one with the firmware of the board",
        ),
        (
            "mine.lstm --board microbit --into p.uf2",
            "p.uf2: found bytes that are no text, expected lines of Intel hex",
        ),
        (
            "mine.lstm --board pico2 --into p.uf2",
            "p.uf2: found UF2 for the chips of family 0xe48bff56, expected ",
        ),
        (
            "mine.lstm --board pico --into m.hex",
            "expected a multiple of 512, the bytes of a block of UF2",
        ),
        (
            "mine.lstm --board esp32c3 --into m.hex",
            "found --into, expected none: an image of esp32c3 has a model alone",
        ),
        (
            "mine.lstm --board pico --out mine.hex",
            "found --out mine.hex, expected a name that ends in .uf2, which pico takes",
        ),
        (
            "mine.lstm --board microbit --into m.hex --out m.hex",
            "found --out m.hex, which is read, expected another file",
        ),
    ] {
        refuses(path, &format!("image {line}"), expected);
        assert_eq!(listing(path), before, "{line}");
    }
    // What lies after the model's flash is none of it, and stays.
    printed(
        path,
        "image mine.lstm --board microbit --into longer.hex --out kept.hex",
    );
    let kept = fs::read(path.join("kept.hex")).unwrap();
    assert!(kept == fs::read(path.join("longer.hex")).unwrap());
}
