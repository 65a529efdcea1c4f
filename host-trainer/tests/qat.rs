//! `quantize --qat` through the real binary.

mod binary;

use binary::{printed, refuses, run};
#[cfg(unix)]
use binary::{signal, trainer};
use host_trainer::files::tensors::TensorFile;
use host_trainer::kernels::random::Random;
use host_trainer::network::config::{CellKind, LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::text::alphabet::Alphabet;
use std::fmt::Write;
#[cfg(unix)]
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Output, Stdio},
};

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
    let gru = LayerConfig {
        cell: CellKind::Gru,
        ..LayerConfig::lstm(16)
    };
    config.layers = vec![LayerConfig::cifg(20, 12), gru];
    let mut network = Network::new(config, &mut Random::new(2)).unwrap();
    // Strong enough that its hidden state does not round to zero.
    let parameters = network.parameters_mut().into_iter();
    parameters.for_each(|p| p.iter_mut().for_each(|x| *x *= 3.0));
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
                 --epochs 6 --batch-size 8 --learning-rate 1e-2 --threads {threads} --out q.safetensors"
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
    let line = "quantize n.safetensors --qat --corpus text.txt --teacher 0 --epochs 1 --batch-size 16 \
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

/// Starts a command, and sends it a signal as soon as a line that it prints is `last`; gives the lines,
/// and how it ended.
#[cfg(unix)]
fn stopped(
    folder: &Path,
    line: &str,
    name: &str,
    mut last: impl FnMut(&str) -> bool,
) -> (Vec<String>, Output) {
    let mut command = trainer(folder, line);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut is_sent = false;
    let lines = stdout.lines().map(|line| {
        let line = line.unwrap();
        if !is_sent && last(&line) {
            signal(&child, name);
            is_sent = true;
        }
        line
    });
    let lines = lines.collect();
    (lines, child.wait_with_output().unwrap())
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_the_best_so_far() {
    let folder = folder();
    let folder = folder.path();
    let line = "quantize n.safetensors --qat --corpus text.txt --epochs 1e6 --batch-size 8 --teacher 0 \
                --learning-rate 1e-2 --out q.safetensors";
    // After half a pass that is better than rounding alone.
    let (lines, output) = stopped(folder, line, "-INT", |line| line.contains('*'));
    assert_eq!(lines[0], "fine-tuning on the training part of text.txt");
    let scores = lines.iter().filter(|line| line.contains("validation "));
    let scores = scores.map(|line| after(line, "validation "));
    let best = scores.fold(f64::INFINITY, f64::min);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    let stderr = stderr.lines().last().unwrap();
    assert!(
        stderr.contains("q.safetensors has the best so far"),
        "{stderr}"
    );
    assert_eq!(after(stderr, "validation "), best, "{stderr}");
    printed(folder, "export q.safetensors --out q.lstm");
    let scored = printed(
        folder,
        "evaluate q.lstm --corpus text.txt --split validation",
    );
    assert!(scored.contains(&format!("{best:.4}")), "{scored} {stderr}");
}

/// The epochs that were reported.
#[cfg(unix)]
fn epochs(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| line.starts_with("epoch"))
        .collect()
}

/// Whatever stops it and whenever: what comes in the end is what would have come at once.
#[cfg(unix)]
#[test]
fn tuning_goes_on_as_if_it_had_never_stopped() {
    let folder = folder();
    let folder = folder.path();
    std::fs::write(folder.join("more.txt"), "and more than that\n".repeat(97)).unwrap();
    let streams = Network::load(&folder.join("n.safetensors")).unwrap();
    for (window, flags) in [
        (
            None,
            "--epochs 80.3 --learning-rate 1e-2 --pretrain more.txt",
        ),
        (None, "--epochs 80.3 --learning-rate 1e-2"),
        // Nothing becomes better than rounding alone.
        (None, "--epochs 80.3 --learning-rate 1e-9"),
        (Some(12), "--epochs 9.3 --learning-rate 1e-2"),
    ] {
        let mut network = streams.clone();
        network.config.window = window;
        network.save(&folder.join("n.safetensors")).unwrap();
        let line = |out: &str| {
            format!(
                "quantize n.safetensors --format int4 --qat --corpus text.txt {flags} --batch-size 8 \
                 --out {out}"
            )
        };
        let whole = printed(folder, &line("whole"));
        let resume = line("q") + " --resume";
        let is_begun = |line: &str| line.starts_with("rounded only");
        let is_gone_on = |line: &str| line.starts_with("going on");
        let mut reports = 0;
        let is_third_report = |line: &str| {
            reports += usize::from(line.starts_with("epoch"));
            reports == 3
        };
        let (_, output) = stopped(folder, &line("q"), "-KILL", is_begun);
        assert_eq!(output.status.code(), None, "{output:?}");
        let (_, output) = stopped(folder, &resume, "-INT", is_third_report);
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        // Before a first report.
        let (_, output) = stopped(folder, &resume, "-INT", is_gone_on);
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let (_, output) = stopped(folder, &resume, "-KILL", |line| line.starts_with("epoch"));
        assert_eq!(output.status.code(), None, "{output:?}");
        // What lies there is not what counts.
        std::fs::write(folder.join("q"), "something else").unwrap();
        let rest = printed(folder, &(resume + " --threads 1"));
        let (rest, whole) = (epochs(&rest), epochs(&whole));
        assert!(
            rest.len() > 3 && whole.ends_with(&rest),
            "{rest:?} {whole:?}"
        );
        let [whole, q] = ["whole", "q"].map(|name| std::fs::read(folder.join(name)).unwrap());
        assert!(whole == q, "{flags}");
        assert!(!folder.join("q.checkpoint").exists());
    }
}

/// That the comparison above can fail: a checkpoint that lost something ends otherwise.
#[cfg(unix)]
#[test]
fn a_checkpoint_that_lost_something_ends_otherwise() {
    let folder = folder();
    let folder = folder.path();
    let line = "quantize n.safetensors --qat --corpus text.txt --teacher 0.2 --epochs 80 --batch-size 8 \
                --learning-rate 1e-2 --out q";
    let (_, output) = stopped(folder, line, "-INT", |line| line.contains('*'));
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let path = folder.join("q.checkpoint");
    let best = std::fs::read(folder.join("q")).unwrap();
    let mut good = TensorFile::read(&path, "checkpoint").unwrap();
    let set = |file: &mut TensorFile, pointer: &str, value: serde_json::Value| {
        let mut metadata: serde_json::Value = serde_json::from_str(&file.metadata).unwrap();
        *metadata.pointer_mut(pointer).unwrap() = value;
        file.metadata = metadata.to_string();
    };
    // At the end of a pass the states would count no more.
    set(&mut good, "/cursors/0/position", 64.into());
    let zero = |file: &mut TensorFile, name: &str| {
        file.tensors.get_mut(name).unwrap().values.fill(0.0);
    };
    let resume = format!("{line} --resume");
    let end = |file: &TensorFile| {
        file.write(&path, "checkpoint").unwrap();
        let text = printed(folder, &resume);
        (
            epochs(&text).join("\n"),
            std::fs::read(folder.join("q")).unwrap(),
        )
    };
    let whole = end(&good);
    assert!(whole == end(&good));
    // The last is a state of the teacher.
    for name in ["parameter.1", "moment.1", "text.0.c.0", "text.0.c.2"] {
        let mut spoiled = good.clone();
        zero(&mut spoiled, name);
        assert!(whole != end(&spoiled), "{name}");
    }
    let mut spoiled = good.clone();
    let random = serde_json::to_value(Random::new(9)).unwrap();
    set(&mut spoiled, "/progress/random", random);
    assert!(whole != end(&spoiled));

    // Where nothing can become better, the best is what it was.
    let mut unbeaten = good.clone();
    set(&mut unbeaten, "/progress/best", 0.0.into());
    assert!(end(&unbeaten).1 == best);
    zero(&mut unbeaten, "best.1");
    assert!(end(&unbeaten).1 != best);

    // What cannot be is refused.
    let refused = |spoil: &dyn Fn(&mut TensorFile), expected: &str| {
        let mut file = good.clone();
        spoil(&mut file);
        file.write(&path, "checkpoint").unwrap();
        refuses(folder, &resume, expected);
        assert!(path.exists());
    };
    let not_finite = |file: &mut TensorFile| {
        file.tensors.get_mut("parameter.1").unwrap().values[3] = f32::NAN;
    };
    let expected = "q.checkpoint: tensor parameter.1 holds NaN at 3, expected finite numbers";
    refused(&not_finite, expected);
    let negative = |file: &mut TensorFile| {
        *file
            .tensors
            .get_mut("moment.1")
            .unwrap()
            .values
            .last_mut()
            .unwrap() = -1.0;
    };
    let expected =
        "q.checkpoint: found -1 among the squares of moment.1, expected no negative numbers";
    refused(&negative, expected);
    let place = "q.checkpoint: found a place that is not in the texts, expected one that is";
    let no_state = |file: &mut TensorFile| drop(file.tensors.remove("text.0.h.0"));
    refused(&no_state, place);
    let epochs = "q.checkpoint: found 9999 epochs done, expected 80 at most";
    let adam =
        "q.checkpoint: found a checkpoint of a run with phases.0.optimizer.beta1 0.5, expected ";
    for (pointer, value, expected) in [
        ("/cursors/0/position", 9999.into(), place),
        ("/cursors/0/offset", 9999.into(), place),
        ("/progress/epoch", 9999.into(), epochs),
        ("/config/phases/0/optimizer/beta1", 0.5.into(), adam),
    ] {
        let value: serde_json::Value = value;
        refused(&|file| set(file, pointer, value.clone()), expected);
    }
}

#[cfg(unix)]
#[test]
fn a_file_has_one_tuning_at_a_time() {
    let folder = folder();
    let folder = folder.path();
    let line = "quantize n.safetensors --qat --corpus text.txt --batch-size 8 --epochs 1e6 --out q";
    let resume = format!("{line} --resume");
    let mut is_refused = false;
    let begun = |line: &str| {
        if line.starts_with("rounded only") {
            let expected = "q: found another fine-tuning at work on it, expected none";
            refuses(folder, &resume, expected);
            is_refused = true;
        }
        is_refused
    };
    let (_, output) = stopped(folder, line, "-KILL", begun);
    assert_eq!(output.status.code(), None, "{output:?}");
    // The lock went with the process; its file goes with the next.
    let (_, output) = stopped(folder, &resume, "-INT", |line| line.starts_with("epoch"));
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(is_refused && !folder.join("q.lock").exists());
}

#[cfg(unix)]
#[test]
fn a_tuning_goes_on_with_what_it_began_with() {
    let folder = folder();
    let folder = folder.path();
    let line = |flags: &str| {
        format!("quantize n.safetensors --qat --corpus text.txt --batch-size 8 {flags} --out q")
    };
    let none = "found no q.checkpoint, expected one to --resume from";
    refuses(folder, &line("--epochs 1e6 --resume"), none);
    let is_report = |line: &str| line.starts_with("epoch");
    stopped(folder, &line("--epochs 1e6"), "-INT", is_report);
    let files = || ["q", "q.checkpoint"].map(|name| std::fs::read(folder.join(name)).unwrap());
    let before = files();
    for (flags, expected) in [
        (
            "--epochs 1e6",
            "found q.checkpoint of a fine-tuning that was stopped",
        ),
        (
            "--epochs 1e5 --resume",
            "found a checkpoint of a run with phases.0.epochs 1000000.0, expected 100000.0",
        ),
        ("--epochs 1e6 --seed 2 --resume", "with seed 1, expected 2"),
        (
            "--epochs 1e6 --teacher 0.7 --resume",
            "with teacher 0.8, expected 0.7",
        ),
        (
            "--epochs 1e6 --learning-rate 1e-3 --resume",
            "with phases.0.learning_rate 0.002, expected 0.001",
        ),
        (
            "--epochs 1e6 --format int4 --resume",
            "with format \"int8\", expected \"int4 with dead zone",
        ),
        (
            "--epochs 1e6 --pretrain text.txt --resume",
            "with input.pretrain null, expected ",
        ),
        (
            "--epochs 1e6 --ensemble n.safetensors --resume",
            "with input.ensemble ",
        ),
    ] {
        refuses(folder, &line(flags), expected);
        assert!(files() == before, "{flags}");
    }
    // The end of the text, which is in no training part.
    let text = std::fs::read_to_string(folder.join("text.txt")).unwrap();
    std::fs::write(folder.join("text.txt"), text.clone() + "x").unwrap();
    let corpus = "with input.corpus ";
    refuses(folder, &line("--epochs 1e6 --resume"), corpus);
    std::fs::write(folder.join("text.txt"), text).unwrap();
    let mut network = Network::load(&folder.join("n.safetensors")).unwrap();
    network.dense_bias[3] += 0.01;
    network.save(&folder.join("other.safetensors")).unwrap();
    let other = line("--epochs 1e6 --resume").replace("n.safetensors", "other.safetensors");
    refuses(folder, &other, "with input.network ");
    assert!(files() == before);
    std::fs::write(folder.join("q.checkpoint"), "damage").unwrap();
    let damage = "q.checkpoint: found 6 bytes that do not parse";
    refuses(folder, &line("--epochs 1e6 --resume"), damage);
}

#[test]
fn a_text_too_short_for_the_batch_is_told() {
    let folder = folder();
    let line =
        "quantize n.safetensors --qat --corpus text.txt --batch-size 999 --epochs 0.1 --out q";
    let text = printed(folder.path(), line);
    let start = "the training part of text.txt is long enough for ";
    let rows = text.lines().find_map(|line| line.strip_prefix(start));
    let rows = rows.unwrap();
    assert!(rows.ends_with(" rows a batch, not for 999"), "{text}");
}

#[test]
fn what_is_not_finite_ends_the_tuning() {
    let folder = folder();
    let folder = folder.path();
    let line = "quantize n.safetensors --qat --corpus text.txt --batch-size 8 --learning-rate 1e8 \
                --out q.safetensors";
    let output = run(folder, line);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("gradient norm"), "{stderr}");
    // Rounding alone was the best, and is there.
    printed(folder, "export q.safetensors --out q.lstm");
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let folder = folder();
    let folder = folder.path();
    let mut other = Network::load(&folder.join("n.safetensors")).unwrap();
    other.config.window = Some(9);
    other.save(&folder.join("other.safetensors")).unwrap();
    for (flags, expected) in [
        ("--qat --epochs 0", "'--epochs <N>': found 0, expected"),
        ("--qat --epochs nan", "found NaN, expected"),
        (
            "--qat --epochs 1e10",
            "found 10000000000, expected a number above 0 and below 1e9",
        ),
        (
            "--qat --learning-rate=-1",
            "'--learning-rate <RATE>': found -1",
        ),
        (
            "--qat --teacher 1.5",
            "'--teacher <SHARE>': found 1.5, expected 0 to 1",
        ),
        (
            "--qat --batch-size 0",
            "'--batch-size <N>': found 0, expected 1 to 4096",
        ),
        (
            "--qat --threads 0",
            "'--threads <N>': found 0, expected 1 to 256",
        ),
        ("--qat --corpus none.txt", "none.txt"),
        ("--qat --corpus short.txt", "expected at least 65"),
        ("--qat --pretrain short.txt", "short.txt has 5 characters"),
        ("--qat --ensemble none.safetensors", "none.safetensors"),
        (
            "--qat --ensemble other.safetensors",
            "other.safetensors: found windows of 9 characters, expected a carried state as in the network that learns",
        ),
        ("--ensemble n.safetensors", "--qat"),
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
