//! `cargo xtask bless`: writes every figure anew that a test compares.

use std::process::Command;

use anyhow::Result;

use crate::{
    bench, setup,
    shell::{self, cargo, root, step},
    test,
};

/// The tests that write their figures anew where `BLESS` is set. Each stage is built with what the one before it
/// wrote.
const STAGES: [&[&str]; 2] = [
    &["cost"],
    &["archives", "boards", "format_doc", "header", "sensor_sizes"],
];

/// `cargo xtask bless`.
pub(crate) fn run() -> Result<()> {
    setup::install(test::emulators())?;
    setup::install_c_tools()?;
    bench::bless()?;
    for tests in STAGES {
        step(&format!("the figures of {}", tests.join(", ")), || {
            shell::run(&mut writing(tests))
        })?;
        shell::run(cargo(&root()).args(["fmt", "--all"]))?;
    }
    Ok(())
}

/// Runs these tests so that they write.
fn writing(tests: &[&str]) -> Command {
    let mut command = cargo(&root());
    command.args(["test", "--release", "--workspace", "--no-fail-fast"]);
    for name in tests {
        command.args(["--test", name]);
    }
    command.env("BLESS", "1");
    command
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    /// The tests, files or folders in `folder`, that read `BLESS`.
    fn blessed(folder: &str) -> impl Iterator<Item = String> + use<> {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        entries.filter_map(|entry| {
            let path = entry.unwrap().path();
            let main = match path.is_dir() {
                true => path.join("main.rs"),
                false => path.clone(),
            };
            let source = fs::read_to_string(main).unwrap_or_default();
            let name = path.file_stem()?.to_str()?.to_owned();
            source.contains("(\"BLESS\")").then_some(name)
        })
    }

    #[test]
    fn every_test_that_can_write_is_named() {
        let folders = ["capi/tests", "host-trainer/tests", "tests/tests"];
        let found: BTreeSet<_> = folders.iter().flat_map(|folder| blessed(folder)).collect();
        let named: BTreeSet<_> = STAGES.concat().into_iter().map(str::to_owned).collect();
        assert_eq!(found, named);
    }
}
