//! The real binary: bad input, and a whole small run.

mod binary;

use binary::{SMALL, listing, printed, refuses, text};
use host_trainer::kernels::random::Random;
use host_trainer::model::encode::{Labels, encode_f32};
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::quantize::QuantizedNetwork;
use host_trainer::text::alphabet::Alphabet;

/// A folder with the files that the bad commands name.
fn folder() -> tempfile::TempDir {
    let folder = binary::folder();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("empty.txt", b"");
    write("latin1.txt", b"caf\xe9 au lait");
    write("utf16.txt", b"\xff\xfea\0b\0");
    write("short.txt", b"shorter than one window");
    write("forty.txt", "a".repeat(40).as_bytes());
    write("same.txt", "a".repeat(4000).as_bytes());
    let many: String = ('\u{4e00}'..).take(2000).collect();
    write("many.txt", many.as_bytes());
    let greek = format!("{} ", "\u{3b1}".repeat(400));
    write("greek.txt", greek.as_bytes());
    write("notes.safetensors", b"this is no network");
    std::fs::create_dir(folder.path().join("taken")).unwrap();
    write("taken/notes", b"nothing of a run");
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
            "has 20 characters, expected at least 65",
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
            "many.txt: 1744 of 2000 characters (87.2 %) are not in the alphabet, expected at most half",
        ),
        (
            "train --corpus utf16.txt",
            "if it is in UTF-16, `iconv -f UTF-16 -t UTF-8 utf16.txt > NEW` converts it",
        ),
        (
            "train --corpus good.txt --alphabet runes",
            "invalid value 'runes'",
        ),
        (
            "train --corpus good.txt --recipe haiku",
            "invalid value 'haiku' for '--recipe <RECIPE>' [possible values: many-to-one, many-to-many,",
        ),
        (
            "train --corpus good.txt --recipe best",
            "found no --pretrain FILE with --recipe best, expected one",
        ),
        (
            "train --corpus good.txt --recipe micro",
            "found no --pretrain FILE with --recipe micro, expected one",
        ),
        (
            "train --corpus good.txt --cell rnn",
            "invalid value 'rnn' for '--cell <CELL>' [possible values: lstm, cifg, gru]",
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
            "expected it with one of best, small, micro, poet, recall only",
        ),
        (
            "train --corpus good.txt --hidden 0",
            "'--hidden <N>': found 0, expected 1 to 1024",
        ),
        (
            "train --corpus good.txt --embedding 9999",
            "'--embedding <N>': found 9999, expected 1 to 4096",
        ),
        (
            "train --corpus good.txt --layers 5",
            "'--layers <N>': found 5, expected 1 to 4",
        ),
        (
            "train --corpus good.txt --batch-size 0",
            "'--batch-size <N>': found 0, expected 1 to 4096",
        ),
        (
            "train --corpus good.txt --threads 0",
            "'--threads <N>': found 0, expected 1 to 256",
        ),
        (
            "train --corpus good.txt --epochs=-1",
            "'--epochs <N>': found -1, expected a number above 0",
        ),
        (
            "train --corpus good.txt --embedding-rate 0",
            "'--embedding-rate <FACTOR>': found 0, expected",
        ),
        (
            "train --corpus good.txt --learning-rate NaN",
            "'--learning-rate <RATE>': found NaN, expected",
        ),
        (
            "train --corpus good.txt --minutes NaN",
            "'--minutes <M>': found NaN, expected",
        ),
        (
            "train --corpus good.txt --pretrain-epochs 3",
            "found --pretrain-epochs 3 with --recipe sonnets, expected it with one of best, small, micro, poet, recall",
        ),
        (
            "train --corpus greek.txt",
            "greek.txt: 400 of 401 characters (99.8 %) are not in the alphabet, expected at most half; --alphabet text keeps them",
        ),
        (
            "train --corpus good.txt --minutes=-1",
            "'--minutes <M>': found -1, expected",
        ),
        (
            "train --corpus same.txt --alphabet text",
            "same.txt: found 1 different characters, expected at least 2",
        ),
        (
            "train --corpus good.txt --hidden 1025",
            "found 1025, expected 1 to 1024",
        ),
        (
            "train --corpus good.txt --batch-size 4097",
            "found 4097, expected 1 to 4096",
        ),
        (
            "train --corpus good.txt --threads 257",
            "found 257, expected 1 to 256",
        ),
        (
            "train --corpus good.txt --layers 0",
            "found 0, expected 1 to 4",
        ),
        (
            "train --corpus good.txt --hidden many",
            "invalid value 'many'",
        ),
        ("train --corpus good.txt --seed=-1", "invalid value '-1'"),
        (
            "train --corpus good.txt --grad-clip=-1",
            "'--grad-clip <NORM>': found -1, expected 0 or a number above it",
        ),
        (
            "train --corpus good.txt --grad-clip inf",
            "found inf, expected 0 or a number above it",
        ),
        (
            "train --corpus good.txt --weight-decay 1",
            "'--weight-decay <SHARE>': found 1, expected 0 to below 1",
        ),
        (
            "train --corpus good.txt --token-dropout 1",
            "'--token-dropout <SHARE>': found 1, expected 0 to below 1",
        ),
        (
            "train --corpus good.txt --drop-connect=-0.5",
            "'--drop-connect <SHARE>': found -0.5, expected 0 to below 1",
        ),
        (
            "train --corpus good.txt --ema 1",
            "'--ema <DECAY>': found 1, expected 0 to below 1",
        ),
        (
            "train --corpus good.txt --ema NaN",
            "found NaN, expected 0 to below 1",
        ),
        (
            "train --corpus good.txt --min-lr 1.5",
            "'--min-lr <SHARE>': found 1.5, expected 0 to 1",
        ),
        (
            "train --corpus good.txt --schedule linear",
            "invalid value 'linear'",
        ),
        (
            "train --corpus good.txt --patience=-1",
            "invalid value '-1'",
        ),
        (
            "train --corpus good.txt --validate-every 0",
            "'--validate-every <UPDATES>': found 0, expected 1 or more",
        ),
        (
            "train --corpus good.txt --checkpoint-every=-1",
            "'--checkpoint-every <S>': found -1, expected 0 or a number above it",
        ),
        (
            "train --resume --seed 9 --out taken",
            "found --seed with --resume, expected none",
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
            "train --corpus good.txt --out taken --force",
            "taken exists and holds no run, expected a new folder",
        ),
        (
            "train --corpus good.txt --hiden 3",
            "unexpected argument '--hiden' found tip: a similar argument exists: '--hidden'",
        ),
        (
            "train --corpus good.txt --epochs -1",
            "'--epochs <N>': found -1, expected a number above 0",
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
    ];
    let folder = folder();
    let before = listing(folder.path());
    for (line, expected) in cases {
        refuses(folder.path(), line, expected);
        assert!(listing(folder.path()) == before, "{line} changed something");
    }
}

#[test]
fn a_small_run_learns_and_its_network_scores() {
    let folder = folder();
    let line = format!("train {SMALL} --epochs 120 --alphabet text");
    let stdout = printed(folder.path(), &line);
    assert!(stdout.contains("bits/char"), "{stdout}");
    let files = listing(&folder.path().join("runs/sonnets-12"));
    let names = files.iter().map(|(f, _)| f.rsplit('/').next().unwrap());
    let names: Vec<&str> = names.collect();
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
    let stdout = printed(folder.path(), line);
    let row = stdout.lines().last().unwrap();
    let bits: f64 = row.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!(bits < 3.0, "{stdout}");
    // The same folder again is refused, and with --force is trained anew.
    refuses(folder.path(), &format!("train {SMALL}"), "exists");
    let again = format!("train {SMALL} --epochs 1 --force --layers 2");
    printed(folder.path(), &again);
}

#[test]
fn a_corpus_of_one_letter_becomes_a_model() {
    let folder = folder();
    let succeed = |line: &str| printed(folder.path(), line);
    let sizes = "--hidden 12 --embedding 6 --batch-size 4 --threads 1 --epochs 20";
    succeed(&format!("train --corpus same.txt {sizes} --out r"));
    succeed("report r");
    for format in ["f32", "int8", "int4"] {
        succeed(&format!(
            "export r/best.safetensors --format {format} --saturate --out m.lstm"
        ));
        let written = succeed("generate m.lstm --temperature 0 --length 20 --prompt aaaa");
        assert_eq!(written, "a".repeat(4 + 20) + "\n");
    }
}

#[test]
fn files_of_another_run_are_refused() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let train = |flags: &str, out: &str| {
        let line = format!("train {SMALL} --epochs 1 --out {out} {flags}");
        printed(folder.path(), &line);
    };
    train("", "a");
    train("--layers 2", "b");
    let refuse = |line: &str, expected: &str| refuses(folder.path(), line, expected);
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
        "a/checkpoint.safetensors: found a checkpoint, expected a network in f32",
    );
    let checkpoint = std::fs::read(path("a/checkpoint.safetensors")).unwrap();
    std::fs::copy(
        path("b/checkpoint.safetensors"),
        path("a/checkpoint.safetensors"),
    )
    .unwrap();
    refuse(
        "train --resume --out a",
        "a/checkpoint.safetensors: found a checkpoint of a run with network.layers [",
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
        "b/config.json: found recipe \"haiku\", expected one of many-to-one, many-to-many,",
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
        "sonnets --cell cifg --projection 4 --layers 3",
        "sonnets --cell gru --layers 2 --out gru",
        "poet --projection 5 --out poet",
        "poet --projection 5 --out poet-pretrained --pretrain good.txt --pretrain-epochs 1",
    ] {
        let line = format!("train {SMALL} --epochs 1 --recipe {recipe}");
        printed(folder.path(), &line);
    }
}

#[test]
fn a_network_of_every_cell_becomes_a_model_in_every_format() {
    let folder = folder();
    let succeed = |line: &str| printed(folder.path(), line);
    let bits = |file: &str| -> f64 {
        let line = format!("evaluate {file} --corpus good.txt --split train");
        let table = succeed(&line);
        let row = table.lines().last().unwrap();
        row.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    for (name, flags, described) in [
        ("lstm", "", "LSTM 12, dense 27"),
        (
            "cifg",
            "--cell cifg --hidden 18 --projection 5",
            "CIFG 18 projected to 5, dense 27",
        ),
        ("gru", "--cell gru --hidden 13", "GRU 13, dense 27"),
    ] {
        let settings = "--corpus good.txt --embedding 6 --batch-size 4 --threads 1 --epochs 60";
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
            assert!(inspected.contains(&format!("features       {format}")));
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
            assert_eq!(bits(&quantized), bits(&model));
            refuses(
                folder.path(),
                &format!("quantize {quantized} --out x.safetensors"),
                &format!("found a network in {format}, expected a network in f32"),
            );
            let other = if format == "int8" { "int4" } else { "int8" };
            refuses(
                folder.path(),
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
    newer[4] = 4;
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
            (
                "newer.lstm",
                "format version 4, expected version 1 to 3".into(),
            ),
            ("damaged.lstm", "damaged: found checksum".into()),
        ] {
            cases.push((format!("{command} {file}"), expected));
        }
    }
    for (line, expected) in [
        (
            "generate good.lstm --temperature=-1",
            "--temperature -1: the temperature is out of range, expected 0, or 0.01 to 100",
        ),
        (
            "generate good.lstm --temperature NaN",
            "--temperature NaN: the temperature is out of range",
        ),
        (
            "generate good.lstm --top-k 0",
            "top-k is 0, expected 1 to 256",
        ),
        (
            "generate good.lstm --top-p 1.5",
            "--top-p 1.5: top-p is out of range, expected above 0, to 1",
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
        refuses(folder.path(), &line, &expected);
        assert!(listing(folder.path()) == before, "{line} changed something");
    }
}

#[test]
fn a_network_goes_on_learning_from_another_text() {
    let folder = folder();
    let path = folder.path();
    printed(path, &format!("train {SMALL} --epochs 60 --out first"));
    std::fs::write(path.join("other.txt"), text(3000).to_uppercase()).unwrap();
    let from = "train --corpus other.txt --from first/best.safetensors --batch-size 4 --epochs 2";
    printed(path, &format!("{from} --out second"));
    let rows = |run: &str| {
        let path = path.join(run).join("metrics.jsonl");
        host_trainer::training::metrics::read(&path).unwrap()
    };
    let (first, second) = (rows("first"), rows("second"));
    // It begins where the other ended, not at random.
    let (random, begun) = (first[0].train_nats, second[0].train_nats);
    assert!(begun < 0.8 * random, "{begun}, {random}");
    let shape = |run: &str| {
        let network = Network::load(&path.join(run).join("best.safetensors")).unwrap();
        (network.config.layers, network.config.symbols)
    };
    assert_eq!(shape("second"), shape("first"));

    // Its settings make the same run again.
    printed(path, "train --config second/config.toml --out third");
    let file = |run: &str| std::fs::read(path.join(run).join("best.safetensors")).unwrap();
    assert!(file("third") == file("second"));
    refuses(
        path,
        &format!("{from} --hidden 9 --out fourth"),
        "found --hidden with --from, expected none: the network has its own",
    );
    refuses(
        path,
        "train --from good.txt --corpus good.txt --out fourth",
        "expected a safetensors file of this trainer",
    );
}

#[test]
fn a_run_that_has_ended_is_made_longer() {
    let folder = folder();
    let path = folder.path();
    printed(path, &format!("train {SMALL} --epochs 2 --out r"));
    let rows = || host_trainer::training::metrics::read(&path.join("r/metrics.jsonl")).unwrap();
    let before = rows();
    printed(path, "train --resume --out r --epochs 5");
    let after = rows();
    assert_eq!(after[..before.len()], before);
    assert!(after.last().unwrap().epoch >= 5.0, "{after:?}");
    let config = std::fs::read_to_string(path.join("r/config.toml")).unwrap();
    assert!(config.contains("epochs = 5"), "{config}");
    // It is that run from now on.
    let finished = std::fs::read(path.join("r/final.safetensors")).unwrap();
    printed(path, "train --resume --out r");
    assert!(std::fs::read(path.join("r/final.safetensors")).unwrap() == finished);
    refuses(
        path,
        "train --resume --out r --epochs 4",
        "found --epochs 4 with --resume, expected at least the 5 that the run has",
    );
    printed(path, &format!("train {SMALL} --minutes 0.005 --out timed"));
    refuses(
        path,
        "train --resume --out timed --epochs 4",
        "expected none: the run counts time, 0.005 minutes",
    );
}

#[test]
fn a_time_limit_ends_the_run() {
    let folder = folder();
    let line = format!("train {SMALL} --epochs 1000000 --minutes 0.02 --out r");
    printed(folder.path(), &line);
    // It did train, and for as long as it was told to.
    let rows =
        host_trainer::training::metrics::read(&folder.path().join("r/metrics.jsonl")).unwrap();
    let last = rows.last().unwrap();
    assert!(last.update > 84 && last.seconds > 1.0, "{last:?}");
    assert!(last.train_nats < 0.9 * rows[0].train_nats);
}

#[test]
fn an_output_takes_the_place_of_no_input_and_no_text() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let config = NetworkConfig::stack(&Alphabet::letters(), 4, LayerConfig::lstm(8), 1);
    let network = Network::new(config, &mut Random::new(1)).unwrap();
    network.save(&path("n.safetensors")).unwrap();
    let succeed = |line: &str| printed(folder.path(), line);
    succeed("export n.safetensors --to npz --out n.npz");
    succeed("export n.safetensors --corpus good.txt --out m.lstm");
    succeed(&format!("train {SMALL} --epochs 1 --out r"));
    std::fs::create_dir(path("sub")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("n.safetensors", path("link")).unwrap();
    let before = listing(folder.path());
    for (line, expected) in [
        (
            "export n.safetensors --out good.lstm",
            "good.txt exists and describes no model, expected another --out",
        ),
        (
            "export n.safetensors --corpus good.txt --out good.lstm",
            "whose description belongs into good.txt",
        ),
        (
            "export n.safetensors --out m.txt",
            "found --out m.txt, whose description belongs into m.txt, expected another name",
        ),
        (
            "export n.safetensors --out sub/../n.safetensors",
            "found --out sub/../n.safetensors, which is read, expected another file",
        ),
        (
            "export n.safetensors --corpus m.txt --out m.lstm",
            "whose description belongs into m.txt",
        ),
        #[cfg(unix)]
        ("export link --out n.safetensors", "which is read"),
        (
            "export n.safetensors --to npz --out n.safetensors",
            "which is read",
        ),
        (
            "quantize n.safetensors --out n.safetensors",
            "which is read",
        ),
        (
            "quantize n.safetensors --qat --corpus good.txt --out good.txt",
            "which is read",
        ),
        ("import n.npz --out n.npz", "which is read"),
        (
            "generate n.safetensors --save-state n.safetensors",
            "found --save-state n.safetensors, which is read",
        ),
        (
            "evaluate n.safetensors --corpus good.txt --window 100000",
            "'--window <N>': found 100000, expected 0 to 128",
        ),
        ("report r --out good.txt", "which is read"),
        (
            "train --corpus r/samples.txt --out r --force",
            "found --out r, which holds r/samples.txt, which is read, expected another folder",
        ),
        ("report r --out r/best.safetensors", "which is read"),
    ] {
        refuses(folder.path(), line, expected);
        assert!(listing(folder.path()) == before, "{line} changed something");
    }
    // A description of a model may be replaced, and a state gone on from.
    succeed("export n.safetensors --format f32 --name other --out m.lstm");
    succeed("generate m.lstm --length 9 --save-state s");
    succeed("generate m.lstm --length 9 --state s --save-state s");
}

/// Lines that do not repeat.
fn lines(name: &str) -> String {
    (0..400)
        .map(|i| format!("{name} {i} by {name}, {i} to {name}\n"))
        .collect()
}

#[test]
fn a_text_for_pre_training_that_holds_the_held_out_parts_is_told() {
    let folder = folder();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("own.txt", lines("own"));
    write("all.txt", lines("other") + &lines("own"));
    write("other.txt", lines("other"));
    let told = |pretrain: &str| {
        let sizes =
            "--hidden 4 --projection 0 --embedding 2 --batch-size 4 --threads 1 --epochs 0.1";
        let texts =
            format!("--corpus own.txt --alphabet text --pretrain {pretrain} --pretrain-epochs 0.1");
        let line = format!("train --recipe micro {sizes} {texts} --out {pretrain}-run");
        printed(folder.path(), &line)
    };
    let (all, other) = (told("all.txt"), told("other.txt"));
    for part in ["validation", "test"] {
        assert!(
            all.contains(&format!(" excerpts of the {part} part: its score")),
            "{all}"
        );
    }
    assert!(!other.contains("excerpts"), "{other}");
}

#[test]
fn what_the_alphabet_does_not_hold_is_told() {
    let folder = folder();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    let line = format!("train {SMALL} --alphabet text --epochs 1 --out r");
    assert!(!printed(folder.path(), &line).contains("in the alphabet"));
    let evaluate = "evaluate r/best.safetensors --corpus";
    write("few.txt", text(300) + "Q?Q");
    let told = printed(folder.path(), &format!("{evaluate} few.txt"));
    let all = text(300).chars().count() + 3;
    let expected = format!(
        "few.txt: 3 of {all} characters ({:.1} %) are not in the alphabet, and are read as ' '\n",
        300.0 / all as f64
    );
    assert!(told.starts_with(&expected), "{told}");
    write("other.txt", "QUITE OTHER ".repeat(40));
    let expected = "360 of 480 characters (75.0 %) are not in the alphabet, expected at most half";
    refuses(folder.path(), &format!("{evaluate} other.txt"), expected);
    // Of many symbols the rare ones go, and control characters always.
    let rare: String = ('\u{4e00}'..).take(300).collect();
    write("rare.txt", text(3000) + &rare + "\x1b[0m");
    let told = printed(
        folder.path(),
        "train --corpus rare.txt --alphabet text --epochs 0.01 --out s",
    );
    assert!(
        told.contains(" are not in the alphabet, and are read as ' '; an alphabet holds the 256"),
        "{told}"
    );
    let network = Network::load(&folder.path().join("s/best.safetensors")).unwrap();
    assert_eq!(network.config.vocabulary(), 256);
    assert!(!network.config.symbols.contains('\x1b'));
    // Greek letters in a text of mostly Latin ones.
    write("mixed.txt", text(3000) + "\u{3b1}");
    let told = printed(
        folder.path(),
        "train --corpus mixed.txt --epochs 0.01 --out t",
    );
    assert!(told.contains("; --alphabet text keeps them\n"), "{told}");
    assert!(
        told.contains("too few to choose the best weights by"),
        "{told}"
    );

    write("short.txt", "shall I".to_owned());
    let expected = "short.txt has 7 characters, expected at least 20 to split it in three";
    refuses(folder.path(), &format!("{evaluate} short.txt"), expected);
}

/// A network that answers after a window alone must be run so by every command, untold.
#[test]
fn the_window_of_the_training_goes_all_the_way() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let succeed = |line: &str| printed(folder.path(), line);
    let train = "train --recipe many-to-one --epochs 2 --learning-rate 0.02 --out r";
    let told = succeed(&format!("{train} {SMALL}"));
    let network = "r/final.safetensors";
    let scored = |file: &str, flags: &str| {
        let table = succeed(&format!("evaluate {file} --corpus good.txt {flags}"));
        let (context, table) = table.split_once('\n').unwrap();
        (context.to_owned(), table.to_owned())
    };
    let (context, table) = scored(network, "");
    assert_eq!(
        context,
        "good.txt, windows of 40 characters from a zero state"
    );
    assert!(told.contains(&table), "{told}");
    // One that remembers for longer than its window, so that the window matters.
    let mut remembering = Network::load(&path(network)).unwrap();
    remembering.layers[0].bias[12..24].fill(5.0);
    let network = "remembering";
    remembering.save(&path(network)).unwrap();
    let (_, table) = scored(network, "");
    assert_eq!(scored(network, "--window 40").1, table);
    let (context, carried) = scored(network, "--window 0");
    assert_eq!(context, "good.txt, state carried");
    assert_ne!(carried, table);
    for format in ["f32", "int8", "int4"] {
        let model = format!("{format}.lstm");
        succeed(&format!(
            "export {network} --format {format} --corpus good.txt --out {model}"
        ));
        assert!(succeed(&format!("inspect {model}")).contains("windows of 40 characters"));
        let (context, table) = scored(&model, "");
        assert!(context.contains("windows of 40"), "{context}");
        // What is said beside the model is what its engine does.
        let said = std::fs::read_to_string(path(&format!("{format}.txt"))).unwrap();
        assert!(
            said.contains(&format!("{context}\n{table}")),
            "{said} {table}"
        );
        // Hot and long, so that a logit that is a little different shows.
        let generate = "generate --seed 3 --temperature 2 --length 4000";
        let text = |file: &str, flags: &str| succeed(&format!("{generate} {file} {flags}"));
        let of_network = text(network, &format!("--format {format}"));
        assert_eq!(of_network, text(&model, ""));
        assert_eq!(of_network, text(&model, "--window 40"));
        assert_ne!(of_network, text(&model, "--window 0"));
        if format != "f32" {
            succeed(&format!("quantize {network} --format {format} --out q"));
            succeed(&format!("export q --name {format} --out again.lstm"));
            let read = |name: &str| std::fs::read(path(name)).unwrap();
            assert!(read(&model) == read("again.lstm"), "{format}");
        }
    }
    succeed(&format!("export {network} --window 0 --out carried.lstm"));
    assert!(succeed("inspect carried.lstm").contains("state carried"));
    // A file of before does not say the window: then it is none.
    let mut before = Network::load(&path(network)).unwrap();
    before.config.window = None;
    before.save(&path("before")).unwrap();
    assert_eq!(scored("before", "").1, carried);
    let bytes = std::fs::read(path("before")).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("window"));
    // The 4-bit weights make up for the sums of a network that is run by windows.
    succeed("quantize before --format int4 --out carried");
    let [by_windows, carried] = ["q", "carried"].map(|name| {
        let network = QuantizedNetwork::load(&path(name)).unwrap();
        network.unwrap().layers
    });
    assert!(by_windows != carried);
}

#[test]
fn an_empty_folder_takes_a_run_and_quiet_prints_nothing() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("r")).unwrap();
    let told = printed(
        folder.path(),
        &format!("train {SMALL} --epochs 1 --out r -q"),
    );
    assert_eq!(told, "");
    assert_eq!(printed(folder.path(), "report r --quiet"), "");
    // A new run leaves no page of the old one.
    let again = format!("train {SMALL} --epochs 1 --out r -q --force");
    printed(folder.path(), &again);
    assert!(!folder.path().join("r/report.html").exists());
    // What a command is for is printed all the same.
    let table = printed(
        folder.path(),
        "evaluate r/best.safetensors --corpus good.txt -q",
    );
    assert!(table.contains("validation"), "{table}");
}

#[test]
fn programs_read_json() {
    let folder = folder();
    let json = |line: &str| -> serde_json::Value {
        serde_json::from_str(&printed(folder.path(), line)).unwrap()
    };
    printed(folder.path(), &format!("train {SMALL} --epochs 1 --out r"));
    let network = "r/best.safetensors";
    let scores = json(&format!("evaluate {network} --corpus good.txt --json"));
    let bits = scores["parts"]["validation"]["bits_per_char"]
        .as_f64()
        .unwrap();
    let table = printed(
        folder.path(),
        &format!("evaluate {network} --corpus good.txt"),
    );
    assert!(table.contains(&format!("{bits:.4}")), "{scores} {table}");
    let quantized = json(&format!("quantize {network} --out q --json"));
    assert!(
        quantized["tensors"][0]["error_rms"].as_f64().unwrap() > 0.0,
        "{quantized}"
    );
    let exported = json(&format!("export {network} --out direct.lstm --json"));
    assert_eq!(exported["tensors"], quantized["tensors"]);
    let score = exported["score"].as_str().unwrap();
    assert!(score.contains("good.txt"), "{score}");
    printed(
        folder.path(),
        &format!("export {network} --to npz --out k.npz"),
    );
    let imported = json("import k.npz --out back --json");
    assert_eq!(imported["out"], "back");
    let summary = imported["network"].as_str().unwrap();
    let parameters = format!(": {} parameters;", imported["parameters"]);
    assert!(summary.contains(&parameters), "{summary}");
    assert!(
        !imported["map"].as_array().unwrap().is_empty(),
        "{imported}"
    );
    printed(folder.path(), "export q --out m.lstm");
    let inspected = json("inspect m.lstm --json");
    assert_eq!(inspected["network"], "LSTM 12, dense 27");
    let budget = json("budget m.lstm --json");
    let length = std::fs::metadata(folder.path().join("m.lstm"))
        .unwrap()
        .len();
    assert_eq!(budget["file_bytes"].as_u64(), Some(length));
    assert!(budget["boards"][0]["misfit"].is_null(), "{budget}");
}

#[test]
fn a_bare_command_shows_help_and_shells_get_completions() {
    let folder = folder();
    let output = binary::run(folder.path(), "");
    assert_eq!(output.status.code(), Some(2));
    let help = String::from_utf8(output.stderr).unwrap();
    assert!(
        help.contains("Usage:") && help.contains("evaluate"),
        "{help}"
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            printed(folder.path(), &format!("completions {shell}")).contains("pretrain-epochs")
        );
    }
    let help = printed(folder.path(), "train --help");
    assert!(
        help.contains("- poet:") && help.contains("- cosine:"),
        "{help}"
    );
}
