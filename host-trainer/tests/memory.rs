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
        "another memory than the network's",
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
