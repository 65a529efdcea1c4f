//! `generate --state` and `--save-state`, through the real binary.

use host_trainer::model::file::Generator;
use host_trainer::model::file::{HeapWorkspace, ModelFile};
use lstm_core::{Golden, Sampler};
use std::path::Path;
use std::process::{Command, Output};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/cifg-96.lstm");
const OTHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/cifg-256.lstm");

fn generate(folder: &Path, model: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host-trainer"));
    command.args(["generate", model]).args(arguments);
    command.current_dir(folder).output().unwrap()
}

/// What it writes, without the line end after it.
fn text(folder: &Path, arguments: &[&str]) -> String {
    let output = generate(folder, MODEL, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {error}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.strip_suffix('\n').unwrap().to_owned()
}

#[test]
fn a_saved_state_goes_on_to_the_same_text() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for mode in [&[][..], &["--window", "40"]] {
        let with = |arguments: &[&str]| text(folder, &[arguments, mode].concat());
        let settings = ["--seed", "7", "--temperature", "0.9", "--top-k", "12"];
        let prompt = ["--prompt", "shall i "];
        let whole = with(&[&settings[..], &prompt, &["--length", "300"]].concat());
        let save = ["--length", "100", "--save-state", "mind"];
        let first = with(&[&settings[..], &prompt, &save].concat());
        // The prompt is shown too.
        let end = prompt[1].len() + 100;
        assert_eq!(first, whole[..end]);

        let rest = ["--length", "200", "--state"];
        assert_eq!(with(&[&rest[..], &["mind"]].concat()), whole[end..]);
        let line = std::fs::read_to_string(folder.join("mind")).unwrap();
        assert!(line.starts_with(":load ") && line.ends_with('\n'));
        assert_eq!(with(&[&rest[..], &[&line]].concat()), whole[end..]);
        // What is asked for comes first.
        let other = with(&[&rest[..], &["mind", "--seed", "8"]].concat());
        assert_ne!(other, whole[end..]);
        let primed = with(&[&rest[..], &["mind", "--prompt", "o"]].concat());
        assert_ne!(primed[1..], whole[end..][..200]);
    }
}

#[test]
fn a_state_that_cannot_be_used_is_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    text(folder, &["--length", "9", "--save-state", "mind"]);
    let line = std::fs::read_to_string(folder.join("mind")).unwrap();
    let bytes = (line.len() - ":load \n".len()) * 3 / 4;
    let damaged = line.replacen(
        &line[60..62],
        if &line[60..62] == "AB" { "BA" } else { "AB" },
        1,
    );
    std::fs::write(folder.join("binary"), [0xff, 0xfe]).unwrap();
    let other = generate(folder, OTHER, &["--length", "9", "--save-state", "other"]);
    assert!(other.status.success());
    for (state, expected) in [
        (
            "nothing.txt",
            "the snapshot holds the byte 2e, expected only",
        ),
        ("", &*format!("the snapshot has 0 bytes, expected {bytes}")),
        (&*damaged, "the snapshot is damaged"),
        (
            &line[..":load ".len() + 200],
            &*format!("the snapshot has 150 bytes, expected {bytes}"),
        ),
        ("other", "the snapshot is of model "),
        ("binary", "cannot read binary"),
    ] {
        let arguments = ["--state", state, "--save-state", "new"];
        let output = generate(folder, MODEL, &arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{state}: {error}");
        assert!(error.contains(expected), "{state}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(output.stdout.is_empty());
        assert!(!folder.join("new").exists());
    }
}

#[test]
fn shipped_models_hold_the_digest_of_their_golden_text() {
    let folder = Path::new(MODEL).parent().unwrap();
    let paths = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.extension().is_some_and(|e| e == "lstm")) {
        let file = ModelFile::load(&path).unwrap();
        let model = file.model().unwrap();
        let mut workspace = HeapWorkspace::new(&model);
        let session = workspace.session(&model).unwrap();
        let mut generator = Generator::with_room(session, Sampler::new(7)).unwrap();
        let digest = Golden::digest(&mut generator);
        assert_eq!(model.golden(), Some(digest), "{}", path.display());
    }
}
