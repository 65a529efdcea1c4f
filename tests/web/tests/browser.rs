//! The page in a real browser, by Playwright and `browser.py`: it writes what the desk writes, and a state moves
//! between them.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cross_tests::{assert_same_text, host_text, host_trainer};
use flash_image::{Image, Place, Segment};
use lstm_core::Model;
use serde_json::{Value, json};
use web_tests::modules;
use xtask::{
    aligned::AlignedBytes,
    boards::Board,
    models,
    pypi::environment,
    setup,
    shell::{root, target},
    web::write_page,
};

const PACKAGE: &str = "playwright==1.56.0";
/// Of each text.
const CHARACTERS: usize = 600;

/// Installs Playwright from PyPI, without its browsers, into target/playwright.
fn python() -> PathBuf {
    environment("playwright", &[PACKAGE]).unwrap()
}

/// What `browser.py` has seen.
fn drive(request: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser.py");
    let mut child = Command::new(python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(request.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "browser.py: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `host-trainer generate` writes with a shipped model.
fn generate(model: &Path, arguments: &[&str]) -> String {
    let mut generate = Command::new(host_trainer());
    let output = generate
        .arg("generate")
        .arg(model)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A shipped model.
fn path(name: &str) -> PathBuf {
    root().join(format!("models/{name}.lstm"))
}

fn text<'s>(seen: &'s Value, what: &str) -> &'s str {
    seen[what]
        .as_str()
        .unwrap_or_else(|| panic!("no {what} in {seen}"))
}

fn number(seen: &Value, what: &str) -> i64 {
    seen[what]
        .as_i64()
        .unwrap_or_else(|| panic!("no {what} in {seen}"))
}

/// Where the model of a Pico lies, and an image as a release has it.
fn release(model: &[u8]) -> (Place, Vec<u8>) {
    let board = Board::parse("pico").unwrap();
    let place = Place {
        format: board.image.format,
        start: board.memory.code.start,
        model: board.memory.model.start,
        room: board.memory.model.size.0,
    };
    let segment = |address, bytes| Segment { address, bytes };
    let firmware = segment(place.start, vec![0x5a; 3001]);
    let image = Image::new(vec![firmware, segment(place.model, model.to_vec())]);
    (place, image.unwrap().encode(place.format))
}

#[test]
#[ignore = "installs Playwright from PyPI, and needs Chromium; cargo xtask test --full runs it"]
fn the_page_writes_refuses_and_moves_states_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let page = file("index.html");
    write_page(&modules().unwrap(), &page).unwrap();
    let pictures = target().join("pictures");
    fs::create_dir_all(&pictures).unwrap();

    let verse = path("verse-384");
    let flash = AlignedBytes::new(&fs::read(&verse).unwrap());
    let model = Model::from_bytes(flash.bytes()).unwrap();
    let mut damaged = AlignedBytes::new(flash.bytes());
    damaged.bytes_mut()[100_000] ^= 1;
    let refused = Model::from_bytes(damaged.bytes()).unwrap_err();
    fs::write(file("damaged.lstm"), damaged.bytes()).unwrap();
    let small = fs::read(path("cifg-96-int4")).unwrap();
    fs::write(file("dropped.lstm"), &small).unwrap();
    let length = CHARACTERS.to_string();
    let [desk, from_page] = [file("desk"), file("page")].map(|path| path.display().to_string());
    generate(&verse, &["--length", "321", "--save-state", &desk]);

    let (place, image) = release(&small);
    fs::write(file("sonnets-0.2.0-pico-cifg-96-int4.uf2"), &image).unwrap();
    fs::write(file("poem.uf2"), "a poem").unwrap();

    let seen = drive(&json!({
        "browser": setup::check_browser().unwrap(),
        "page": format!("file://{}", page.display()),
        "damaged": file("damaged.lstm"),
        "model": file("dropped.lstm"),
        "state": fs::read_to_string(&desk).unwrap().trim(),
        "image": file("sonnets-0.2.0-pico-cifg-96-int4.uf2"),
        "no_image": file("poem.uf2"),
        "made": file("made.uf2"),
        "characters": CHARACTERS,
        "pictures": pictures,
    }));
    assert_eq!(seen["errors"], json!([]));

    // It starts paused where no motion is wanted.
    assert_eq!(number(&seen, "starts_with"), 1);
    assert_same_text(text(&seen, "text"), &host_text(&model, CHARACTERS));
    let golden = format!("digest {:08x}: right", model.golden().unwrap());
    assert!(
        text(&seen, "golden").ends_with(&golden),
        "{}",
        seen["golden"]
    );
    assert_eq!(text(&seen, "selftest"), "# selftest PASS");
    let mut names: Vec<_> = models::shipped()
        .unwrap()
        .into_iter()
        .map(|model| model.name)
        .collect();
    names.sort_by_key(|name| (name != "verse-384", name.clone()));
    assert_eq!(seen["models"], json!(names));

    assert!(
        text(&seen, "found").contains("correlation"),
        "{}",
        seen["found"]
    );
    assert!(number(&seen, "colored") > 100);
    assert_eq!(
        (number(&seen, "looked_at"), number(&seen, "not_looked_at")),
        (1, 0)
    );
    assert!(
        text(&seen, "unit").parse::<u32>().is_ok(),
        "{}",
        seen["unit"]
    );
    assert_eq!(text(&seen, "temperature"), "# temperature 0.85");

    assert_eq!(text(&seen, "refused"), format!("# damaged.lstm: {refused}"));
    assert_eq!(number(&seen, "lines"), 1);
    assert_eq!(seen["runs_on"], json!(true));
    let dropped = AlignedBytes::new(&small);
    let dropped = Model::from_bytes(dropped.bytes()).unwrap();
    assert_same_text(text(&seen, "dropped"), &host_text(&dropped, CHARACTERS));

    assert_eq!(
        text(&seen, "loaded"),
        "# state loaded: after 321 characters"
    );
    let expected = generate(&verse, &["--state", &desk, "--length", &length]);
    assert_same_text(text(&seen, "from_desk"), &expected[..CHARACTERS]);
    fs::write(&from_page, text(&seen, "saved")).unwrap();
    let expected = generate(&verse, &["--state", &from_page, "--length", &length]);
    assert_same_text(text(&seen, "after_save"), &expected[..CHARACTERS]);
    assert!(text(&seen, "not_loaded").starts_with("# state not loaded: the snapshot"));
    assert_same_text(text(&seen, "page_after_board"), text(&seen, "board"));

    assert_eq!(text(&seen, "made"), "verse-384-pico.uf2");
    let made = place.replace(&image, flash.bytes()).unwrap();
    assert!(fs::read(file("made.uf2")).unwrap() == made.encode(place.format));
    let told = text(&seen, "made_told");
    assert!(
        told.starts_with("verse-384-pico.uf2: ") && told.contains("BOOTSEL"),
        "{told}"
    );
    assert_eq!(
        text(&seen, "not_made"),
        "poem.uf2: found 6 bytes, expected a multiple of 512, the bytes of a block of UF2"
    );

    for picture in seen["pictures"].as_array().unwrap() {
        assert!(
            fs::metadata(text(picture, "path")).unwrap().len() > 20_000,
            "{picture}"
        );
        assert_eq!(number(picture, "too_wide"), 0, "{picture}");
        assert_ne!(picture["paper"], picture["ink"]);
        assert!(text(picture, "found").contains("correlation"), "{picture}");
        for colors in picture["colors"].as_array().unwrap() {
            assert!(colors.as_i64().unwrap() > 20, "{picture}");
        }
    }
    // Light and dark.
    assert_ne!(seen["pictures"][0]["paper"], seen["pictures"][1]["paper"]);
}
