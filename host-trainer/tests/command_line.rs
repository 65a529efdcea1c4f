//! The real binary: bad input, and a whole small run.

mod binary;

use binary::{run, text};
use host_trainer::alphabet::Alphabet;
use host_trainer::export::{Labels, encode_f32};
use host_trainer::network::{LayerConfig, Network, NetworkConfig};
use host_trainer::random::Random;
use std::path::Path;

/// Every file and folder below `folder`.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(listing(&path));
        }
        found.push(path.display().to_string());
    }
    found.sort();
    found
}

/// A folder with the files that the bad commands name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("good.txt", text(400).as_bytes());
    write("empty.txt", b"");
    write("latin1.txt", b"caf\xe9 au lait");
    write("short.txt", b"shorter than one window");
    write("forty.txt", "a".repeat(40).as_bytes());
    write("same.txt", "a".repeat(4000).as_bytes());
    let many: String = ('\u{4e00}'..).take(300).collect();
    write("many.txt", many.as_bytes());
    write("notes.safetensors", b"this is no network");
    std::fs::create_dir(folder.path().join("taken")).unwrap();
    folder
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let cases = [
        ("train --corpus missing.txt", "cannot read missing.txt"),
        ("train --corpus taken", "cannot read taken"),
        ("train --corpus empty.txt", "empty.txt is empty"),
        (
            "train --corpus latin1.txt",
            "not UTF-8: found byte 0xe9 at offset 3",
        ),
        (
            "train --corpus short.txt",
            "20 characters in its training part, expected at least 65",
        ),
        (
            "train --corpus short.txt --recipe many-to-one",
            "23 characters, expected at least 41",
        ),
        (
            "train --corpus forty.txt --recipe many-to-many",
            "40 characters, expected at least 41",
        ),
        (
            "train --corpus many.txt --alphabet text",
            "300 different characters, expected 2 to 256",
        ),
        (
            "train --corpus good.txt --alphabet runes",
            "invalid value 'runes'",
        ),
        (
            "train --corpus good.txt --recipe haiku",
            "found recipe \"haiku\", expected one of many-to-one",
        ),
        (
            "train --corpus good.txt --recipe best",
            "found no --pretrain FILE",
        ),
        (
            "train --corpus good.txt --recipe micro",
            "found no --pretrain FILE, expected one with --recipe micro",
        ),
        (
            "train --corpus good.txt --cell gru",
            "invalid value 'gru' for '--cell <CELL>' [possible values: lstm, lean]",
        ),
        (
            "train --corpus good.txt --hidden 8 --projection 9",
            "found a projection of 8 units to 9, expected 1 to 8",
        ),
        (
            "train --corpus good.txt --recipe best --pretrain missing.txt",
            "cannot read missing.txt",
        ),
        (
            "train --corpus good.txt --recipe best --pretrain empty.txt",
            "empty.txt is empty",
        ),
        (
            "train --corpus good.txt --recipe best --pretrain short.txt",
            "23 characters, expected at least 41",
        ),
        (
            "train --corpus good.txt --pretrain good.txt",
            "expected it with best, small or micro only",
        ),
        (
            "train --corpus good.txt --hidden 0",
            "found hidden size 0, expected 1 to 4096",
        ),
        (
            "train --corpus good.txt --embedding 9999",
            "found embedding size 9999",
        ),
        (
            "train --corpus good.txt --layers 5",
            "found 5 layers, expected 1 to 4",
        ),
        (
            "train --corpus good.txt --batch 0",
            "found --batch 0, expected 1 to 4096",
        ),
        (
            "train --corpus good.txt --threads 0",
            "found --threads 0, expected 1 to 256",
        ),
        (
            "train --corpus good.txt --epochs=-1",
            "found --epochs -1, expected a number above 0",
        ),
        (
            "train --corpus good.txt --embedding-rate 0",
            "found --embedding-rate 0",
        ),
        (
            "train --corpus good.txt --learning-rate NaN",
            "found --learning-rate NaN",
        ),
        ("train --corpus good.txt --minutes 0", "found --minutes 0"),
        ("train --corpus good.txt --minutes=-1", "found --minutes -1"),
        (
            "train --corpus same.txt --alphabet text",
            "1 different characters, expected 2 to 256",
        ),
        (
            "train --corpus good.txt --hidden 4097",
            "found hidden size 4097, expected 1 to 4096",
        ),
        (
            "train --corpus good.txt --batch 4097",
            "found --batch 4097, expected 1 to 4096",
        ),
        (
            "train --corpus good.txt --threads 257",
            "found --threads 257, expected 1 to 256",
        ),
        (
            "train --corpus good.txt --layers 0",
            "found 0 layers, expected 1 to 4",
        ),
        (
            "train --corpus good.txt --hidden many",
            "invalid value 'many'",
        ),
        ("train --corpus good.txt --seed=-1", "invalid value '-1'"),
        (
            "train --corpus good.txt --clip=-1",
            "found --clip -1, expected 0 or above",
        ),
        ("train --corpus good.txt --clip inf", "found --clip inf"),
        (
            "train --corpus good.txt --weight-decay 1",
            "found --weight-decay 1, expected 0 to below 1",
        ),
        (
            "train --corpus good.txt --token-dropout 1",
            "found --token-dropout 1, expected 0 to below 1",
        ),
        (
            "train --corpus good.txt --drop-connect=-0.5",
            "found --drop-connect -0.5, expected 0 to below 1",
        ),
        (
            "train --corpus good.txt --ema 1",
            "found --ema 1, expected 0 to below 1",
        ),
        (
            "train --corpus good.txt --ema NaN",
            "found --ema NaN, expected 0 to below 1",
        ),
        (
            "train --corpus good.txt --floor 1.5",
            "found --floor 1.5, expected 0 to 1",
        ),
        (
            "train --corpus good.txt --schedule linear",
            "invalid value 'linear'",
        ),
        (
            "train --corpus good.txt --schedule constant --warm-up 5",
            "found --warm-up or --floor with a constant learning rate",
        ),
        (
            "train --corpus good.txt --recipe many-to-many --floor 0.5",
            "expected --schedule cosine",
        ),
        (
            "train --corpus good.txt --patience=-1",
            "invalid value '-1'",
        ),
        (
            "train --corpus good.txt --report-every 0",
            "found --report-every 0, expected at least 1",
        ),
        (
            "train --corpus good.txt --checkpoint-every=-1",
            "found --checkpoint-every -1, expected 0 seconds or more",
        ),
        (
            "train --resume --epochs 9 --out taken",
            "'--resume' cannot be used with '--epochs <N>'",
        ),
        (
            "train --resume --config x.toml --out taken",
            "cannot be used with",
        ),
        (
            "train --corpus good.txt --out taken",
            "taken exists, expected a new folder",
        ),
        (
            "train --corpus good.txt --out good.txt --force",
            "good.txt exists",
        ),
        ("train --resume --out nowhere", "cannot read nowhere"),
        ("train --resume --out taken", "cannot read taken"),
        ("train --resume --force --out taken", "cannot be used with"),
        (
            "train --corpus good.txt --colour red",
            "unexpected argument '--colour'",
        ),
        ("evaluate", "required arguments were not provided: <FILE>"),
        ("evaluate notes.safetensors --window 0", "found --window 0"),
        (
            "evaluate missing.safetensors",
            "cannot read missing.safetensors",
        ),
        (
            "evaluate notes.safetensors",
            "expected a safetensors file of this trainer",
        ),
        (
            "evaluate good.txt",
            "expected a safetensors file of this trainer",
        ),
        ("compose", "unrecognized subcommand 'compose'"),
        ("", "requires a subcommand"),
    ];
    let folder = folder();
    let before = listing(folder.path());
    for (line, expected) in cases {
        let output = run(folder.path(), line);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {stderr}");
        assert!(
            stderr.starts_with("error: ") && stderr.contains(expected),
            "{line}: {stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
        assert!(output.stdout.is_empty(), "{line}");
        assert_eq!(
            listing(folder.path()),
            before,
            "{line} left something behind"
        );
    }
}

const SMALL: &str = "train --corpus good.txt --hidden 12 --embedding 6 --batch 4 --threads 1";

#[test]
fn a_small_run_learns_and_its_network_scores() {
    let folder = folder();
    let output = run(
        folder.path(),
        &format!("{SMALL} --epochs 120 --alphabet text"),
    );
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(stdout.contains("bits/char"), "{stdout}");
    let files = listing(&folder.path().join("runs/sonnets-12"));
    let mut names: Vec<&str> = files
        .iter()
        .map(|f| f.rsplit('/').next().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            ".lock",
            "best.safetensors",
            "checkpoint.safetensors",
            "config.json",
            "config.toml",
            "curve.svg",
            "final.safetensors",
            "metrics.csv",
            "metrics.jsonl",
            "samples.txt"
        ]
    );
    let line = "evaluate runs/sonnets-12/best.safetensors --corpus good.txt --split validation";
    let output = run(folder.path(), line);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let row = stdout.lines().last().unwrap();
    let bits: f64 = row.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!(bits < 3.0, "{stdout}");
    // The same folder again is refused, and with --force is trained anew.
    assert_eq!(run(folder.path(), SMALL).status.code(), Some(2));
    let again = format!("{SMALL} --epochs 1 --force --layers 2");
    assert!(run(folder.path(), &again).status.success());
}

#[test]
fn a_corpus_of_one_letter_becomes_a_model() {
    let folder = folder();
    let succeed = |line: &str| binary::printed(folder.path(), line);
    let sizes = "--hidden 12 --embedding 6 --batch 4 --threads 1 --epochs 20";
    succeed(&format!("train --corpus same.txt {sizes} --out r"));
    succeed("report r");
    for format in ["f32", "int8", "int4"] {
        succeed(&format!(
            "export r/best.safetensors --format {format} --out m.lstm"
        ));
        let written = succeed("generate m.lstm --temperature 0 --length 20 --prompt aaaa");
        assert_eq!(written, "a".repeat(20) + "\n");
    }
}

#[test]
fn files_of_another_run_are_refused() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let train = |flags: &str, out: &str| {
        let line = format!("{SMALL} --epochs 1 --out {out} {flags}");
        binary::printed(folder.path(), &line);
    };
    train("", "a");
    train("--layers 2", "b");
    let refuse = |line: &str, expected: &str| binary::refuses(folder.path(), line, expected);
    refuse(
        "train --resume --out a --hidden 99",
        "a: found a run of sonnets with LSTM 12, expected sonnets with LSTM 99 as the flags say",
    );
    refuse(
        "train --resume --out a --recipe best",
        "found a run of sonnets with LSTM 12, expected best with LSTM 12",
    );
    refuse(
        "evaluate a/checkpoint.safetensors --corpus good.txt",
        "found no \"network\" in the metadata, expected",
    );
    let checkpoint = std::fs::read(path("a/checkpoint.safetensors")).unwrap();
    std::fs::copy(
        path("b/checkpoint.safetensors"),
        path("a/checkpoint.safetensors"),
    )
    .unwrap();
    refuse(
        "train --resume --out a",
        "a: found a checkpoint of another run, expected one of config.json",
    );
    std::fs::write(path("a/checkpoint.safetensors"), &checkpoint[..9000]).unwrap();
    refuse(
        "train --resume --out a",
        "found 9000 bytes that do not parse",
    );
    std::fs::write(path("a/checkpoint.safetensors"), &checkpoint).unwrap();
    std::fs::write(path("a/samples.txt"), "").unwrap();
    refuse(
        "train --resume --out a",
        "samples.txt has 0 bytes, expected",
    );
    std::fs::write(path("b/config.json"), "{\"recipe\": \"haiku\"}").unwrap();
    refuse(
        "train --resume --out b",
        "b/config.json: unknown variant `haiku`",
    );
}

#[test]
fn every_recipe_runs() {
    let folder = folder();
    for recipe in [
        "many-to-one",
        "many-to-many",
        "best --pretrain good.txt --pretrain-epochs 1",
        "small --pretrain good.txt --pretrain-epochs 1 --projection 5",
        "micro --pretrain good.txt --pretrain-epochs 1 --projection 0 --cell lstm",
        "sonnets --cell lean --projection 4 --layers 3",
    ] {
        let output = run(
            folder.path(),
            &format!("{SMALL} --epochs 1 --recipe {recipe}"),
        );
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{recipe}: {stderr}");
    }
}

#[test]
fn a_network_of_either_cell_becomes_a_model_in_every_format() {
    let folder = folder();
    let succeed = |line: &str| {
        let output = run(folder.path(), line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    };
    let refuse = |line: &str, expected: &str| {
        let output = run(folder.path(), line);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {stderr}");
        assert!(stderr.contains(expected), "{line}: {stderr}");
    };
    let bits = |file: &str| -> f64 {
        let line = format!("evaluate {file} --corpus good.txt --split train");
        let table = succeed(&line);
        let row = table.lines().last().unwrap();
        row.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    for (name, flags, described) in [
        ("lstm", "", "LSTM 12, dense 27"),
        (
            "lean",
            "--cell lean --hidden 18 --projection 5",
            "lean 18 projected to 5, dense 27",
        ),
    ] {
        let settings = "--corpus good.txt --embedding 6 --batch 4 --threads 1 --epochs 60";
        let hidden = if flags.is_empty() { "--hidden 12" } else { "" };
        succeed(&format!("train {settings} {hidden} {flags} --out {name}"));
        let network = format!("{name}/best.safetensors");
        let float = bits(&network);
        for (format, loss) in [("f32", 0.001), ("int8", 0.03), ("int4", 0.3)] {
            let model = format!("{name}-{format}.lstm");
            succeed(&format!("export {network} --format {format} --out {model}"));
            let inspected = succeed(&format!("inspect {model}"));
            assert!(inspected.contains(described), "{inspected}");
            assert!(inspected.contains(&format!("format         {format}")));
            let difference = (bits(&model) - float).abs();
            assert!(difference < loss, "{model}: {difference} of {float}");
            let written = succeed(&format!("generate {model} --length 50 --prompt shall"));
            assert!(written.chars().count() >= 50, "{written}");
            if format == "f32" {
                continue;
            }
            // In two steps the bytes are the same.
            let (quantized, again) = (format!("{name}-{format}.safetensors"), "again.lstm");
            succeed(&format!(
                "quantize {network} --format {format} --out {quantized}"
            ));
            succeed(&format!(
                "export {quantized} --out {again} --name {name}-{format}"
            ));
            let read = |file: &str| std::fs::read(folder.path().join(file)).unwrap();
            assert!(read(&model) == read(again), "{model}");
            let other = if format == "int8" { "int4" } else { "int8" };
            refuse(
                &format!("export {quantized} --format {other} --out x.lstm"),
                &format!("holds a network quantized to {format}, expected a float one"),
            );
        }
    }
}

#[test]
fn bad_models_and_settings_are_one_line_and_exit_code_2() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let mut random = Random::new(1);
    let config = NetworkConfig::stack(&Alphabet::letters(), 4, LayerConfig::lstm(8), 1);
    let network = Network::new(config, &mut random).unwrap();
    network.save(&path("net.safetensors")).unwrap();
    let good = encode_f32(&network, &Labels::default()).unwrap();
    let len = good.len();
    let mut newer = good.clone();
    newer[4] = 2;
    let mut damaged = good.clone();
    damaged[len / 2] ^= 1;
    for (name, bytes) in [
        ("good.lstm", &good[..]),
        ("half.lstm", &good[..len / 2]),
        ("long.lstm", &[&good[..], b"more"].concat()),
        ("newer.lstm", &newer),
        ("damaged.lstm", &damaged),
        ("notes.lstm", b"these are no weights"),
        ("empty.lstm", b""),
    ] {
        std::fs::write(path(name), bytes).unwrap();
    }
    let before = listing(folder.path());
    let mut cases = Vec::new();
    for command in ["inspect", "generate", "evaluate --corpus good.txt"] {
        for (file, expected) in [
            ("missing.lstm", "cannot read missing.lstm".to_owned()),
            (
                "notes.lstm",
                "not a .lstm file: it begins with 74 68 65 73".into(),
            ),
            ("empty.lstm", "truncated: found 0 bytes, expected 16".into()),
            (
                "half.lstm",
                format!("truncated: found {} bytes, expected {len}", len / 2),
            ),
            (
                "long.lstm",
                format!("found {} bytes, expected {len}", len + 4),
            ),
            ("newer.lstm", "format version 2, expected version 1".into()),
            ("damaged.lstm", "damaged: found checksum".into()),
        ] {
            cases.push((format!("{command} {file}"), expected));
        }
    }
    for (line, expected) in [
        (
            "generate good.lstm --temperature=-1",
            "temperature is neither 0 nor in 0.01 to 100",
        ),
        (
            "generate good.lstm --temperature NaN",
            "temperature is neither",
        ),
        (
            "generate good.lstm --top-k 0",
            "top-k is 0, expected 1 to 256",
        ),
        (
            "generate good.lstm --top-p 1.5",
            "top-p is not above 0 and at most 1",
        ),
        ("generate good.lstm --length many", "invalid value 'many'"),
        (
            "export good.txt --out x.lstm",
            "expected a safetensors file of this trainer",
        ),
        (
            "export net.safetensors --format int2 --out x.lstm",
            "invalid value 'int2'",
        ),
        (
            "export net.safetensors --corpus missing.txt --out x.lstm",
            "cannot read missing.txt",
        ),
        (
            "quantize missing.safetensors --out x.safetensors",
            "cannot read missing.safetensors",
        ),
    ] {
        cases.push((line.into(), expected.into()));
    }
    for (line, expected) in cases {
        let output = run(folder.path(), &line);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {stderr}");
        assert!(stderr.contains(&expected), "{line}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
        assert_eq!(
            listing(folder.path()),
            before,
            "{line} left something behind"
        );
    }
}

#[test]
fn a_time_limit_ends_the_run() {
    let folder = folder();
    let start = std::time::Instant::now();
    let output = run(
        folder.path(),
        &format!("{SMALL} --epochs 1000000 --minutes 0.02"),
    );
    assert!(output.status.success());
    assert!(start.elapsed().as_secs() < 30);
}
