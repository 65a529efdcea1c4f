//! A network knows the text that it was trained on.

mod binary;

use binary::{SMALL, folder, printed, refuses, run, text};
use std::path::Path;

/// Trains a small network in `r`, and writes it in each form.
fn trained() -> tempfile::TempDir {
    let folder = folder();
    let path = folder.path();
    printed(path, &format!("train {SMALL} --epochs 2 --out r"));
    printed(path, "quantize r/best.safetensors --out q.safetensors");
    printed(path, "export q.safetensors --out m.lstm");
    folder
}

const FORMS: [&str; 3] = ["r/best.safetensors", "q.safetensors", "m.lstm"];

#[test]
fn every_form_of_a_network_is_scored_on_its_text() {
    let folder = trained();
    let path = folder.path();
    for form in FORMS {
        let known = printed(path, &format!("evaluate {form} --split test"));
        let told = "good.txt, which it was trained on, state carried\n";
        assert!(known.starts_with(told), "{known}");
        let named = printed(
            path,
            &format!("evaluate {form} --split test --corpus good.txt"),
        );
        assert_eq!(
            known.split_once('\n').unwrap().1,
            named.split_once('\n').unwrap().1
        );
        let json = printed(path, &format!("evaluate {form} --json"));
        assert!(json.contains("\"corpus\":\"good.txt\""), "{json}");
    }
    let description = std::fs::read_to_string(path.join("m.txt")).unwrap();
    for expected in [
        "\ntrained on     good.txt, its validation and test part held out\ntext hash      ",
        "\nbits per character on good.txt, state carried\n",
    ] {
        assert!(description.contains(expected), "{description}");
    }
    let tuned = "quantize r/best.safetensors --qat --epochs 0.1 --batch-size 4 --out t.safetensors";
    let tuned = printed(path, tuned);
    assert!(
        tuned.contains("good.txt, which it was trained on\n"),
        "{tuned}"
    );
    printed(path, "evaluate t.safetensors");
    // Trained on all of it.
    let line =
        format!("train {SMALL} --recipe many-to-many --epochs 1 --sequence-length 9 --out n");
    printed(path, &line);
    let told = printed(path, "evaluate n/final.safetensors --split test");
    let expected = "good.txt, all three parts of which it was trained on, ";
    assert!(told.starts_with(expected), "{told}");
}

/// The same, with a text that is no longer there, or no longer the same.
fn asks(path: &Path, found: &str) {
    for form in FORMS {
        refuses(path, &format!("evaluate {form}"), found);
    }
    let line = "quantize r/best.safetensors --qat --out t.safetensors";
    refuses(path, line, found);
    refuses(path, "report r", found);
    assert!(!path.join("t.safetensors").exists());
    let told = printed(path, "export q.safetensors --out again.lstm");
    assert!(
        told.contains("note: not scored: ") && told.contains(found),
        "{told}"
    );
}

#[test]
fn a_text_that_moved_or_changed_is_asked_for() {
    let folder = trained();
    let path = folder.path();
    std::fs::rename(path.join("good.txt"), path.join("moved.txt")).unwrap();
    asks(path, "found no good.txt, on which ");
    std::fs::write(path.join("good.txt"), text(401)).unwrap();
    asks(path, "good.txt has changed since ");
    for line in [
        "evaluate m.lstm --corpus moved.txt",
        "report r --corpus moved.txt",
        "quantize r/best.safetensors --qat --epochs 0.1 --batch-size 4 --corpus moved.txt --out t.safetensors",
    ] {
        printed(path, line);
    }
}

#[test]
fn an_unknown_text_is_asked_for() {
    let folder = folder();
    let path = folder.path();
    // What a network of an earlier version, or an imported one, is.
    printed(path, &format!("train {SMALL} --epochs 1 --out r"));
    let file = std::fs::read(path.join("r/best.safetensors")).unwrap();
    let mut network =
        host_trainer::network::parameters::Network::from_bytes(Path::new("n"), &file).unwrap();
    network.config.corpus = None;
    network.save(&path.join("n.safetensors")).unwrap();
    let expected = "does not say on which text it was trained, expected --corpus FILE";
    refuses(path, "evaluate n.safetensors", expected);
    refuses(
        path,
        "quantize n.safetensors --qat --out q.safetensors",
        expected,
    );
    let told = printed(path, "export n.safetensors --out m.lstm");
    assert!(told.contains(expected), "{told}");
    refuses(path, "evaluate m.lstm", expected);
    refuses(
        path,
        "budget --alphabet text",
        "found --alphabet text and no text, expected --corpus FILE",
    );
    let named = run(path, "evaluate m.lstm --corpus good.txt");
    assert!(named.status.success());
}

#[test]
fn a_text_is_never_taken_for_an_output() {
    let folder = trained();
    let path = folder.path();
    let expected = "which is read, expected another file";
    for line in [
        "export q.safetensors --out good.txt",
        "quantize r/best.safetensors --qat --out good.txt",
        "report r --out good.txt",
        "report r r --out good.txt",
    ] {
        refuses(path, line, expected);
    }
    let found = std::fs::read_to_string(path.join("good.txt")).unwrap();
    assert_eq!(found, text(400));
}
