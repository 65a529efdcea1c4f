//! The engines that are timed, and what can be asked of them.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::engines::{self, Engine, Failure, Train};

/// PyTorch's side.
const SCRIPT: &str = include_str!("pytorch.py");

/// One way to train.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Contender {
    engine: Engine,
    pub(crate) threads: usize,
}

impl Contender {
    /// PyTorch and candle have no CIFG layer; candle is compared by text alone.
    pub(crate) fn can_train(&self, model: &str) -> bool {
        match self.engine {
            Engine::Ours => true,
            Engine::PyTorch => model != "C",
            Engine::CandleNn => ["A", "B"].contains(&model),
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.engine == Engine::Ours
    }

    pub(crate) fn is_pytorch(&self) -> bool {
        self.engine == Engine::PyTorch
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.engine {
            Engine::Ours => "ours",
            Engine::CandleNn => "candle-nn LSTM",
            Engine::PyTorch => "PyTorch nn.LSTM",
        })
    }
}

/// All of them, ready to train.
pub(crate) struct Contenders {
    engines: HashMap<(Contender, &'static str), Train>,
    pytorch: PyTorch,
    pub(crate) version: String,
    threads: usize,
}

impl Contenders {
    /// Starts PyTorch; installs it unless there is a `python` that has it.
    pub(crate) fn start(threads: usize, python: Option<&Path>) -> Result<Self, Failure> {
        let python = match python {
            Some(python) => python.to_path_buf(),
            None => install_pytorch()?,
        };
        let mut pytorch = PyTorch::start(&python)?;
        Ok(Self {
            version: pytorch.ask("version")?,
            engines: HashMap::new(),
            pytorch,
            threads,
        })
    }

    /// Every engine, with one thread and with all; candle-nn is no faster with more than one.
    pub(crate) fn list(&self) -> Vec<Contender> {
        let engines = [Engine::Ours, Engine::PyTorch, Engine::CandleNn];
        let mut list = Vec::new();
        for engine in engines {
            let all = (engine != Engine::CandleNn && self.threads > 1).then_some(self.threads);
            let counts = std::iter::once(1).chain(all);
            list.extend(counts.map(|threads| Contender { engine, threads }));
        }
        list
    }

    /// Milliseconds of each batch, and of processor time a batch.
    pub(crate) fn train(
        &mut self,
        contender: Contender,
        model: &'static str,
        batches: usize,
    ) -> Result<(Vec<f64>, Option<f64>), Failure> {
        let process = match contender.is_pytorch() {
            true => self.pytorch.child.id(),
            false => std::process::id(),
        };
        let before = processor_seconds(process);
        let times = match contender.engine {
            Engine::PyTorch => {
                let request = format!("{model} {} {batches}", contender.threads);
                let answer = self.pytorch.ask(&request)?;
                let times: Result<_, _> = answer.split_whitespace().map(str::parse).collect();
                times?
            }
            engine => self.train_here(contender, engine, model, batches)?,
        };
        let processor = processor_seconds(process).zip(before);
        let processor = processor.map(|(after, before)| (after - before) * 1e3 / batches as f64);
        Ok((times, processor))
    }

    fn train_here(
        &mut self,
        contender: Contender,
        engine: Engine,
        model: &'static str,
        batches: usize,
    ) -> Result<Vec<f64>, Failure> {
        let train = match self.engines.entry((contender, model)) {
            Entry::Occupied(train) => train.into_mut(),
            Entry::Vacant(place) => {
                place.insert(engines::prepare(engine, model, contender.threads)?)
            }
        };
        train(batches)
    }
}

/// Runs a program that must succeed.
fn run(command: &mut Command) -> Result<(), Failure> {
    match command.status()?.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed").into()),
    }
}

/// A Python with PyTorch, in a virtual environment that is made if it is not there.
fn install_pytorch() -> Result<PathBuf, Failure> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pytorch");
    let python = folder.join("bin/python");
    let has_torch = Command::new(&python)
        .args(["-c", "import torch"])
        .stderr(Stdio::null())
        .status();
    if has_torch.is_ok_and(|status| status.success()) {
        return Ok(python);
    }
    println!("installing PyTorch into {}", folder.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).map_err(|error| {
        format!("{error}; Python 3 with its venv module is needed (Debian: apt-get install python3-venv)")
    })?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "torch", "numpy"]))?;
    Ok(python)
}

/// PyTorch, which answers each line with a line.
struct PyTorch {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PyTorch {
    fn start(python: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(python)
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", python.display()))?;
        let requests = child.stdin.take().ok_or("standard input is piped")?;
        let answers = child.stdout.take().ok_or("standard output is piped")?;
        Ok(Self {
            child,
            requests,
            answers: BufReader::new(answers),
        })
    }

    fn ask(&mut self, request: &str) -> Result<String, Failure> {
        writeln!(self.requests, "{request}")?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            return Err(format!("PyTorch gives no answer to \"{request}\"").into());
        }
        Ok(answer.trim().to_owned())
    }
}

impl Drop for PyTorch {
    fn drop(&mut self) {
        // Without a reader and a writer there is nothing left for it to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of a process so far, in user mode, of all threads; Linux alone tells it so simply.
fn processor_seconds(process: u32) -> Option<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The fields after the program's name, which stands in parentheses; utime is the 14th.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields.split_whitespace().nth(11)?.parse().ok()?;
    Some(ticks / TICKS_A_SECOND)
}
