//! `cargo xtask demo`: from a text file to a talking chip.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    boards::{default_board, emulator},
    firmware, models, qemu, sensor_demo, setup,
    shell::{self, root, step, target},
    trainer,
};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    text: qemu::TextOptions,
    /// Show a model from models/ instead of training one
    #[arg(long)]
    pretrained: bool,
    /// Train on motions of a smart watch instead of a text, and show the firmware of a micro:bit telling them apart
    #[arg(long, conflicts_with_all = ["minutes", "corpus", "chars", "speed"])]
    sensor: bool,
    /// Train on this text instead of the sonnets
    #[arg(long, value_name = "FILE", conflicts_with = "pretrained")]
    corpus: Option<PathBuf>,
    /// How many minutes to train
    #[arg(long, default_value_t = 1.0, conflicts_with = "pretrained")]
    minutes: f64,
}

/// Runs the demo.
pub fn run(options: &Options) -> Result<()> {
    if options.sensor {
        return sensor_demo::run(options.pretrained);
    }
    let board = default_board();
    setup::install([&*emulator(board)?.program])?;
    let model = if options.pretrained {
        models::default(board)
    } else {
        train(options.minutes, options.corpus.as_deref())?
    };
    models::check(board, &model)?;
    let elf = step(&format!("building the firmware for {}", board.name), || {
        firmware::build(board)
    })?;
    let until = match options.text.chars {
        Some(chars) => format!("{chars} characters"),
        None => "until Ctrl-C".to_owned(),
    };
    println!(
        "==> running on QEMU's {}, with {} in its model region ({until})",
        emulator(board)?.machine,
        shown(&model)
    );
    qemu::show(board, &elf, &model, &options.text)
}

fn train(minutes: f64, corpus: Option<&Path>) -> Result<PathBuf> {
    // The trainer runs in the root.
    let corpus = match corpus {
        Some(corpus) => fs::canonicalize(corpus).with_context(|| corpus.display().to_string())?,
        None => root().join("data/sonnets.txt"),
    };
    let program = step(
        "building the trainer (minutes the first time)",
        trainer::build,
    )?;
    let trainer = |command: &str| {
        let mut trainer = Command::new(&program);
        trainer.arg(command).current_dir(root());
        trainer
    };

    let folder = target().join("demo");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("{} is in the way", shown(&folder)))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", shown(&folder)))?;
    let run = folder.join("run");
    let network = run.join("best.safetensors");
    let model = folder.join("poet.lstm");

    let what = format!("training on {} for {minutes} min", shown(&corpus));
    step(&what, || {
        let mut train = trainer("train");
        train.args(["--recipe", "recall", "--alphabet", "text"]);
        train.args(["--minutes", &minutes.to_string()]);
        train.arg("--corpus").arg(&corpus);
        shell::attach(train.arg("--out").arg(&run))
    })?;
    // The last twentieth of the text: the training has never looked at it.
    let held_out = |file: &Path| {
        let mut evaluate = trainer("evaluate");
        evaluate.arg(file).arg("--corpus").arg(&corpus);
        shell::attach(evaluate.args(["--split", "test"]))
    };
    step("held-out text in f32", || held_out(&network))?;
    step(&format!("quantizing to int8: {}", shown(&model)), || {
        let mut export = trainer("export");
        export.arg(&network).args(["--format", "int8"]);
        shell::attach(export.arg("--out").arg(&model))
    })?;
    step("held-out text in int8, by the code of the firmware", || {
        held_out(&model)
    })?;
    Ok(model)
}

/// A path as seen from the root of the repository.
fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}
