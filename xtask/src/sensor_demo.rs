//! `cargo xtask demo --sensor`: from a table of numbers to a chip that tells motions apart.

use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use lstm_core::{Model, Output, SensorSession, SensorWindow, WorkspaceSlices};

use crate::{
    aligned::AlignedBytes,
    boards::{Board, emulator},
    firmware, models,
    motions::{self, Motions, Sequence},
    qemu::Lines,
    setup,
    shell::{self, root, step, target},
    table::Table,
    trainer,
};

/// An emulated Cortex-M0 with 16 KB of RAM.
const BOARD: &str = "microbit-sensors";
/// The model that is shown without training.
const SHIPPED: &str = "models/sensors/motions-gru.lstm";
/// Answers that are shown as they come.
const SHOWN: usize = 8;

/// Runs the demo.
///
/// # Errors
///
/// A part fails, or the board tells something else than the desk.
pub fn run(pretrained: bool) -> Result<()> {
    let board = Board::parse(BOARD).map_err(anyhow::Error::msg)?;
    setup::install([&*emulator(board)?.program])?;
    let data = motions::prepare()?;
    let model = match pretrained {
        true => root().join(SHIPPED),
        false => train(&data)?,
    };
    models::check(board, &model)?;
    let elf = step(&format!("building the firmware for {}", board.name), || {
        firmware::build(board)
    })?;
    let sequences = motions::read(&data.test)?;
    let desk = desk_answers(&model, &sequences)?;
    println!(
        "==> running on QEMU's {}; {} sequences go in over the serial port, a step a line",
        emulator(board)?.machine,
        sequences.len()
    );
    let board_answers = board_answers(board, &elf, &model, &sequences)?;
    compare(&sequences, &board_answers, &desk)
}

fn train(data: &Motions) -> Result<PathBuf> {
    let program = step(
        "building the trainer (minutes the first time)",
        trainer::build,
    )?;
    let trainer = |command: &str| {
        let mut trainer = Command::new(&program);
        trainer.arg(command).current_dir(root());
        trainer
    };
    let folder = target().join("motions");
    let (run, model) = (folder.join("run"), folder.join("motions.lstm"));
    if run.exists() {
        fs::remove_dir_all(&run).with_context(|| format!("{} is in the way", run.display()))?;
    }
    step("training on 40 sequences of six channels", || {
        let mut train = trainer("train");
        train
            .arg("--data")
            .arg(&data.train)
            .args(["--task", "classify"]);
        shell::attach(train.arg("--out").arg(&run))
    })?;
    step("quantizing to int8 by the same data", || {
        let mut quantize = trainer("quantize");
        quantize
            .arg(run.join("best.safetensors"))
            .arg("--data")
            .arg(&data.train);
        shell::attach(quantize.args(["--format", "int8", "--out"]).arg(&model))
    })?;
    step("the test sequences, by the code of the firmware", || {
        let mut evaluate = trainer("evaluate");
        shell::attach(evaluate.arg(&model).arg("--data").arg(&data.test))
    })?;
    Ok(model)
}

/// The last answer to each sequence by the engine on the desk, as the board writes it.
fn desk_answers(path: &Path, sequences: &[Sequence]) -> Result<Vec<String>> {
    let file = AlignedBytes::read(path)?;
    answers(Model::from_bytes(file.bytes())?, sequences)
}

/// The last answer of this model to each sequence, as the board writes it.
///
/// # Errors
///
/// A step is no line of numbers for this model.
pub fn answers(model: Model<'_>, sequences: &[Sequence]) -> Result<Vec<String>> {
    let mut words = vec![0; model.workspace_words()];
    let mut logits = vec![0; model.num_outputs()];
    let memory = WorkspaceSlices::new(&mut words, &mut logits);
    let mut session = SensorSession::new(model, memory)?;
    let length = model.window().unwrap_or(0);
    let mut columns = vec![0; model.window_words(length)];
    let mut window = match length {
        0 => None,
        length => Some(SensorWindow::new(&model, &mut columns, length, length)?),
    };
    let mut answers = Vec::new();
    for sequence in sequences {
        session.reset();
        let mut last = None;
        if let Some(window) = &mut window {
            window.clear();
        }
        for line in &sequence.steps {
            let numbers: Result<Vec<f32>, _> = line.split(',').map(str::parse).collect();
            let numbers = numbers.with_context(|| line.clone())?;
            let output = match &mut window {
                Some(window) => window.push(&mut session, &numbers)?,
                None => Some(session.step(&numbers)?),
            };
            last = output.map(|output| answer(&model, &output)).or(last);
        }
        answers.push(last.context("a sequence is shorter than the window of the model")?);
    }
    Ok(answers)
}

/// As the firmware writes it.
fn answer(model: &Model<'_>, output: &Output<'_>) -> String {
    let class = output.class();
    let hundredths = (u32::from(output.probability_q15(class)) * 100 + (1 << 14)) >> 15;
    let name = model.head().names().nth(class).unwrap_or_default();
    format!("{name} {}.{:02}", hundredths / 100, hundredths % 100)
}

/// The last answer of the board to each sequence.
fn board_answers(
    board: &Board,
    elf: &Path,
    model: &Path,
    sequences: &[Sequence],
) -> Result<Vec<String>> {
    let mut lines = Lines::start(board, elf, model)?;
    let banner = lines.line()?;
    println!("{banner}");
    if !banner.starts_with("# model ") {
        bail!("found {banner:?} from the board, expected the name of a model");
    }
    let window = window_of(&banner);
    let is_terminal = io::stdout().is_terminal();
    let mut answers = Vec::new();
    for (number, sequence) in sequences.iter().enumerate() {
        lines.enter(":reset")?;
        let mut last = String::new();
        for (at, step) in (1..).zip(&sequence.steps) {
            lines.enter(step)?;
            if at % window == 0 {
                last = lines.line()?;
            }
        }
        if spread(number, sequences.len()) {
            if let Some(step) = sequence.steps.last() {
                println!("> {step}");
            }
            println!("{last}    ({} was asked)", sequence.class);
            if is_terminal {
                thread::sleep(Duration::from_millis(400));
            }
        }
        answers.push(last.trim_start_matches("# ").to_owned());
    }
    Ok(answers)
}

/// Whether this one is among the few that are shown, from all parts of the data.
fn spread(number: usize, of: usize) -> bool {
    number.is_multiple_of(of.div_ceil(SHOWN).max(1))
}

/// The steps from answer to answer, which the banner tells.
fn window_of(banner: &str) -> usize {
    let window = banner.split_once(", window ").map(|(_, rest)| rest);
    let digits = window.and_then(|rest| rest.split(';').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(1)
}

/// Tells how many answers are right, and whether the board's are the desk's.
fn compare(sequences: &[Sequence], board: &[String], desk: &[String]) -> Result<()> {
    let class = |answer: &str| {
        answer
            .rsplit_once(' ')
            .map_or("", |(class, _)| class)
            .to_owned()
    };
    let right = |answers: &[String]| {
        let pairs = sequences.iter().zip(answers);
        pairs
            .filter(|(sequence, answer)| class(answer) == sequence.class)
            .count()
    };
    let mut classes: Vec<&str> = sequences.iter().map(|s| &*s.class).collect();
    classes.sort_unstable();
    classes.dedup();
    let mut head = vec!["is \\ the board told"];
    head.extend(&classes);
    let mut table = Table::new(&head);
    for is in &classes {
        let told = |told: &&str| {
            let pairs = sequences.iter().zip(board);
            let count = pairs.filter(|(s, answer)| s.class == **is && class(answer) == **told);
            count.count().to_string()
        };
        let mut row = vec![(*is).to_owned()];
        row.extend(classes.iter().map(told));
        table.push(row);
    }
    print!("{}", table.render());
    let count = sequences.len();
    println!(
        "==> the board: {} of {count} right; the desk: {} of {count}",
        right(board),
        right(desk)
    );
    let different = (1..)
        .zip(board.iter().zip(desk))
        .find(|(_, (board, desk))| board != desk);
    if let Some((number, (board, desk))) = different {
        bail!(
            "found {board:?} from the board for sequence {number}, expected {desk:?} as on the desk"
        );
    }
    println!("==> equal, sequence by sequence, in class and probability");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_tells_the_window() {
        assert_eq!(
            window_of("# model a, 6 channels, 4 classes, window 100; type :help"),
            100
        );
        assert_eq!(window_of("# model a, 6 channels, 4 classes; type :help"), 1);
    }

    #[test]
    fn one_answer_that_differs_is_an_error() {
        let sequences = [Sequence {
            class: "walking".into(),
            steps: Vec::new(),
        }];
        let answer = |text: &str| [text.to_owned()];
        let (a, b) = (answer("walking 0.97"), answer("walking 0.96"));
        assert!(compare(&sequences, &a, &a).is_ok());
        assert!(compare(&sequences, &a, &b).is_err());
    }
}
