//! The programs that train on request, and what can be asked of them.

use std::{
    fmt,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, root, run, step, target, works};

/// The program of ours: `host-trainer/examples/training_speed.rs`.
const OURS: &str = "training_speed";
/// PyTorch's.
const SCRIPT: &str = include_str!("pytorch.py");

/// One way to train.
#[derive(Clone, Copy)]
pub(super) struct Contender {
    engine: Engine,
    pub(super) threads: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Engine {
    Fused,
    Graph,
    CandleNn,
    PyTorch,
}

impl Contender {
    /// PyTorch and candle have no lean layer.
    pub(super) fn can_train(&self, model: &str) -> bool {
        model != "C" || matches!(self.engine, Engine::Fused | Engine::Graph)
    }

    pub(super) fn is_ours(&self) -> bool {
        self.engine == Engine::Fused
    }

    pub(super) fn is_pytorch(&self) -> bool {
        self.engine == Engine::PyTorch
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.engine {
            Engine::Fused => "ours, fused step",
            Engine::Graph => "ours, as a node of a candle graph",
            Engine::CandleNn => "candle-nn LSTM",
            Engine::PyTorch => "PyTorch nn.LSTM",
        })
    }
}

/// The two programs, running.
pub(super) struct Contenders {
    ours: Worker,
    pytorch: Worker,
    version: String,
    threads: usize,
}

impl Contenders {
    /// Builds and starts them; installs PyTorch unless there is a `python` that has it.
    pub(super) fn start(threads: usize, python: Option<&Path>) -> Result<Self> {
        let python = match python {
            Some(python) => python.to_path_buf(),
            None => step("installing PyTorch into target/bench", pytorch)?,
        };
        step("building the trainer", || {
            let mut command = cargo(&root());
            command.args(["build", "--release", "--package", "host-trainer"]);
            run(command
                .args(["--example", OURS, "--target-dir"])
                .arg(target()))
        })?;
        let ours = target().join("release/examples").join(OURS);
        let mut ours = Command::new(ours);
        // Candle's own pool is for the other work of a graph; more of its threads slow it down.
        let ours = Worker::start(ours.env("RAYON_NUM_THREADS", "1"))?;
        let mut pytorch = Worker::start(Command::new(python).args(["-c", SCRIPT]))?;
        let version = pytorch
            .ask("version")
            .context("this Python has no PyTorch")?;
        Ok(Self {
            ours,
            pytorch,
            version,
            threads,
        })
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Every engine, with one thread and with all; candle-nn is no faster with more than one.
    pub(super) fn list(&self) -> Vec<Contender> {
        let engines = [
            Engine::Fused,
            Engine::PyTorch,
            Engine::Graph,
            Engine::CandleNn,
        ];
        let mut list = Vec::new();
        for engine in engines {
            let all = (engine != Engine::CandleNn && self.threads > 1).then_some(self.threads);
            let counts = std::iter::once(1).chain(all);
            list.extend(counts.map(|threads| Contender { engine, threads }));
        }
        list
    }

    /// Milliseconds of each batch, and of processor time a batch.
    pub(super) fn train(
        &mut self,
        contender: &Contender,
        model: &str,
        batches: usize,
    ) -> Result<(Vec<f64>, Option<f64>)> {
        let work = format!("{model} {} {batches}", contender.threads);
        let (worker, request) = match contender.engine {
            Engine::Fused => (&mut self.ours, format!("fused {work}")),
            Engine::Graph => (&mut self.ours, format!("graph {work}")),
            Engine::CandleNn => (&mut self.ours, format!("candle-nn {work}")),
            Engine::PyTorch => (&mut self.pytorch, work),
        };
        let before = worker.processor_seconds();
        let answer = worker.ask(&request)?;
        let processor = worker.processor_seconds().zip(before);
        let processor = processor.map(|(after, before)| (after - before) * 1e3 / batches as f64);
        let times: Result<Vec<f64>, _> = answer.split_whitespace().map(str::parse).collect();
        let times = times.with_context(|| format!("found \"{answer}\", expected milliseconds"))?;
        Ok((times, processor))
    }

    /// Multiply-adds of so many threads together, in GFLOP/s.
    pub(super) fn peak(&mut self, threads: usize) -> Result<f64> {
        Ok(self.ours.ask(&format!("peak {threads}"))?.parse()?)
    }
}

/// A Python with PyTorch, in a virtual environment that is made if it is not there.
fn pytorch() -> Result<PathBuf> {
    let folder = target().join("bench/pytorch");
    let python = folder.join("bin/python");
    let has_torch = |python: &Path| works(&python.to_string_lossy(), &["-c", "import torch"]);
    if has_torch(&python) {
        return Ok(python);
    }
    let made = run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    made.context("Python 3 with its venv module is needed (Debian: apt-get install python3-venv)")?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "torch", "numpy"]))?;
    if !has_torch(&python) {
        bail!("{} does not import torch", python.display());
    }
    Ok(python)
}

/// A program that answers each line with a line.
struct Worker {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        let requests = child.stdin.take().context("standard input is piped")?;
        let answers = child.stdout.take().context("standard output is piped")?;
        Ok(Self {
            child,
            requests,
            answers: BufReader::new(answers),
        })
    }

    fn ask(&mut self, request: &str) -> Result<String> {
        writeln!(self.requests, "{request}")?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            bail!("no answer to \"{request}\"");
        }
        Ok(answer.trim().to_owned())
    }

    /// Processor time so far, in user mode, of all threads; Linux alone tells it so simply.
    fn processor_seconds(&self) -> Option<f64> {
        const TICKS_A_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The fields after the program's name, which stands in parentheses; utime is the 14th.
        let (_, fields) = stat.rsplit_once(')')?;
        let ticks: f64 = fields.split_whitespace().nth(11)?.parse().ok()?;
        Some(ticks / TICKS_A_SECOND)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without a reader and a writer there is nothing left for it to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
