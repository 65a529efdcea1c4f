//! `cargo xtask fuzz`: hostile input for everything that reads, and planted bugs to show that it is
//! found.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::shell::{self, output, root, step, target, works};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Only this target: model_file, payload, kernels, console, checkpoint or corpus
    #[arg(value_parser = parse)]
    target: Option<&'static Target>,
    /// Stop each target after so many minutes
    #[arg(long, conflicts_with = "executions")]
    minutes: Option<f64>,
    /// Stop each target after so many executions [default: 10000000]
    #[arg(long)]
    executions: Option<u64>,
    /// Put a bug into a copy of the code, and fail unless the target finds it
    #[arg(long)]
    planted: bool,
    /// Afterwards, put the smallest inputs that reach most into tests/fuzz/corpus
    #[arg(long, conflicts_with = "planted")]
    minimize: bool,
}

/// A fuzz target and its control.
#[derive(Debug)]
struct Target {
    name: &'static str,
    /// The longest input.
    max_len: usize,
    /// Features of the crate.
    features: &'static str,
    bug: Bug,
}

/// A bug, as an edit of the code.
#[derive(Debug)]
struct Bug {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

/// All targets. Each bug is one that a person could have written.
const TARGETS: &[Target] = &[
    Target {
        name: "model_file",
        max_len: 2304,
        features: "",
        // Some bytes may follow the file.
        bug: Bug {
            file: "lstm-core/src/file.rs",
            from: "match found > expected {",
            to: "match found > expected + 64 {",
        },
    },
    Target {
        name: "payload",
        max_len: 256,
        features: "",
        // What fills up a snapshot may be anything.
        bug: Bug {
            file: "lstm-core/src/generator.rs",
            from: "if filling.iter().any(|&byte| byte != 0) {",
            to: "if filling.len() > 200 {",
        },
    },
    Target {
        name: "kernels",
        max_len: 256,
        features: "",
        bug: if cfg!(target_arch = "aarch64") {
            BUG_OF_AARCH64
        } else {
            BUG_OF_X86_64
        },
    },
    Target {
        name: "console",
        max_len: 300,
        features: "",
        // A number of many digits is too large before anything notices.
        bug: Bug {
            file: "firmware-demo/app/src/number.rs",
            from: "if digits >= 1 << f32::MANTISSA_DIGITS {",
            to: "if digits >= 1 << 31 {",
        },
    },
    Target {
        name: "checkpoint",
        max_len: 1024,
        features: "trainer",
        // Infinite weights are read.
        bug: Bug {
            file: "host-trainer/src/files/tensors.rs",
            from: "position(|x| !x.is_finite())",
            to: "position(|x| x.is_nan())",
        },
    },
    Target {
        name: "corpus",
        max_len: 1024,
        features: "trainer",
        // A text of one symbol makes an alphabet.
        bug: Bug {
            file: "host-trainer/src/text/alphabet.rs",
            from: "if !(2..=MAX_SYMBOLS)",
            to: "if !(1..=MAX_SYMBOLS)",
        },
    },
];

/// Negative weights of odd columns are shifted as if they had no sign.
const BUG_OF_X86_64: Bug = Bug {
    file: "lstm-core/src/kernel/x86_64.rs",
    from: "_mm256_srai_epi16::<8>(w)",
    to: "_mm256_srli_epi16::<8>(w)",
};
/// Half of the rows read some columns twice, and others never.
const BUG_OF_AARCH64: Bug = Bug {
    file: "lstm-core/src/kernel/aarch64.rs",
    from: "vmlal_high_s8(vmull_high_s8(w0, x0), w1, x1)",
    to: "vmlal_high_s8(vmull_high_s8(w0, x0), w1, x0)",
};

/// Executions of each target unless the options say otherwise.
const EXECUTIONS: u64 = 10_000_000;
/// Inputs that are kept for each target, and their bytes.
const CORPUS_INPUTS: usize = 128;
const CORPUS_BYTES: usize = 30_000;
/// The time from one line of progress to the next.
const PROGRESS: Duration = Duration::from_secs(30);

fn parse(name: &str) -> Result<&'static Target, String> {
    let found = TARGETS.iter().find(|target| target.name == name);
    found.ok_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// Runs the targets one after the other, and stops at the first that finds something; with bugs
/// planted, at the first that finds nothing.
pub fn run(options: &Options) -> Result<()> {
    step("checking the nightly compiler and cargo-fuzz", setup)?;
    let all = TARGETS.iter().filter(|target| match options.target {
        Some(chosen) => chosen.name == target.name,
        None => true,
    });
    for target in all {
        match options.planted {
            false => fuzz(target, options)?,
            true => find_the_bug(target, options)?,
        }
    }
    Ok(())
}

fn setup() -> Result<()> {
    if !works("cargo", &["+nightly", "--version"]) {
        let install = ["toolchain", "install", "nightly", "--profile", "minimal"];
        shell::run(Command::new("rustup").args(install))?;
    }
    if !works("cargo-fuzz", &["--version"]) {
        shell::run(Command::new("cargo").args(["install", "--locked", "cargo-fuzz"]))?;
    }
    Ok(())
}

/// The folder for what is built, found and written down.
fn folder() -> PathBuf {
    target().join("fuzz")
}

fn fuzz(target: &Target, options: &Options) -> Result<()> {
    let program = build(target, &root())?;
    let kept = root().join("tests/fuzz/corpus").join(target.name);
    let found = folder().join("corpus").join(target.name);
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&kept)?;
    let what = format!("fuzzing {}", target.name);
    let outcome = step(&what, || {
        execute(target, &program, &[&found, &kept], options)
    })?;
    if let Some(finding) = outcome.finding {
        bail!("{}: {finding}", target.name);
    }
    if options.minimize {
        let what = format!("minimizing the corpus of {}", target.name);
        step(&what, || minimize(target, &program, &found, &kept))?;
    }
    Ok(())
}

/// Builds a target of a copy of the repository. No sanitizer: the code that is tested has no
/// `unsafe` but calls of functions for a CPU with AVX2, and without one it is twice as fast.
fn build(target: &Target, root: &Path) -> Result<PathBuf> {
    // Apart, so that nothing waits for the trainer's many dependencies. What the trainer reads has
    // words in it, which libFuzzer guesses from comparisons; the others are faster without.
    let (built, compares) = match target.features {
        "" => (folder().join("build-engine"), Some("--no-trace-compares")),
        _ => (folder().join("build-trainer"), None),
    };
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", "build", "--sanitizer", "none"]);
    command.args(compares);
    command.args(["--fuzz-dir", "tests/fuzz/libfuzzer", "--target-dir"]);
    command
        .arg(&built)
        .args(["--features", target.features, target.name]);
    // The toolchain of this program is another one.
    for variable in ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "CARGO"] {
        command.env_remove(variable);
    }
    command.current_dir(root);
    step(&format!("building {}", target.name), || {
        shell::run(&mut command)
    })?;
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc names its host")?;
    Ok(built.join(host).join("release").join(target.name))
}

/// What came of a run.
struct Outcome {
    /// What was found, if anything.
    finding: Option<String>,
    executions: u64,
    seconds: f64,
}

/// Runs a target, and says how far it is.
fn execute(
    target: &Target,
    program: &Path,
    corpora: &[&Path],
    options: &Options,
) -> Result<Outcome> {
    let artifacts = folder().join("findings").join(target.name);
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(program);
    match options.minutes {
        Some(minutes) => command.arg(format!("-max_total_time={:.0}", 60.0 * minutes)),
        None => command.arg(format!(
            "-runs={}",
            options.executions.unwrap_or(EXECUTIONS)
        )),
    };
    command.arg(format!("-max_len={}", target.max_len));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    let words = root().join("tests/fuzz/words").join(target.name);
    if words.is_file() {
        command.arg(format!("-dict={}", words.display()));
    }
    command.args(corpora);
    let start = Instant::now();
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().context("standard error is piped")?;
    let (mut executions, mut inputs) = (0, String::new());
    let (mut said, mut panic, mut artifact) = (start, Vec::new(), String::new());
    for line in BufReader::new(stderr).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        // `#1024 NEW cov: 100 ft: 200 corp: 30/4Kb lim: 4 exec/s: 512 rss: 40Mb ...`
        if let Some(count) = line
            .strip_prefix('#')
            .and_then(|l| l.split_whitespace().next())
        {
            executions = count.parse().unwrap_or(executions);
            let corpus = line
                .split("corp: ")
                .nth(1)
                .and_then(|l| l.split('/').next());
            inputs = corpus.map_or(inputs, str::to_owned);
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                let rate = executions as f64 / start.elapsed().as_secs_f64();
                println!("    {executions} executions, {rate:.0} a second, {inputs} inputs");
            }
        } else if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            executions = count.trim().parse().unwrap_or(executions);
        } else if line.contains("panicked at") || (1..4).contains(&panic.len()) {
            panic.push(line.trim().to_owned());
        } else if line.contains("Test unit written to ") {
            artifact = line
                .split("written to ")
                .nth(1)
                .unwrap_or_default()
                .to_owned();
        }
    }
    let success = child.wait()?.success();
    let seconds = start.elapsed().as_secs_f64();
    let rate = executions as f64 / seconds;
    println!("    {executions} executions, {rate:.0} a second, {inputs} inputs");
    let finding = (!success).then(|| {
        let panic: String = panic.join(" ").chars().take(300).collect();
        format!("{panic}; the input is {artifact}")
    });
    Ok(Outcome {
        finding,
        executions,
        seconds,
    })
}

/// Puts the smallest inputs that reach what was reached in place of those that were kept.
fn minimize(target: &Target, program: &Path, found: &Path, kept: &Path) -> Result<()> {
    let smallest = folder().join("minimized").join(target.name);
    let _ = fs::remove_dir_all(&smallest);
    fs::create_dir_all(&smallest)?;
    let mut command = Command::new(program);
    command.args([
        "-set_cover_merge=1",
        &format!("-max_len={}", target.max_len),
    ]);
    command.arg(&smallest).args([found, kept]);
    shell::run(command.stderr(Stdio::null()))?;
    let all = files(&smallest)?;
    // Some of each length.
    let each = all.len().div_ceil(CORPUS_INPUTS).max(1);
    for path in files(kept)? {
        if !is_finding(&path) {
            fs::remove_file(path)?;
        }
    }
    let (mut count, mut bytes) = (0, 0);
    for path in all.iter().step_by(each) {
        let input = fs::read(path)?;
        bytes += input.len();
        if bytes > CORPUS_BYTES {
            break;
        }
        count += 1;
        fs::write(kept.join(path.file_name().unwrap_or_default()), input)?;
    }
    println!("    {count} of {} inputs kept", all.len());
    Ok(())
}

/// Whether the input showed a fault that has been mended since: it stays.
fn is_finding(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with("found-")
}

/// The files in a folder, the smallest first.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.push((entry.metadata()?.len(), entry.path()));
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// Plants the target's bug in a copy of the repository, and fails unless the target finds it.
fn find_the_bug(target: &Target, options: &Options) -> Result<()> {
    let Bug { file, from, to } = target.bug;
    let copy = folder().join("planted");
    copy_repository(&copy)?;
    let path = copy.join(file);
    let text = fs::read_to_string(&path)?;
    ensure!(
        text.matches(from).count() == 1,
        "{file}: found `{from}` {} times, expected it once, to plant a bug there",
        text.matches(from).count()
    );
    println!("==> planting a bug in {file}: `{from}` becomes `{to}`");
    fs::write(&path, text.replace(from, to))?;
    let program = build(target, &copy)?;
    let corpus = root().join("tests/fuzz/corpus").join(target.name);
    // What is found goes here, and not into the corpus.
    let found = empty_folder(target)?;
    let what = format!("fuzzing {} with the bug", target.name);
    let outcome = step(&what, || {
        execute(target, &program, &[&found, &corpus], options)
    })?;
    let Some(finding) = outcome.finding else {
        bail!("{}: found no bug, expected the planted one", target.name);
    };
    println!(
        "    found after {} executions, {:.1} s: {finding}",
        outcome.executions, outcome.seconds
    );
    Ok(())
}

/// An empty folder.
fn empty_folder(target: &Target) -> Result<PathBuf> {
    let folder = folder().join("planted-corpus").join(target.name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Copies what git tracks, or would; files that are equal keep their time, so that they are not
/// built again.
fn copy_repository(to: &Path) -> Result<()> {
    let mut list = Command::new("git");
    list.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    list.args(["--", ".", ":!models", ":!data"]);
    let list = output(list.current_dir(root()))?;
    let files: BTreeSet<_> = list.split('\0').filter(|file| !file.is_empty()).collect();
    let wanted = |path: &Path| files.iter().any(|file| to.join(file) == path);
    remove_sources(to, &wanted)?;
    for file in &files {
        let Ok(bytes) = fs::read(root().join(file)) else {
            continue;
        };
        let copy = to.join(file);
        if fs::read(&copy).is_ok_and(|old| old == bytes) {
            continue;
        }
        fs::create_dir_all(copy.parent().unwrap_or(to))?;
        fs::write(&copy, bytes)?;
    }
    Ok(())
}

/// Removes the Rust files of an earlier copy that are not wanted any more.
fn remove_sources(folder: &Path, is_wanted: &dyn Fn(&Path) -> bool) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            remove_sources(&path, is_wanted)?;
        } else if path.extension().is_some_and(|e| e == "rs") && !is_wanted(&path) {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_are_gone_leave_the_copy() {
        let folder = target().join("fuzz-sources-test");
        let source = folder.join("src");
        fs::create_dir_all(&source).unwrap();
        for file in ["old.rs", "new.rs", "old.txt"] {
            fs::write(source.join(file), "").unwrap();
        }
        remove_sources(&folder, &|path| path.ends_with("new.rs")).unwrap();
        let left = |file| source.join(file).exists();
        assert_eq!(
            ["old.rs", "new.rs", "old.txt"].map(left),
            [false, true, true]
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn every_bug_has_its_place() {
        let bugs = TARGETS.iter().map(|target| &target.bug);
        for bug in bugs.chain([&BUG_OF_X86_64, &BUG_OF_AARCH64]) {
            let text = fs::read_to_string(root().join(bug.file)).unwrap();
            assert_eq!(text.matches(bug.from).count(), 1, "{bug:?}");
        }
    }

    #[test]
    fn every_target_is_built() {
        let manifest = root().join("tests/fuzz/libfuzzer/Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        for target in TARGETS {
            let name = format!("name = \"{}\"\n", target.name);
            assert!(manifest.contains(&name), "{}", target.name);
        }
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }
}
