//! Networks that read values, from data to the chip, through the real binary.

mod binary;

use binary::{printed, refuses, run, signal, trainer};
use std::f32::consts::TAU;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Sequences of two channels: a wave of one of two frequencies at any phase, and noise of its own.
fn waves(first: usize, count: usize) -> String {
    let mut text = "sequence,class,wave,other\n".to_owned();
    for sequence in first..first + count {
        let (class, per_step) = [("slow", 0.04), ("fast", 0.12)][sequence % 2];
        let phase = (sequence * 37 % 101) as f32 / 101.0;
        for step in 0..30 {
            let wave = (TAU * (phase + per_step * step as f32)).sin() * 3.0 + 7.0;
            let other = ((sequence * 31 + step * 17) % 23) as f32 / 23.0;
            writeln!(text, "{sequence},{class},{wave:.4},{other:.4}").unwrap();
        }
    }
    text
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train.csv"), waves(0, 60)).unwrap();
    std::fs::write(folder.path().join("test.csv"), waves(1000, 40)).unwrap();
    folder
}

const TRAIN: &str = "train --data train.csv --hidden 8 --learning-rate 0.02";

/// A figure of `evaluate --json`.
fn figure(folder: &Path, line: &str, name: &str) -> f64 {
    let text = printed(folder, &format!("{line} --json"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["score"][name].as_f64().unwrap()
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn classes_go_from_data_to_the_chip() {
    let folder = folder();
    let folder = folder.path();
    for cell in ["gru", "lstm", "cifg --projection 5"] {
        printed(
            folder,
            &format!("{TRAIN} --epochs 50 --cell {cell} --out r --force"),
        );
        let float = "evaluate r/best.safetensors --data test.csv";
        let float = figure(folder, float, "accuracy");
        assert!(float >= 0.9, "{cell}: {float}");
        for format in ["int8", "int4"] {
            let quantize = "quantize r/best.safetensors --data train.csv --out m.lstm --format";
            printed(folder, &format!("{quantize} {format}"));
            let integers = figure(folder, "evaluate m.lstm --data test.csv", "accuracy");
            assert!(
                integers >= float - 0.1,
                "{cell} {format}: {integers} {float}"
            );
        }
        let told = printed(folder, "inspect m.lstm");
        for expected in ["2 values a step: wave, other", "2 classes: fast, slow"] {
            assert!(told.contains(expected), "{told}");
        }
    }
    let metrics = std::fs::read_to_string(folder.join("r/metrics.csv")).unwrap();
    let header = "phase,update,epoch,steps,seconds,learning_rate,train_nats,validation_bits_per_answer,average_bits_per_answer\n";
    assert!(metrics.starts_with(header), "{metrics}");
    let tuned = "quantize r/best.safetensors --data train.csv --qat --epochs 3 --learning-rate 1e-3 --format int4";
    printed(folder, &format!("{tuned} --out t.lstm"));
    let accuracy = figure(folder, "evaluate t.lstm --data test.csv", "accuracy");
    assert!(accuracy >= 0.9, "{accuracy}");
    printed(
        folder,
        "export r/best.safetensors --format f32 --out f.lstm",
    );
    assert_eq!(
        figure(folder, "evaluate f.lstm --data test.csv", "accuracy"),
        figure(
            folder,
            "evaluate r/best.safetensors --data test.csv",
            "accuracy"
        )
    );
}

#[test]
fn a_fine_tuning_is_never_worse_than_its_start() {
    let folder = folder();
    let folder = folder.path();
    printed(folder, &format!("{TRAIN} --epochs 50 --out r"));
    let quantize = "quantize r/best.safetensors --data train.csv --format int8";
    printed(folder, &format!("{quantize} --out rounded.lstm"));
    printed(
        folder,
        &format!("{quantize} --qat --epochs 2 --learning-rate 3 --out rounded.lstm"),
    );
    // Of the same name, for a model has that of its file.
    let start = bytes(folder, "rounded.lstm");
    printed(folder, &format!("{quantize} --out rounded.lstm"));
    assert!(start == bytes(folder, "rounded.lstm"));
}

#[test]
fn the_next_values_are_told_better_than_by_the_last() {
    let folder = folder();
    let folder = folder.path();
    let waves: String = waves(0, 60)
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            format!("{},{}\n", fields[0], fields[2])
        })
        .collect();
    // What the error is where each value is told to be that of the step before.
    let values = |line: &str| -> (String, f64) {
        let (sequence, value) = line.split_once(',').unwrap();
        (sequence.to_owned(), value.parse().unwrap())
    };
    let steps: Vec<(String, f64)> = waves.lines().skip(1).map(values).collect();
    let pairs = steps.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    let squares: Vec<f64> = pairs.map(|pair| (pair[1].1 - pair[0].1).powi(2)).collect();
    let repeating = squares.iter().sum::<f64>() / squares.len() as f64;
    std::fs::write(folder.join("wave.csv"), waves).unwrap();
    printed(
        folder,
        "train --data wave.csv --task next --hidden 8 --dense 6 --epochs 25 --learning-rate 0.02 --out r",
    );
    let float = figure(
        folder,
        "evaluate r/best.safetensors --data wave.csv --next",
        "mse",
    );
    printed(
        folder,
        "quantize r/best.safetensors --data wave.csv --out m.lstm",
    );
    let integers = figure(folder, "evaluate m.lstm --data wave.csv --next", "mse");
    assert!(float < repeating / 2.0, "{float} {repeating}");
    assert!(integers < 1.1 * float + 0.01, "{integers} {float}");
    // Data that tell classes too.
    let without_last = |line: &str| line.rsplit_once(',').unwrap().0.to_owned() + "\n";
    let with_classes: String = self::waves(0, 60).lines().map(without_last).collect();
    std::fs::write(folder.join("classes.csv"), with_classes).unwrap();
    let tune = "quantize r/best.safetensors --data classes.csv --qat --epochs 1 --out q.lstm";
    refuses(
        folder,
        tune,
        "found data with 2 classes, expected 1 values (or --next)",
    );
    printed(folder, &format!("{tune} --next"));
    let tuned = figure(folder, "evaluate q.lstm --data wave.csv --next", "mse");
    assert!(tuned < 1.1 * float + 0.01, "{tuned} {float}");
}

#[test]
fn what_a_run_tells_is_of_steps_and_answers() {
    let folder = folder();
    let folder = folder.path();
    printed(folder, &format!("{TRAIN} --epochs 2 --out r"));
    let metrics = std::fs::read_to_string(folder.join("r/metrics.csv")).unwrap();
    let read: Vec<&str> = metrics
        .lines()
        .skip(1)
        .map(|row| row.split(',').nth(3).unwrap())
        .collect();
    // 48 sequences of 30 steps: of each class every fifth is held out.
    assert_eq!(read, ["1440", "2880"]);
    let wild = "train --data train.csv --hidden 8 --learning-rate 100 --epochs 4 --out w";
    let told = String::from_utf8(run(folder, wild).stdout).unwrap();
    let expected = "bits an answer is far above the 1.00 of guessing among 2 classes";
    assert!(told.contains(expected), "{told}");
    let expected = "r: found a run on data among several, expected runs on texts";
    refuses(folder, "report r r", expected);
    let zone =
        "quantize r/best.safetensors --data train.csv --format int8 --dead-zone 20 --out m.lstm";
    refuses(
        folder,
        zone,
        "found --dead-zone 20 with int8, expected it with --format int4 alone",
    );
}

#[test]
fn a_stopped_run_goes_on_to_the_identical_files() {
    let folder = folder();
    let folder = folder.path();
    let line = format!("{TRAIN} --epochs 150");
    printed(folder, &format!("{line} --threads 1 --out whole"));
    let mut child = trainer(
        folder,
        &format!("{line} --threads 2 --checkpoint-every 0 --out cut"),
    )
    .stdout(std::process::Stdio::null())
    .spawn()
    .unwrap();
    let rows =
        || std::fs::read_to_string(folder.join("cut/metrics.csv")).map_or(0, |t| t.lines().count());
    while rows() < 20 {
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "-KILL");
    assert!(!child.wait().unwrap().success());
    printed(folder, "train --resume --out cut");
    for file in ["best.safetensors", "final.safetensors", "config.json"] {
        let (whole, cut) = (format!("whole/{file}"), format!("cut/{file}"));
        assert!(bytes(folder, &whole) == bytes(folder, &cut), "{file}");
    }
    printed(folder, "train --config whole/config.toml --out again");
    let (whole, again) = ("whole/best.safetensors", "again/best.safetensors");
    assert!(bytes(folder, whole) == bytes(folder, again));
}

#[test]
fn what_cannot_be_used_is_one_line() {
    let folder = folder();
    let folder = folder.path();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    for (text, expected) in [
        ("", "found 0 columns of channels"),
        ("a,b\n1,x\n", "found \"x\" in line 2, expected a number"),
        ("a,b\n1\n", "line: 2"),
        ("a\n1\nnan\n", "found NaN in sequence 0"),
        (
            "sequence,class,a\n1,x,1\n1,y,2\n",
            "found class \"y\" in line 3, expected \"x\"",
        ),
        ("class,target,a\nx,1,1\n", "expected one of both"),
        ("a\n", "found no sequence"),
        ("sequence,class,a\n1,x,1\n2,y,2\n", "expected at least 5"),
    ] {
        write("bad.csv", text);
        refuses(folder, "train --data bad.csv --out r", expected);
    }
    write("bad.npz", "PK\x03\x04 no archive");
    refuses(folder, "train --data bad.npz --out r", "damaged zip file");
    refuses(
        folder,
        "train --data train.csv --task regress --out r",
        "found no values to be told",
    );
    refuses(
        folder,
        "train --data train.csv --memory 9 --out r",
        "found --memory with --data",
    );
    refuses(
        folder,
        "train --task next --out r",
        "found --task without --data",
    );
    assert!(!folder.join("r").exists());
    printed(
        folder,
        "train --data train.csv --hidden 8 --epochs 1 --out s",
    );
    let network = "s/best.safetensors";
    refuses(
        folder,
        &format!("quantize {network} --out q.lstm"),
        "expected --data FILE",
    );
    refuses(
        folder,
        &format!("quantize {network} --data train.csv --out q.safetensors"),
        "ends in .lstm",
    );
    write("three.csv", "sequence,class,a,b,c\n1,x,1,2,3\n");
    refuses(
        folder,
        &format!("quantize {network} --data three.csv --out q.lstm"),
        "found 3 channels, expected 2",
    );
    refuses(
        folder,
        &format!("evaluate {network} --data three.csv"),
        "found data of 3 channels, expected 2",
    );
    write("others.csv", "sequence,class,a,b\n1,x,1,2\n");
    refuses(
        folder,
        &format!("evaluate {network} --data others.csv"),
        "found classes x, expected those of the network: fast, slow",
    );
    refuses(
        folder,
        &format!("export {network} --out q.lstm"),
        "expected --format f32",
    );
    refuses(folder, &format!("generate {network}"), "reads values");
    refuses(folder, &format!("evaluate {network}"), "reads values");
    assert!(!folder.join("q.lstm").exists());
}

/// An array of NumPy's `.npy` format, of numbers of a byte each.
fn array(shape: &str, numbers: &[i8]) -> Vec<u8> {
    let header = format!("{{'descr': '|i1', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(numbers.iter().map(|&x| x as u8));
    bytes
}

fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(format!("{name}.npy"), options).unwrap();
        std::io::Write::write_all(&mut archive, bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// With `--qat` and without, data that cannot be used is refused before anything is written.
#[test]
fn data_that_does_not_fit_a_network_is_not_quantized_by() {
    let folder = folder();
    let folder = folder.path();
    printed(
        folder,
        "train --data train.csv --hidden 8 --epochs 1 --out s",
    );
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    let x = ("x", array("5, 2, 2", &[1; 20]));
    let y = |numbers: &[i8]| npz(&[x.clone(), ("y", array("5,", numbers))]);
    write("empty.csv", b"");
    write("names.csv", b"sequence,class,a,b\n");
    write("one.csv", b"sequence,class,a\n1,slow,1\n");
    write("nan.csv", b"sequence,class,a,b\n1,slow,1,2\n2,fast,nan,2\n");
    write("infinite.csv", b"sequence,class,a,b\n1,slow,1,-inf\n");
    write("short.csv", b"sequence,class,a,b\n1,slow,1\n");
    write("text.csv", b"sequence,class,a,b\n1,slow,1,high\n");
    write("empty.npz", &npz(&[]));
    write("cut.npz", &y(&[0; 5])[..200]);
    write("three.npz", &npz(&[("x", array("5, 2, 3", &[1; 30]))]));
    write(
        "none.npz",
        &npz(&[("x", array("0, 9000000000000000000, 2", &[]))]),
    );
    write("below.npz", &y(&[0, 1, 0, 1, -1]));
    let listed = binary::listing(folder);
    let unusable = [
        ("nowhere.csv", "cannot read nowhere.csv"),
        ("s", "cannot read s"),
        (
            "empty.csv",
            "found 0 columns of channels, expected 1 to 256",
        ),
        ("names.csv", "found no sequence, expected at least one"),
        ("one.csv", "found 1 channels, expected 2"),
        (
            "nan.csv",
            "found NaN in sequence 1, expected finite numbers",
        ),
        (
            "infinite.csv",
            "found -inf in sequence 0, expected finite numbers",
        ),
        (
            "short.csv",
            "found record with 3 fields, but the previous record has 4 fields",
        ),
        ("text.csv", "found \"high\" in line 2, expected a number"),
        ("empty.npz", "found no array x, expected values of shape"),
        ("cut.npz", "found a damaged zip file"),
        ("three.npz", "found 3 channels, expected 2"),
        ("none.npz", "expected at least one sequence and one step"),
        ("below.npz", "found class -1 in array y, expected 0 to 255"),
    ];
    for (data, expected) in unusable {
        for qat in ["", "--qat"] {
            let line = format!("quantize s/best.safetensors --data {data} --out q.lstm {qat}");
            refuses(folder, &line, expected);
        }
    }
    for (flag, expected) in [
        (
            "--pretrain train.csv",
            "found --corpus, --pretrain or --ensemble for a network that reads values",
        ),
        (
            "--next",
            "found a network that gives classes, expected one that gives values for --next",
        ),
    ] {
        let line =
            format!("quantize s/best.safetensors --data train.csv --qat {flag} --out q.lstm");
        refuses(folder, &line, expected);
    }
    assert_eq!(binary::listing(folder), listed);
    // Only what is learned has to be told by the network; for ranges the values alone matter.
    write("third.npz", &y(&[0, 1, 0, 1, 2]));
    write(
        "other.csv",
        b"sequence,class,a,b\n1,slow,1,2\n2,still,1,2\n",
    );
    let listed = binary::listing(folder);
    for (data, expected) in [
        (
            "third.npz",
            "found classes 0, 1, 2, expected those of the network: fast, slow",
        ),
        (
            "other.csv",
            "found classes slow, still, expected those of the network: fast, slow",
        ),
    ] {
        let line = format!("quantize s/best.safetensors --data {data} --out q.lstm --qat");
        refuses(folder, &line, expected);
    }
    assert_eq!(binary::listing(folder), listed);
}
