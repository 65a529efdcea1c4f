//! `cargo xtask mutants`: changes lstm-core in every small way, and wants a test to fail.

use anyhow::Result;

use crate::{
    setup,
    shell::{self, cargo, root, step, target},
};

/// The mutated files, and the tests that must notice. They are few, so that a mutant takes seconds;
/// the long runs of draws find nothing that the other tests do not.
const GROUPS: [(&[&str], &[&str]); 3] = [
    (&["sampler.rs", "random.rs"], &["sampler", "generator"]),
    (&["file.rs", "decode.rs", "model.rs"], &["file", "session"]),
    (
        &[
            "integer.rs",
            "numbers/integer.rs",
            "numbers/tables.rs",
            "numbers/float.rs",
            "kernel/portable.rs",
        ],
        &["session"],
    ),
];

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Only this file of lstm-core/src; may be given again
    #[arg(long, value_parser = GROUPS.map(|(files, _)| files).concat())]
    file: Vec<String>,
}

/// `cargo xtask mutants`.
pub fn run(options: &Options) -> Result<()> {
    setup::cargo_tool("cargo-mutants")?;
    for (files, tests) in GROUPS {
        let chosen =
            |file: &&&str| options.file.is_empty() || options.file.iter().any(|f| f == **file);
        let files: Vec<_> = files.iter().filter(chosen).collect();
        let Some(first) = files.first() else {
            continue;
        };
        step(
            &format!(
                "mutants of {}",
                files.iter().map(|f| **f).collect::<Vec<_>>().join(", ")
            ),
            || {
                let output = target().join("mutants").join(first.replace('/', "-"));
                std::fs::create_dir_all(&output)?;
                let mut mutants = cargo(&root());
                mutants.args(["mutants", "--package", "lstm-core", "--output"]);
                mutants.arg(output).args(["--cargo-arg", "--lib"]);
                for test in tests {
                    mutants.arg(format!("--cargo-arg=--test={test}"));
                }
                for file in files {
                    mutants.arg(format!("--file=lstm-core/src/{file}"));
                }
                mutants.args(["--", "--", "--skip", "statistics"]);
                shell::run(&mut mutants)
            },
        )?;
    }
    Ok(())
}
