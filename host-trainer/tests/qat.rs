//! `quantize --qat` through the real binary.

mod binary;

use binary::{printed, refuses, run, trainer};
use host_trainer::alphabet::Alphabet;
use host_trainer::network::{LayerConfig, Network, NetworkConfig};
use host_trainer::random::Random;
use std::fmt::Write;
use std::io::{BufRead, BufReader};

/// A folder with a text, and a network that knows nothing of it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for line in 0..300 {
        writeln!(text, "line {} is not line {}", line % 7, line % 5).unwrap();
    }
    std::fs::write(folder.path().join("text.txt"), text).unwrap();
    std::fs::write(folder.path().join("short.txt"), "short").unwrap();
    let mut config = NetworkConfig::lstm(&Alphabet::letters(), 8, 24, 1);
    config.layers = vec![LayerConfig::lean(20, 12)];
    let network = Network::new(config, &mut Random::new(2)).unwrap();
    network.save(&folder.path().join("n.safetensors")).unwrap();
    folder
}

/// The number after `word`.
fn after(text: &str, word: &str) -> f64 {
    let (_, rest) = text.split_once(word).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn tuning_learns_and_its_threads_change_no_bit() {
    let folder = folder();
    let folder = folder.path();
    for format in ["int8", "int4"] {
        let tune = |threads: usize| {
            let line = format!(
                "quantize n.safetensors --format {format} --qat --corpus text.txt --teacher 0 \
                 --epochs 6 --batch 8 --learning-rate 1e-2 --threads {threads} --out q.safetensors"
            );
            let text = printed(folder, &line);
            (text, std::fs::read(folder.join("q.safetensors")).unwrap())
        };
        let ((text, one), (_, two)) = (tune(1), tune(2));
        assert!(one == two, "{format}");
        let (start, best) = (
            after(&text, "rounded only: validation "),
            after(&text, "best: validation "),
        );
        assert!(best < start - 0.5, "{text}");
        // What is written is what was scored.
        let _ = std::fs::remove_file(folder.join("q.lstm"));
        printed(folder, "export q.safetensors --out q.lstm");
        let scored = printed(
            folder,
            "evaluate q.lstm --corpus text.txt --split validation",
        );
        assert!(scored.contains(&format!("{best:.4}")), "{scored} {text}");
    }
}

/// A network that is run by windows is tuned by windows: what it says before the end of one counts for
/// nothing.
#[test]
fn windows_are_tuned_as_they_are_run() {
    let folder = folder();
    let folder = folder.path();
    let mut network = Network::load(&folder.join("n.safetensors")).unwrap();
    network.config.window = Some(12);
    network.save(&folder.join("n.safetensors")).unwrap();
    let line = "quantize n.safetensors --qat --corpus text.txt --teacher 0 --epochs 1 --batch 16 \
                --learning-rate 1e-2 --out q.safetensors";
    let text = printed(folder, line);
    assert!(!text.contains("long enough"), "{text}");
    let (start, best) = (
        after(&text, "rounded only: validation "),
        after(&text, "best: validation "),
    );
    assert!(best < start - 0.5, "{text}");
    printed(folder, "export q.safetensors --out q.lstm");
    let scored = |flags: &str| {
        let line = format!("evaluate q.lstm --corpus text.txt --split validation {flags}");
        printed(folder, &line)
    };
    assert!(scored("").contains(&format!("{best:.4}")), "{text}");
    assert!(scored("--window 12").contains(&format!("{best:.4}")));
    assert!(!scored("--window 0").contains(&format!("{best:.4}")));
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_the_best_so_far() {
    use std::process::{Command, Stdio};
    let folder = folder();
    let folder = folder.path();
    let line = "quantize n.safetensors --qat --corpus text.txt --epochs 1e6 --batch 8 --teacher 0 \
                --learning-rate 1e-2 --out q.safetensors";
    let mut command = trainer(folder, line);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut best = f64::INFINITY;
    let first = lines.next().unwrap().unwrap();
    assert_eq!(first, "fine-tuning on the training part of text.txt");
    // Half a pass that is better than rounding alone.
    loop {
        let text = lines.next().unwrap().unwrap();
        best = best.min(after(&text, "validation "));
        if text.contains('*') {
            break;
        }
    }
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    for text in lines {
        best = best.min(after(&text.unwrap(), "validation "));
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.contains("q.safetensors has the best so far"),
        "{stderr}"
    );
    assert_eq!(after(&stderr, "validation "), best, "{stderr}");
    printed(folder, "export q.safetensors --out q.lstm");
    let scored = printed(
        folder,
        "evaluate q.lstm --corpus text.txt --split validation",
    );
    assert!(scored.contains(&format!("{best:.4}")), "{scored} {stderr}");
}

#[test]
fn a_text_too_short_for_the_batch_is_told() {
    let folder = folder();
    let line = "quantize n.safetensors --qat --corpus text.txt --batch 999 --epochs 0.1 --out q";
    let text = printed(folder.path(), line);
    let told = text.lines().nth(1).unwrap();
    let start = "the training part of text.txt is long enough for ";
    let rows = told.strip_prefix(start).unwrap();
    assert!(rows.ends_with(" rows a batch, not for 999"), "{text}");
}

#[test]
fn what_is_not_finite_ends_the_tuning() {
    let folder = folder();
    let folder = folder.path();
    let line = "quantize n.safetensors --qat --corpus text.txt --batch 8 --learning-rate 1e8 \
                --out q.safetensors";
    let output = run(folder, line);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("found a gradient norm of"), "{stderr}");
    // Rounding alone was the best, and is there.
    printed(folder, "export q.safetensors --out q.lstm");
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let folder = folder();
    let folder = folder.path();
    for (flags, expected) in [
        ("--qat --epochs 0", "found --epochs 0, expected"),
        ("--qat --epochs nan", "found --epochs NaN, expected"),
        (
            "--qat --epochs 1e10",
            "found --epochs 10000000000, expected a number above 0 and below 1e9",
        ),
        ("--qat --learning-rate=-1", "found --learning-rate -1"),
        (
            "--qat --teacher 1.5",
            "found --teacher 1.5, expected 0 to 1",
        ),
        ("--qat --batch 0", "found --batch 0, expected 1 to 4096"),
        ("--qat --threads 0", "found --threads 0, expected 1 to 256"),
        ("--qat --corpus none.txt", "none.txt"),
        ("--qat --corpus short.txt", "expected at least 65"),
        (
            "--qat --pretrain short.txt",
            "found 5 characters in short.txt",
        ),
        ("--epochs 3", "--qat"),
    ] {
        let corpus = match flags.contains("--corpus") || flags == "--epochs 3" {
            true => "",
            false => "--corpus text.txt",
        };
        let line = format!("quantize n.safetensors {flags} {corpus} --out q.safetensors");
        refuses(folder, &line, expected);
        assert!(!folder.join("q.safetensors").exists(), "{flags}");
    }
    assert!(
        !run(folder, "quantize none.safetensors --qat --out q")
            .status
            .success()
    );
}
