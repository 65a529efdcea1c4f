//! The WebAssembly module of the page: it writes what the host writes, refuses what the host refuses, and
//! shows the network as it is.

use std::fs;

use cross_tests::{assert_same_text, host_text, shipped};
use flash_image::{Image, Place, Segment};
use lstm_core::{Generator, Model, Sampler, Session, WorkspaceSlices};
use web_tests::{Page, modules, replace};
use xtask::{
    aligned::AlignedBytes,
    boards::{Board, all},
    shell::root,
};

/// The most bytes of the module, before compression.
const MOST: u64 = 76 * 1024;

/// A shipped model.
fn file(name: &str) -> Vec<u8> {
    fs::read(root().join(format!("models/{name}.lstm"))).unwrap()
}

fn open(file: &[u8]) -> Page {
    let page = Page::open(file).unwrap_or_else(|error| panic!("{error:#}"));
    page.unwrap_or_else(|refused| panic!("refused: {refused}"))
}

/// The remarks in what a console has said.
fn remarks(said: &str) -> Vec<&str> {
    said.lines()
        .filter_map(|line| line.strip_prefix("# "))
        .collect()
}

#[test]
fn the_module_is_small() {
    let bytes = fs::metadata(modules().unwrap().engine).unwrap().len();
    assert!(
        bytes <= MOST,
        "found {bytes} bytes, expected at most {MOST}"
    );
}

#[test]
fn every_shipped_model_writes_the_text_of_the_host_and_its_golden_text() {
    for path in shipped() {
        let flash = AlignedBytes::new(&fs::read(&path).unwrap());
        let model = Model::from_bytes(flash.bytes()).unwrap();
        let mut page = open(flash.bytes());
        assert_same_text(&page.write(300).unwrap(), &host_text(&model, 300));
        let (said, _) = page.line(":selftest").unwrap();
        let golden = format!("digest {:08x}: right", model.golden().unwrap());
        assert!(said.contains(&golden), "{}: {said}", path.display());
        assert_eq!(remarks(&said).last(), Some(&"selftest PASS"), "{said}");
        let rest = &host_text(&model, 400)[host_text(&model, 300).len()..];
        assert_same_text(&page.write(100).unwrap(), rest);
    }
}

#[test]
fn a_damaged_model_is_refused_in_the_words_of_the_engine() {
    let whole = file("cifg-96");
    let mut damaged = vec![whole[..100].to_vec(), b"a poem".to_vec(), Vec::new()];
    for at in [0, 4, 9, 20, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        damaged.push(bytes);
    }
    for bytes in damaged {
        let flash = AlignedBytes::new(&bytes);
        let expected = Model::from_bytes(flash.bytes()).unwrap_err().to_string();
        // The page is built without models that read values.
        let expected = expected.replace("version 1 to 3", "version 1 to 2");
        let refused = Page::open(&bytes).unwrap().err();
        assert_eq!(refused.as_deref(), Some(&*expected));
        assert!(!expected.contains('\n'));
    }
}

#[test]
fn a_state_moves_to_another_page_and_a_damaged_one_changes_nothing() {
    let flash = AlignedBytes::new(&file("verse-384"));
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let expected = host_text(&model, 500);
    let mut page = open(flash.bytes());
    let first = page.write(200).unwrap();
    let (said, _) = page.line(":save").unwrap();
    let state = said
        .lines()
        .find(|line| line.starts_with(":load "))
        .unwrap();

    let mut other = open(flash.bytes());
    other.write(33).unwrap();
    let mut damaged = state.to_owned();
    damaged.replace_range(50..51, if &state[50..51] == "A" { "B" } else { "A" });
    let (said, _) = other.line(&damaged).unwrap();
    let refused =
        "state not loaded: the snapshot is damaged: its checksum or a value in it is wrong";
    assert_eq!(remarks(&said), [refused]);
    assert_same_text(&other.write(33).unwrap(), &expected[33..66]);

    let (said, _) = other.line(state).unwrap();
    assert_eq!(remarks(&said), ["state loaded: after 200 characters"]);
    assert_same_text(&(first + &other.write(300).unwrap()), &expected);
}

#[test]
fn the_page_sees_the_state_and_the_choices_of_the_network() {
    let flash = AlignedBytes::new(&file("verse-384-int4"));
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let mut words = vec![0; model.workspace_words()];
    let mut logits = vec![0; model.alphabet().len()];
    let session = Session::new(model, WorkspaceSlices::new(&mut words, &mut logits)).unwrap();
    let sampler = Sampler::new(1).with_temperature(0.8).unwrap();
    let mut generator = Generator::<_>::new(session, sampler).unwrap();
    generator.prime(model.alphabet().encode('\n'));
    let mut page = open(flash.bytes());
    assert_eq!(
        page.bytes("symbols").unwrap(),
        model.alphabet().symbols().as_bytes()
    );
    assert_eq!(page.bytes("shape").unwrap(), b"CIFG 384 96\n");
    let name = format!("int4 {:08x} verse-384-int4", model.checksum());
    assert_eq!(page.bytes("name").unwrap(), name.as_bytes());
    for _ in 0..100 {
        page.write(1).unwrap();
        generator.next_token();
        let weights = page.bytes("weights").unwrap();
        let weights = weights
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| u32::from_le_bytes(bytes));
        assert_eq!(weights.collect::<Vec<_>>(), generator.weights().unwrap());

        let mut state = vec![0; generator.session().state_bytes()];
        generator.session().save(&mut state).unwrap();
        let (hidden, cell_state) = state.split_at(96);
        let hidden = hidden.iter().map(|&h| f32::from(h as i8) / 16.0);
        let cell_state = cell_state.as_chunks().0.iter();
        let cell_state = cell_state.map(|&c| f32::from(i16::from_le_bytes(c)) / 2048.0);
        let expected = hidden.chain(cell_state).map(|value| 127.0 * value.tanh());
        let units = page.bytes("units").unwrap();
        assert_eq!(units.len(), 96 + 384);
        for (unit, expected) in units.into_iter().zip(expected) {
            assert!(
                (f32::from(unit as i8) - expected).abs() <= 1.0,
                "{unit} {expected}"
            );
        }
    }
}

#[test]
fn the_page_sees_what_is_read_and_how_the_console_is_set() {
    let mut page = open(&file("verse-384"));
    let (said, read) = page.line("Shall I ").unwrap();
    assert_eq!(said, "> Shall I ");
    assert_eq!(read, "Shall I ");
    // The end of the line before, which two lines of a pasted text have between them.
    assert_eq!(page.line("compare").unwrap().1, "\ncompare");

    for line in [
        ":temp 0.5",
        ":topk 7",
        ":topp 0.9",
        ":seed 18446744073709551615",
        ":speed 12",
    ] {
        let (said, _) = page.line(line).unwrap();
        assert_eq!(remarks(&said).len(), 1, "{said}");
    }
    assert_eq!(page.call::<_, f32>("temperature", ()).unwrap(), 0.5);
    assert_eq!(page.call::<_, u32>("top_k", ()).unwrap(), 7);
    assert_eq!(page.call::<_, f32>("top_p", ()).unwrap(), 0.9);
    assert_eq!(page.call::<_, u64>("seed", ()).unwrap(), u64::MAX);
    assert_eq!(page.call::<_, u32>("speed", ()).unwrap(), 12);
    for (key, is_paused) in [(0x13, 1), (0x11, 0)] {
        page.key(key).unwrap();
        assert_eq!(page.call::<_, u32>("is_paused", ()).unwrap(), is_paused);
    }
}

/// Where the model of a board lies.
fn place(board: &Board) -> Place {
    Place {
        format: board.image.format,
        start: board.memory.code.start,
        model: board.memory.model.start,
        room: board.memory.model.size.0,
    }
}

#[test]
fn a_model_comes_into_an_image_as_on_the_desk() {
    let [first, second] = ["cifg-96-int4", "sonnets-64-int4"].map(file);
    let boards = all().iter().filter(|board| board.flashing.is_some());
    let mut tried = 0;
    for board in boards.filter(|board| board.image.firmware) {
        let place = place(board);
        let firmware = Segment {
            address: place.start,
            bytes: vec![0x5a; 3001],
        };
        let model = Segment {
            address: place.model,
            bytes: first.clone(),
        };
        let image = Image::new(vec![firmware, model]).unwrap();
        let image = image.encode(place.format);
        for image in [&image[..], &image[..image.len() / 2 + 7], b"no image"] {
            let expected = place.replace(image, &second);
            let expected = expected.map(|image| image.encode(place.format));
            let expected = expected.map_err(|error| error.to_string());
            let found = replace(&place, image, &second).unwrap();
            assert!(found == expected, "{}: {:?}", board.name, found.err());
        }
        tried += 1;
    }
    assert!(tried >= 8, "{tried}");
}
