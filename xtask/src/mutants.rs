//! `cargo xtask mutants`: changes lstm-core in every small way, and wants a test to fail.

use anyhow::Result;

use crate::{
    setup,
    shell::{self, cargo, root, step, target},
};

/// The mutated files, and the tests that must notice. They are few, so that a mutant takes seconds;
/// the long runs of draws find nothing that the other tests do not.
const FILES: [(&str, &[&str]); 9] = [
    (
        "sampler.rs",
        &["--lib", "--test", "sampler", "--test", "generator"],
    ),
    ("file.rs", READER),
    ("decode.rs", READER),
    ("model.rs", READER),
    ("integer.rs", NUMBERS),
    ("numbers/integer.rs", NUMBERS),
    ("numbers/tables.rs", NUMBERS),
    ("numbers/float.rs", NUMBERS),
    ("kernel/portable.rs", &["--lib"]),
];
const READER: &[&str] = &["--lib", "--test", "file", "--test", "session"];
const NUMBERS: &[&str] = &["--lib", "--test", "session"];

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Only this file of lstm-core/src
    #[arg(long, value_parser = FILES.map(|(file, _)| file))]
    file: Option<String>,
}

/// `cargo xtask mutants`.
pub fn run(options: &Options) -> Result<()> {
    setup::cargo_tool("cargo-mutants")?;
    for (file, tests) in FILES {
        if options.file.as_deref().is_none_or(|f| f == file) {
            step(&format!("mutants of {file}"), || {
                let output = target().join("mutants").join(file.replace('/', "-"));
                std::fs::create_dir_all(&output)?;
                let mut mutants = cargo(&root());
                mutants
                    .args(["mutants", "--package", "lstm-core", "--file"])
                    .arg(format!("lstm-core/src/{file}"))
                    .arg("--output")
                    .arg(output)
                    .arg("--")
                    .args(tests)
                    .args(["--", "--skip", "statistics"]);
                shell::run(&mut mutants)
            })?;
        }
    }
    Ok(())
}
