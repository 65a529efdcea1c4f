//! `fuzz-inputs`: puts the inputs that are kept where cargo-fuzz looks for them, and back.

use fuzz_targets::{
    TARGETS, Target,
    inputs::{self, Input},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

const USAGE: &str = "expected `unpack` or `pack`, and perhaps the name of one target";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (work, name): (fn(&Target) -> io::Result<()>, _) = match words[..] {
        ["unpack"] => (unpack, None),
        ["unpack", name] => (unpack, Some(name)),
        ["pack"] => (pack, None),
        ["pack", name] => (pack, Some(name)),
        _ => {
            eprintln!("error: found `{}`, {USAGE}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    let mut chosen = TARGETS
        .iter()
        .filter(|target| name.is_none_or(|name| name == target.name))
        .peekable();
    if chosen.peek().is_none() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!(
            "error: found target {}, expected one of: {}",
            name.unwrap_or_default(),
            names.join(", ")
        );
        return ExitCode::from(2);
    }
    for target in chosen {
        if let Err(error) = work(target) {
            eprintln!("error: {}: {error}", target.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Where cargo-fuzz looks for the inputs of a target, and puts what it finds.
fn folder(target: &Target) -> PathBuf {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    fuzz.join("libfuzzer/corpus").join(target.name)
}

/// The kept inputs and the seeds, as files.
fn unpack(target: &Target) -> io::Result<()> {
    let folder = folder(target);
    fs::create_dir_all(&folder)?;
    let mut all = match fs::read(target.archive()) {
        Ok(archive) => inputs::read(&archive)?,
        // A new target.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let seeds = (target.seeds)().into_iter().enumerate();
    all.extend(seeds.map(|(number, bytes)| Input {
        name: format!("seed-{number}"),
        bytes,
    }));
    for input in &all {
        fs::write(folder.join(&input.name), &input.bytes)?;
    }
    println!("{} inputs in {}", all.len(), folder.display());
    Ok(())
}

/// The files, back into the archive, with the findings that are there.
fn pack(target: &Target) -> io::Result<()> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder(target))? {
        let entry = entry?;
        all.push(Input {
            name: entry.file_name().to_string_lossy().into_owned(),
            bytes: fs::read(entry.path())?,
        });
    }
    if let Ok(archive) = fs::read(target.archive()) {
        let is_gone = |input: &Input| input.is_finding() && !all.contains(input);
        let gone: Vec<_> = inputs::read(&archive)?
            .into_iter()
            .filter(is_gone)
            .collect();
        all.extend(gone);
    }
    let count = all.len();
    let chosen = inputs::choose(all);
    println!(
        "{} of {count} inputs in {}",
        chosen.len(),
        target.archive().display()
    );
    fs::write(target.archive(), inputs::write(chosen)?)
}
