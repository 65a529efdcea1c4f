//! Networks with a memory of what they read, through the real binary.

mod binary;

use binary::{printed, refuses};
use std::path::Path;

/// The sonnets as corpus: twice as long a text as the rest of these tests need. Its first half is read before.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/sonnets.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, corpus) = text.split_at(text.len() / 2);
    std::fs::write(folder.path().join("before.txt"), before).unwrap();
    std::fs::write(folder.path().join("corpus.txt"), corpus).unwrap();
    folder
}

const TRAIN: &str = "train --recipe recall --corpus corpus.txt --pretrain before.txt --pretrain-epochs 1 --epochs 2 \
                     --hidden 24 --projection 16 --embedding 8 --memory 60000";

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

/// Bits per character on the validation part, as `evaluate` prints them.
fn validation(folder: &Path, file: &str) -> f64 {
    let line = format!("evaluate {file} --corpus corpus.txt --split validation");
    let text = printed(folder, &line);
    let row = text.lines().find(|line| line.starts_with("validation"));
    let cell = row.unwrap().split_whitespace().nth(2);
    cell.unwrap().parse().unwrap()
}

#[test]
fn a_memory_goes_from_the_text_to_the_chip() {
    let folder = folder();
    let folder = folder.path();
    printed(folder, &format!("{TRAIN} --threads 1 --out r"));
    printed(folder, &format!("{TRAIN} --threads 3 --out again"));
    for file in ["final.safetensors", "best.safetensors", "samples.txt"] {
        assert!(
            bytes(folder, &format!("r/{file}")) == bytes(folder, &format!("again/{file}")),
            "{file}"
        );
    }
    printed(
        folder,
        &format!("{TRAIN} --memory 0 --out plain").replacen(" --memory 60000", "", 1),
    );
    let float = validation(folder, "r/best.safetensors");
    let plain = validation(folder, "plain/best.safetensors");
    assert!(float < plain - 0.3, "{float} {plain}");

    for format in ["int8", "int4"] {
        let rounded = format!("quantize r/best.safetensors --format {format} --out q.safetensors");
        printed(folder, &rounded);
        let tuned =
            "--qat --pretrain before.txt --corpus corpus.txt --epochs 2 --out t.safetensors";
        printed(
            folder,
            &format!("quantize r/best.safetensors --format {format} {tuned}"),
        );
        printed(folder, "export t.safetensors --out m.lstm");
        let [rounded, tuned, model] =
            ["q.safetensors", "t.safetensors", "m.lstm"].map(|file| validation(folder, file));
        assert!((float - rounded).abs() < 0.1, "{format} {float} {rounded}");
        assert!(
            tuned <= rounded && tuned == model,
            "{format} {tuned} {model}"
        );
        let told = printed(folder, "inspect m.lstm");
        assert!(
            told.contains("bytes of vectors") && told.contains("back-off"),
            "{told}"
        );
        assert!(bytes(folder, "m.lstm").len() < 60_000 + 8_000);
        let text = printed(folder, "generate m.lstm --length 50 --seed 2");
        assert_eq!(
            printed(folder, "generate m.lstm --length 50 --seed 2"),
            text
        );
    }

    printed(folder, "report r");
    let page = String::from_utf8(bytes(folder, "r/report.html")).unwrap();
    for expected in [
        "Memory",
        "without the vectors",
        "runs of 16 characters",
        "private text",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    printed(folder, "budget m.lstm");
}

/// A network without a memory, and one with another, can teach one that has a memory.
#[test]
fn several_networks_teach_one() {
    let folder = folder();
    let folder = folder.path();
    printed(folder, &format!("{TRAIN} --out r"));
    let large = TRAIN
        .replace("60000", "120000")
        .replace("--projection 16", "--projection 20");
    printed(folder, &format!("{large} --out large"));
    let plain = TRAIN
        .replace("60000", "0")
        .replace("--hidden 24", "--hidden 30");
    printed(folder, &format!("{plain} --out plain"));
    let tune = |flags: &str| {
        let line = format!(
            "quantize r/best.safetensors --qat --pretrain before.txt --corpus corpus.txt --epochs 1 --teacher 1 {flags} --out t.safetensors"
        );
        let text = printed(folder, &line);
        (text, bytes(folder, "t.safetensors"))
    };
    let ensemble = "--ensemble large/best.safetensors --ensemble plain/best.safetensors";
    let (alone, own) = tune("");
    let (taught, one) = tune(&format!("{ensemble} --threads 1"));
    let (_, two) = tune(&format!("{ensemble} --threads 2"));
    assert!(one == two && one != own);
    // What it has to learn is more than what its own rounding lost.
    let divergence = |text: &str| -> f64 {
        let (_, rest) = text.split_once("from the teacher ").unwrap();
        rest.split([',', ' ']).next().unwrap().parse().unwrap()
    };
    assert!(
        divergence(&taught) > 2.0 * divergence(&alone),
        "{taught} {alone}"
    );
}

#[test]
fn what_a_memory_cannot_is_one_line() {
    let folder = folder();
    let folder = folder.path();
    refuses(
        folder,
        &TRAIN
            .replace("60000", "900")
            .replacen("train", "train --out r", 1),
        "a back-off table",
    );
    printed(folder, &format!("{TRAIN} --out r"));
    printed(
        folder,
        "train --corpus corpus.txt --hidden 8 --epochs 1 --out plain",
    );
    refuses(
        folder,
        "quantize plain/best.safetensors --qat --corpus corpus.txt --ensemble r/best.safetensors --out q.safetensors",
        "corpus.txt give another memory than r/best.safetensors has",
    );
    refuses(
        folder,
        "export r/best.safetensors --format f32 --out m.lstm",
        "a memory is in integers",
    );
    refuses(
        folder,
        "train --from r/best.safetensors --corpus corpus.txt --out s",
        "has a memory",
    );
    refuses(
        folder,
        "quantize r/best.safetensors --qat --corpus corpus.txt --out q.safetensors",
        "another memory than the network has",
    );
    let mut damaged = bytes(folder, "r/best.safetensors");
    let length = damaged.len();
    damaged.truncate(length - 1);
    std::fs::write(folder.join("d.safetensors"), damaged).unwrap();
    refuses(
        folder,
        "evaluate d.safetensors --corpus corpus.txt",
        "d.safetensors",
    );
}
