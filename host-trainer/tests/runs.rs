//! Runs through the real binary: how they are told what to do, stopped, and gone on with.
#![cfg(unix)]

mod binary;

use binary::{SMALL, folder, listing, printed, refuses, run, signal, text, trainer};
use host_trainer::kernels::random::Random;
use host_trainer::network::parameters::Network;
use host_trainer::network::state::State;
use host_trainer::training::checkpoint::Checkpoint;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn spawn(folder: &Path, line: &str) -> Child {
    let mut command = trainer(folder, line);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until the run has reported so often.
fn wait_for_reports(folder: &Path, reports: usize) {
    let metrics = folder.join("metrics.jsonl");
    let start = Instant::now();
    while std::fs::read_to_string(&metrics).map_or(0, |text| text.lines().count()) < reports {
        assert!(start.elapsed().as_secs() < 60, "no report");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Files of two runs that must be equal, and metrics but for their seconds.
fn differing(a: &Path, b: &Path) -> Vec<&'static str> {
    let read = |run: &Path, file: &str| std::fs::read(run.join(file)).unwrap();
    let rows = |run: &Path| {
        let rows = host_trainer::training::metrics::read(&run.join("metrics.jsonl")).unwrap();
        let mut rows = rows;
        rows.iter_mut().for_each(|row| row.seconds = 0.0);
        rows
    };
    let files = ["final.safetensors", "best.safetensors", "samples.txt"];
    let mut found: Vec<&str> = files
        .into_iter()
        .filter(|file| read(a, file) != read(b, file))
        .collect();
    if rows(a) != rows(b) {
        found.push("metrics.jsonl");
    }
    let lines = |run: &Path| {
        read(run, "metrics.csv")
            .iter()
            .filter(|b| **b == b'\n')
            .count()
    };
    if lines(a) != lines(b) {
        found.push("metrics.csv");
    }
    found
}

#[test]
fn a_stopped_run_goes_on_to_the_identical_files() {
    let folder = folder();
    let cifg = "--recipe sonnets --cell cifg --projection 5 --layers 2";
    for (name, flags, epochs) in [
        ("lstm", "--recipe sonnets --ema 0.9", 200),
        ("cifg", cifg, 100),
        ("windows", "--recipe many-to-many", 16),
        ("gru", "--recipe sonnets --cell gru --layers 2", 100),
        (
            "memory",
            "--recipe sonnets --cell cifg --projection 5 --memory 40000",
            100,
        ),
        (
            "sgd",
            "--recipe sonnets --optimizer sgd --momentum 0.8 --learning-rate 1",
            150,
        ),
    ] {
        let line =
            |out: &str| format!("train {flags} {SMALL} --epochs {epochs} --out {name}-{out}");
        printed(folder.path(), &line("whole"));
        let child = spawn(folder.path(), &line("parts"));
        let parts = folder.path().join(format!("{name}-parts"));
        wait_for_reports(&parts, 2);
        signal(&child, if name == "cifg" { "-TERM" } else { "-INT" });
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(!stderr.contains("error"), "{stderr}");
        assert!(
            stderr.contains(&format!("--resume --out {name}-parts")),
            "{stderr}"
        );
        printed(folder.path(), &format!("train --resume --out {name}-parts"));
        let whole = folder.path().join(format!("{name}-whole"));
        assert_eq!(differing(&whole, &parts), [""; 0], "{name}");
    }
}

/// Kills a run `kills` times in all, each time at a random moment, and goes on with it each time;
/// each time that it ends, its files must be those of a run that was let be. Gives the number of
/// kills while a file was being written.
fn kill_and_go_on(flags: &str, kills: usize, random: &mut Random) -> usize {
    let folder = folder();
    let line = format!("train {flags} {SMALL} --checkpoint-every 0 --out");
    printed(folder.path(), &format!("{line} whole"));
    let whole = folder.path().join("whole");
    let start = Instant::now();
    printed(folder.path(), &format!("{line} whole --force"));
    let duration = start.elapsed().as_micros() as usize;
    let parts = folder.path().join("parts");
    let (mut killed, mut during_writes) = (0, 0);
    while killed < kills {
        let _ = std::fs::remove_dir_all(&parts);
        loop {
            let mut child = match parts.join("config.json").exists() {
                true => spawn(
                    folder.path(),
                    "train --resume --checkpoint-every 0 --out parts",
                ),
                false => spawn(folder.path(), &format!("{line} parts --force")),
            };
            if killed < kills {
                let moment = Duration::from_micros(random.below(duration) as u64);
                std::thread::sleep(moment);
                if child.try_wait().unwrap().is_none() {
                    signal(&child, "-KILL");
                    killed += 1;
                }
            }
            let output = child.wait_with_output().unwrap();
            if output.status.success() {
                break;
            }
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), None, "{stderr}");
            let names = std::fs::read_dir(&parts).into_iter().flatten();
            let mut names = names.map(|entry| entry.unwrap().file_name());
            during_writes += usize::from(names.any(|n| n.to_string_lossy().ends_with(".tmp")));
        }
        assert_eq!(differing(&whole, &parts), [""; 0], "after {killed} kills");
    }
    during_writes
}

#[test]
fn a_killed_run_goes_on_to_the_identical_files() {
    kill_and_go_on(
        "--epochs 20 --ema 0.9 --validate-every 5",
        5,
        &mut Random::new(1),
    );
}

#[test]
#[ignore = "50 kills: a minute"]
fn a_run_that_is_killed_fifty_times_goes_on_to_the_identical_files() {
    let random = &mut Random::new(2);
    let mut during_writes = 0;
    for flags in [
        "--epochs 30 --ema 0.9 --validate-every 5",
        "--recipe many-to-one --epochs 1 --validate-every 50",
        "--recipe best --pretrain good.txt --pretrain-epochs 10 --epochs 20 --ema 0.99",
        "--cell cifg --projection 5 --layers 2 --epochs 30 --drop-connect 0.1",
        "--recipe many-to-many --epochs 2",
    ] {
        during_writes += kill_and_go_on(flags, 10, random);
    }
    println!("{during_writes} of 50 kills were in the middle of a write");
    assert!(during_writes > 0);
}

/// That the comparison above can fail: a checkpoint that lost its random state, or a moment, ends
/// otherwise.
#[test]
fn a_checkpoint_that_lost_something_ends_otherwise() {
    let folder = folder();
    let line = format!("train {SMALL} --epochs 100 --checkpoint-every 0 --out");
    printed(folder.path(), &format!("{line} whole"));
    let spoilers: [fn(&mut Checkpoint); 3] = [
        |checkpoint| checkpoint.progress.random = Random::new(9),
        |checkpoint| checkpoint.moments[1][0] += 1e-3,
        |checkpoint| checkpoint.progress.update += 1,
    ];
    for spoil in spoilers {
        let _ = std::fs::remove_dir_all(folder.path().join("parts"));
        let mut child = spawn(folder.path(), &format!("{line} parts"));
        let parts = folder.path().join("parts");
        wait_for_reports(&parts, 1);
        signal(&child, "-KILL");
        child.wait().unwrap();
        let path = parts.join("checkpoint.safetensors");
        let mut checkpoint = Checkpoint::load(&path).unwrap();
        spoil(&mut checkpoint);
        checkpoint.save(&path).unwrap();
        printed(folder.path(), "train --resume --out parts");
        let whole = folder.path().join("whole");
        assert!(differing(&whole, &parts).contains(&"final.safetensors"));
    }
}

#[test]
fn a_folder_has_one_trainer_at_a_time() {
    let folder = folder();
    let line = format!("train {SMALL} --epochs 1000000 --out r");
    let mut child = spawn(folder.path(), &line);
    wait_for_reports(&folder.path().join("r"), 1);
    let found = "r: found another trainer at work in this folder, expected none";
    refuses(folder.path(), "train --resume --out r", found);
    refuses(folder.path(), &format!("{line} --force"), found);
    signal(&child, "-KILL");
    child.wait().unwrap();
    // The lock went with the process.
    printed(
        folder.path(),
        &format!("train {SMALL} --epochs 1 --force --out r"),
    );
    printed(folder.path(), "train --resume --out r");
}

#[test]
fn numbers_that_are_not_finite_stop_the_run_and_cost_nothing() {
    let folder = folder();
    let line = format!("train {SMALL} --epochs 200 --validate-every 20 --checkpoint-every 0");
    printed(folder.path(), &format!("{line} --out whole"));
    let path = |name: &str| folder.path().join(name);
    let mut child = spawn(folder.path(), &format!("{line} --out r"));
    wait_for_reports(&path("r"), 2);
    signal(&child, "-KILL");
    child.wait().unwrap();
    let checkpoint = path("r/checkpoint.safetensors");
    let good = std::fs::read(&checkpoint).unwrap();
    // Finite, but too large for any sum.
    let mut spoiled = Checkpoint::load(&checkpoint).unwrap();
    let dense = spoiled.parameters.len() - 2;
    spoiled.parameters[dense].fill(f32::MAX);
    spoiled.save(&checkpoint).unwrap();
    let before = std::fs::read(&checkpoint).unwrap();
    let output = run(folder.path(), "train --resume --out r --checkpoint-every 0");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let told = stderr.lines().last().unwrap();
    assert!(told.starts_with("error: found loss "), "{told}");
    let update = spoiled.progress.update;
    let expected = format!(
        "at update {} of train, expected finite numbers; the last good checkpoint, of update {update} \
         of train, is kept",
        update + 1
    );
    assert!(told.contains(&expected), "{told} {expected}");
    assert!(std::fs::read(&checkpoint).unwrap() == before);
    std::fs::write(&checkpoint, good).unwrap();
    printed(folder.path(), "train --resume --out r");
    assert_eq!(differing(&path("whole"), &path("r")), [""; 0]);
    // And without a spoiled checkpoint: a rate that no network bears.
    let output = run(
        folder.path(),
        &format!("{line} --out wild --learning-rate 1e8"),
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("expected finite numbers"), "{stderr}");
    assert!(!path("wild/best.safetensors").exists());
}

#[test]
fn the_config_of_a_run_can_be_given_back_and_flags_win() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let flags = "--epochs 4 --seed 7 --grad-clip 0.5 --weight-decay 0.1 --token-dropout 0.1 --ema 0.9 \
                 --drop-connect 0.2 --schedule cosine --warm-up 3 --min-lr 0.5 --patience 9 \
                 --validate-every 7 --learning-rate 0.004 --projection 5 --cell cifg \
                 --sequence-length 20 --jitter false --beta1 0.8 --beta2 0.97 --epsilon 1e-6 --optimizer sgd";
    printed(folder.path(), &format!("train {SMALL} {flags} --out a"));
    printed(
        folder.path(),
        "train --config a/config.toml --out b --threads 2",
    );
    assert_eq!(differing(&path("a"), &path("b")), [""; 0]);
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(read("a/config.toml"), read("b/config.toml"));
    assert_eq!(read("a/config.json"), read("b/config.json"));
    printed(
        folder.path(),
        "train --config a/config.toml --out c --seed 8",
    );
    assert!(read("c/config.toml").contains("seed = 8"));
    assert!(differing(&path("a"), &path("c")).contains(&"final.safetensors"));
    let best = "--recipe best --pretrain good.txt --pretrain-epochs 2 --epochs 3";
    printed(folder.path(), &format!("train {SMALL} {best} --out d"));
    printed(folder.path(), "train --config d/config.toml --out e");
    assert_eq!(differing(&path("d"), &path("e")), [""; 0]);
}

#[test]
fn what_a_config_holds_gives_way_to_what_is_typed() {
    let folder = folder();
    let config = |run: &str| std::fs::read_to_string(folder.path().join(run).join("config.toml"));
    let train = |line: &str| printed(folder.path(), &format!("train {line}"));
    train(&format!("{SMALL} --epochs 1 --warm-up 3 --out a"));
    train("--config a/config.toml --schedule constant --out b");
    let constant = config("b").unwrap();
    assert!(constant.contains("schedule = \"constant\""), "{constant}");
    assert!(constant.contains("warm-up = 3"), "{constant}");
    train("--config b/config.toml --schedule cosine --warm-up 5 --out c");
    assert!(config("c").unwrap().contains("warm-up = 5"));
    // Hours, unless they are taken back.
    let minutes = config("a").unwrap() + "minutes = 600\n";
    std::fs::write(folder.path().join("minutes.toml"), minutes).unwrap();
    train("--config minutes.toml --minutes 0 --out d");
    assert!(!config("d").unwrap().contains("minutes"));
    let best = "--recipe best --pretrain good.txt --pretrain-epochs 1 --epochs 1";
    train(&format!("{SMALL} {best} --out e"));
    train("--config e/config.toml --recipe sonnets --out f");
    assert!(!config("f").unwrap().contains("pretrain"));
}

#[test]
fn a_text_too_short_for_the_batch_is_told() {
    let folder = folder();
    let told = printed(
        folder.path(),
        "train --corpus good.txt --hidden 4 --embedding 2 --batch-size 900 --epochs 1 --out r",
    );
    let start = "the training part of good.txt is long enough for ";
    let mut lines = told.lines();
    let found = lines.find_map(|line| line.strip_prefix(start)).unwrap();
    let (rows, rest) = found.split_once(' ').unwrap();
    assert_eq!(rest, "rows a batch, not for 900");
    assert!(told.contains(&format!("; batch size {rows}; ")), "{told}");
    let told = printed(folder.path(), &format!("train {SMALL} --epochs 1 --out s"));
    assert!(!told.contains("long enough"), "{told}");
    assert!(!told.contains("has work for"), "{told}");
    let line = "train --corpus good.txt --hidden 4 --embedding 2 --batch-size 9 --threads 3 --epochs 1 --out t";
    let told = printed(folder.path(), line);
    let expected = "a batch of 9 rows has work for 2 of 3 threads in its layers, 8 rows each";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_bad_config_is_refused_with_its_line() {
    let folder = folder();
    for (file, expected) in [
        (
            "corpus = \"good.txt\"\n\nhiden = 12\n",
            "bad.toml line 3: unknown field `hiden`, expected one of `recipe`, `corpus`,",
        ),
        ("resume = true\n", "line 1: unknown field `resume`"),
        (
            "hidden = 12\nlayers = \"many\"\n",
            "line 2: invalid type: string \"many\", expected i64",
        ),
        (
            "hidden = [12]\n",
            "line 1: invalid type: sequence, expected i64",
        ),
        ("hidden = 12\nhidden = 13\n", "line 2: duplicate key"),
        ("hidden 12\n", "line 1: "),
        ("seed = -1\n", "line 1: found -1, expected 0 or more"),
        ("batch-size = 0\n", "line 1: found 0, expected 1 to 4096"),
        (
            "\nrecipe = \"haiku\"\n",
            "line 2: found recipe \"haiku\", expected one of many-to-one,",
        ),
    ] {
        std::fs::write(folder.path().join("bad.toml"), file).unwrap();
        refuses(folder.path(), "train --config bad.toml", expected);
    }
    refuses(
        folder.path(),
        "train --config missing.toml",
        "cannot read missing.toml",
    );
}

#[test]
fn patience_ends_a_run_and_stays_ended() {
    let folder = folder();
    let line = format!("train {SMALL} --validate-every 5 --epochs 2000 --patience 3 --out r");
    let told = printed(folder.path(), &line);
    assert!(
        told.contains("stopped early: no better one in 3 validations"),
        "{told}"
    );
    let rows =
        || host_trainer::training::metrics::read(&folder.path().join("r/metrics.jsonl")).unwrap();
    let bits: Vec<f64> = rows().iter().map(|r| r.validation_bits_per_char).collect();
    let best = bits.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(bits[bits.len() - 4], best);
    printed(folder.path(), "train --resume --out r");
    assert_eq!(rows().len(), bits.len());
}

#[test]
fn averaged_weights_may_become_the_best() {
    let folder = folder();
    let flags = "--epochs 30 --ema 0.8 --schedule constant --learning-rate 0.2 --validate-every 10";
    let told = printed(folder.path(), &format!("train {SMALL} {flags} --out r"));
    let rows =
        host_trainer::training::metrics::read(&folder.path().join("r/metrics.jsonl")).unwrap();
    let least = |bits: &dyn Fn(&host_trainer::training::metrics::Row) -> f64| {
        rows.iter().map(bits).fold(f64::INFINITY, f64::min)
    };
    let average = least(&|row| row.average_bits_per_char.unwrap());
    assert!(average < least(&|row| row.validation_bits_per_char));
    let line = "evaluate r/best.safetensors --corpus good.txt --split validation";
    let table = printed(folder.path(), line);
    assert!(
        table.contains(&format!("{average:.4}")),
        "{average} {table}"
    );
    assert!(
        told.contains(&format!("averaged {average:.4} bits/char *")),
        "{told}"
    );
}

#[test]
fn a_run_tells_its_course() {
    let folder = folder();
    let line = format!("train {SMALL} --recipe many-to-many --epochs 2 --out r");
    let told = printed(folder.path(), &line);
    let read = |name: &str| std::fs::read_to_string(folder.path().join("r").join(name)).unwrap();
    let rows =
        host_trainer::training::metrics::read(&folder.path().join("r/metrics.jsonl")).unwrap();
    let csv: String = rows
        .iter()
        .map(host_trainer::training::metrics::Row::to_csv)
        .collect();
    assert_eq!(read("metrics.csv").split_once('\n').unwrap().1, csv);
    assert_eq!(rows.len(), 2);
    // Its losses are not the notebook's, which has another text and more units.
    assert!(!told.contains("the notebook's own run"), "{told}");
    assert!(!folder.path().join("r/table.md").exists());
    assert!(told.contains(", validation (trained on) "), "{told}");
    // Before each epoch and at the end.
    assert_eq!(read("samples.txt").matches("\n# train update ").count(), 2);
    let curve = read("curve.svg");
    for line in ["training", "validation (trained on)"] {
        assert!(curve.contains(&format!("\n{line}\n")), "{curve}");
    }
    for color in [1, 2] {
        let line = format!("stroke=\"var(--color-{color})\" stroke-width=\"2\" points=");
        // The line itself, and its mark in the legend.
        assert_eq!(curve.matches(&line).count(), 2, "{curve}");
    }
    // What the formats lose, at the end.
    let closing = told.split("format").last().unwrap();
    for format in ["f32", "int8", "int4"] {
        assert!(closing.contains(&format!("\n{format} ")), "{told}");
    }
    assert!(Network::load(&PathBuf::from(folder.path()).join("r/best.safetensors")).is_ok());
}

#[test]
fn a_changed_corpus_is_noticed_when_a_run_goes_on() {
    let folder = folder();
    printed(folder.path(), &format!("train {SMALL} --epochs 1 --out r"));
    std::fs::write(folder.path().join("good.txt"), text(401)).unwrap();
    refuses(
        folder.path(),
        "train --resume --out r",
        "as when the run began",
    );
}

#[test]
fn a_run_of_the_notebook_is_shown_beside_it_by_whole_epochs() {
    let folder = folder();
    let sonnets = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/sonnets.txt");
    let line = "train --recipe many-to-one --epochs 0.02 --threads 1 --out r --corpus";
    let child = spawn(folder.path(), &format!("{line} {sonnets}"));
    let table = folder.path().join("r/table.md");
    let start = Instant::now();
    while !table.exists() {
        assert!(start.elapsed().as_secs() < 60, "no table");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(&child, "-KILL");
    child.wait_with_output().unwrap();
    let table = std::fs::read_to_string(table).unwrap();
    let row = table.lines().nth(2).unwrap();
    assert!(row.starts_with("| 0.02 | "), "{table}");
    assert!(row.ends_with(" | | |"), "{table}");
}

/// A run that was killed after some reports, in `r`.
fn killed(folder: &Path, flags: &str) -> PathBuf {
    let line = format!("train {SMALL} --epochs 100000 --checkpoint-every 0 --out r {flags}");
    let mut child = spawn(folder, &line);
    let run = folder.join("r");
    wait_for_reports(&run, 2);
    signal(&child, "-KILL");
    child.wait().unwrap();
    // A file that was half-written goes whenever the folder is opened.
    for entry in std::fs::read_dir(&run).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_name().to_string_lossy().starts_with(".tmp") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    run
}

#[test]
fn a_refused_resume_changes_nothing() {
    let folder = folder();
    let run = killed(folder.path(), "");
    // What was written after the checkpoint.
    for name in ["metrics.csv", "metrics.jsonl", "samples.txt"] {
        let mut text = std::fs::read(run.join(name)).unwrap();
        text.extend(b"more\n");
        std::fs::write(run.join(name), text).unwrap();
    }
    let refuse = |line: &str, expected: &str| {
        let before = listing(folder.path());
        refuses(folder.path(), line, expected);
        assert!(listing(folder.path()) == before, "{line} changed something");
    };
    refuse(
        "train --resume --out r --hidden 99",
        "r: found a run of sonnets with LSTM 12, expected sonnets with LSTM 99 as the flags say",
    );
    std::fs::write(folder.path().join("good.txt"), text(401)).unwrap();
    refuse("train --resume --out r", "as when the run began");
    std::fs::write(folder.path().join("good.txt"), text(400)).unwrap();
    std::fs::write(run.join("samples.txt"), "").unwrap();
    refuse(
        "train --resume --out r",
        "samples.txt has 0 bytes, expected at least",
    );
    std::fs::remove_file(run.join("samples.txt")).unwrap();
    refuse("train --resume --out r", "cannot read r/samples.txt");
}

#[test]
fn a_run_that_lost_its_checkpoint_does_not_start_anew() {
    let folder = folder();
    printed(folder.path(), &format!("train {SMALL} --epochs 2 --out r"));
    std::fs::remove_file(folder.path().join("r/checkpoint.safetensors")).unwrap();
    let before = listing(folder.path());
    let expected = "cannot read r/checkpoint.safetensors";
    refuses(folder.path(), "train --resume --out r", expected);
    assert!(listing(folder.path()) == before);
}

#[test]
fn a_run_can_go_on_from_its_first_moment() {
    let folder = folder();
    for (recipe, epochs) in [("sonnets", 200), ("many-to-many", 4), ("many-to-one", 4)] {
        let line = format!("train {SMALL} --recipe {recipe} --epochs {epochs} --out {recipe}");
        printed(folder.path(), &format!("{line}-whole"));
        // No checkpoint but that of the start.
        let mut child = spawn(folder.path(), &format!("{line} --checkpoint-every 1000"));
        wait_for_reports(&folder.path().join(recipe), 1);
        signal(&child, "-KILL");
        child.wait().unwrap();
        let checkpoint = folder.path().join(recipe).join("checkpoint.safetensors");
        assert_eq!(Checkpoint::load(&checkpoint).unwrap().progress.update, 0);
        printed(folder.path(), &format!("train --resume --out {recipe}"));
        let path = |name: &str| folder.path().join(name);
        let whole = path(&format!("{recipe}-whole"));
        assert_eq!(differing(&whole, &path(recipe)), [""; 0], "{recipe}");
    }
}

#[test]
fn a_checkpoint_belongs_to_one_config() {
    let folder = folder();
    let run = killed(folder.path(), "");
    printed(
        folder.path(),
        &format!("train {SMALL} --epochs 1 --seed 2 --out other"),
    );
    let path = |name: &str| run.join(name);
    let (config, checkpoint) = (path("config.json"), path("checkpoint.safetensors"));
    let refuse = |expected: &str| {
        let before = listing(folder.path());
        refuses(folder.path(), "train --resume --out r", expected);
        assert!(listing(folder.path()) == before);
    };
    let text = std::fs::read_to_string(&config).unwrap();
    for (from, to, place) in [
        (
            "\"ema\": null",
            "\"ema\": 0.9",
            "phases.0.ema null, expected 0.9",
        ),
        (
            "\"epochs\": 100000.0",
            "\"epochs\": 3.0",
            "phases.0.epochs 100000.0, expected 3.0",
        ),
        ("\"seed\": 1,", "\"seed\": 3,", "seed 1, expected 3"),
        (
            "\"batch_size\": 4,",
            "\"batch_size\": 5,",
            "phases.0.feed.streams.batch_size 4, expected 5",
        ),
    ] {
        assert!(text.contains(from), "{text}");
        std::fs::write(&config, text.replace(from, to)).unwrap();
        refuse(&format!(
            "r/checkpoint.safetensors: found a checkpoint of a run with {place}"
        ));
    }
    std::fs::write(&config, &text).unwrap();
    let own = std::fs::read(&checkpoint).unwrap();
    let others = folder.path().join("other/checkpoint.safetensors");
    std::fs::copy(others, &checkpoint).unwrap();
    refuse("found a checkpoint of a run with seed 2, expected 1");
    std::fs::write(&checkpoint, &own).unwrap();
    // A file that says what no run of this config would.
    let place = "found a place that is not in the texts, expected one that is";
    type Spoil = fn(&mut Checkpoint);
    let spoilers: [(Spoil, &str); 10] = [
        (
            |checkpoint| checkpoint.progress.phase = 1,
            "found phase 1, expected one below 1",
        ),
        (
            |checkpoint| checkpoint.places[0].cursor.position = 1 << 20,
            place,
        ),
        (
            |checkpoint| checkpoint.places[0].cursor.position = usize::MAX,
            place,
        ),
        (
            |checkpoint| checkpoint.places[0].cursor.offset = usize::MAX,
            place,
        ),
        (
            |checkpoint| checkpoint.places[0].cursor.shuffle = Some(Random::new(1)),
            place,
        ),
        (|checkpoint| checkpoint.places.clear(), place),
        (
            |checkpoint| checkpoint.average = checkpoint.parameters.clone(),
            "found average tensors of [",
        ),
        (
            |checkpoint| drop(checkpoint.parameters.pop()),
            "found parameter tensors of [",
        ),
        (
            |checkpoint| checkpoint.moments[2].truncate(1),
            "found moment tensors of [",
        ),
        (
            |checkpoint| {
                // Of five rows.
                let (h, c) = (vec![0.0; 60], vec![0.0; 60]);
                checkpoint.places[0].states = vec![State { h, c }];
            },
            place,
        ),
    ];
    for (spoil, expected) in spoilers {
        let mut spoiled = Checkpoint::load(&checkpoint).unwrap();
        spoil(&mut spoiled);
        spoiled.save(&checkpoint).unwrap();
        refuse(expected);
        std::fs::write(&checkpoint, &own).unwrap();
    }
    // Where the text lies decides nothing.
    let moved = text.replace("good.txt", "moved.txt");
    std::fs::write(&config, moved).unwrap();
    std::fs::rename(
        folder.path().join("good.txt"),
        folder.path().join("moved.txt"),
    )
    .unwrap();
    let child = spawn(folder.path(), "train --resume --out r");
    let rows = std::fs::read_to_string(path("metrics.jsonl")).unwrap();
    wait_for_reports(&run, rows.lines().count() + 1);
    signal(&child, "-INT");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}

#[test]
fn a_path_that_is_not_utf_8_is_refused_before_anything_is_deleted() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    printed(folder.path(), &format!("train {SMALL} --epochs 1 --out r"));
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
    std::fs::write(folder.path().join(name), text(400)).unwrap();
    let before = listing(folder.path());
    let pretrained = "train --recipe best --hidden 12 --corpus good.txt --out r --force";
    for (line, flag) in [
        ("train --hidden 12 --out r --force", "--corpus"),
        (pretrained, "--pretrain"),
    ] {
        let output = trainer(folder.path(), line).arg(flag).arg(name).output();
        let output = output.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        let expected = format!("error: found {flag} caf\u{fffd}.txt, expected a name in UTF-8\n");
        assert_eq!(stderr, expected);
        assert!(listing(folder.path()) == before, "{flag}");
    }
}
