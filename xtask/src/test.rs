//! `cargo xtask test`: the checks and the tests; `--full` adds those that take long.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{
    bench::MACHINES,
    boards::{Board, on_a_hal, on_board_support},
    deny, firmware, miri, setup,
    shell::{self, cargo, root, step, tee},
    sizes,
};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Also run what takes minutes (the boards on a HAL of the chip's maker, the licences and
    /// vulnerabilities of the dependencies, Miri, kills and full disks) or more than an hour (a
    /// million tokens of each model on each core)
    #[arg(long)]
    full: bool,
    /// Leave out the tests with this in their name: a_million_tokens is what takes longest. May be
    /// given again
    #[arg(long, requires = "full")]
    skip: Vec<String>,
    /// Leave known vulnerabilities unchecked, because their database cannot be fetched
    #[arg(long, requires = "full")]
    offline: bool,
}

/// Runs all that was asked for, and stops at the first step that fails.
pub fn run(options: &Options) -> Result<()> {
    setup::all()?;
    if options.full {
        setup::check_python()?;
    }
    let (root, demo) = (root(), firmware::workspace());

    check("rustfmt", cargo(&root).args(["fmt", "--all", "--check"]))?;
    // Package by package, because --all would go through the path dependencies outside too.
    let mut fmt = cargo(&demo);
    fmt.args(["fmt", "--check", "--package", "firmware-app"]);
    fmt.args(["--package", "firmware-bench"]);
    fmt.args(["--package", "board-support"]);
    for package in packages() {
        fmt.args(["--package", package]);
    }
    check("rustfmt, firmware", &mut fmt)?;
    // With --release, so that build scripts and macros of the dependencies are built once for all.
    check(
        "clippy",
        &mut clippy(&root, &["--workspace", "--all-targets"]),
    )?;
    check("clippy, firmware", &mut clippy(&demo, &["--all-targets"]))?;
    for board in on_board_support() {
        let args = ["--package", board.package, "--target", board.target];
        check(
            &format!("clippy, {}", board.name),
            &mut clippy(&demo, &args),
        )?;
    }
    for machine in MACHINES {
        let features = format!("kernel-test,markers,{}", machine.feature);
        let package = ["--package", "firmware-bench", "--target", machine.target];
        check(
            &format!("clippy, bench for {}", machine.name),
            &mut clippy(&demo, &[&package[..], &["--features", &features]].concat()),
        )?;
    }
    check("documentation", &mut doc(&root, &["--workspace"]))?;
    check("documentation, firmware", &mut doc(&demo, &[]))?;
    let board_support = [
        "--package",
        "board-support",
        "--target",
        Board::DEFAULT.target,
    ];
    check("documentation, boards", &mut doc(&demo, &board_support))?;

    let mut core = cargo(&root);
    core.args(["build", "--release", "--package", "lstm-core"]);
    for target in setup::TARGETS {
        core.args(["--target", target]);
    }
    check(
        &format!("lstm-core for {}", setup::TARGETS.join(", ")),
        &mut core,
    )?;
    for board in on_board_support() {
        step(&format!("firmware for {}", board.name), || {
            firmware::build(board)
        })?;
    }

    if options.full {
        for board in on_a_hal() {
            let folder = firmware::folder(board);
            let what = format!("rustfmt, {}", board.name);
            check(&what, cargo(&folder).args(["fmt", "--check"]))?;
            let what = format!("clippy, {}", board.name);
            check(&what, &mut clippy(&folder, &[]))?;
        }
        step("firmware for the boards on a HAL", || {
            sizes::check(&sizes::measure(on_a_hal(), firmware::build)?)
        })?;
    }

    if options.full {
        deny::run(&deny::Options {
            offline: options.offline,
        })?;
        miri::run(&miri::Options::default())?;
    }

    let mut count = Count::default();
    let core = [
        "--profile=checked",
        "--package=lstm-core",
        "--lib",
        "--tests",
    ];
    // Its millions of draws take a minute there.
    let quick = ["--", "--skip", "statistics"];
    let alone = |format| {
        let features = ["--no-default-features", "--features", format];
        [
            &["--profile=checked", "--package=lstm-core", "--test=formats"][..],
            &features,
        ]
        .concat()
    };
    let mut all = Vec::new();
    if options.full {
        all.extend(["--", "--include-ignored"]);
        all.extend(
            options
                .skip
                .iter()
                .flat_map(|name| ["--skip", name.as_str()]),
        );
    }
    for (what, folder, args) in [
        (
            "tests of lstm-core, an overflow is a panic",
            &root,
            [&core[..], &quick].concat(),
        ),
        ("lstm-core with f32 alone", &root, alone("f32")),
        ("lstm-core with int8 alone", &root, alone("int8")),
        ("lstm-core with int4 alone", &root, alone("int4")),
        (
            "tests of the firmware, an overflow is a panic",
            &demo,
            vec!["--profile=checked", "--lib", "--tests"],
        ),
        (
            "tests, firmware",
            &demo,
            [&["--release"], &all[..]].concat(),
        ),
        (
            "tests",
            &root,
            [&["--release", "--workspace"], &all[..]].concat(),
        ),
    ] {
        let mut command = cargo(folder);
        command.args(["test", "--no-fail-fast"]).args(&args);
        let success = step(what, || {
            let (output, success) = tee(&mut command)?;
            count.add(&output);
            Ok(success)
        })?;
        if !success {
            println!("{}", count.line());
            bail!("{what}: not all passed");
        }
    }
    println!("{}", count.line());
    Ok(())
}

/// The folders of the boards, each once.
fn packages() -> BTreeSet<&'static str> {
    on_board_support().map(|board| board.package).collect()
}

fn check(what: &str, command: &mut Command) -> Result<()> {
    step(what, || shell::run(command))
}

fn clippy(folder: &Path, args: &[&str]) -> Command {
    let mut command = cargo(folder);
    command.args(["clippy", "--quiet", "--release"]).args(args);
    command.args(["--", "--deny", "warnings"]);
    command
}

fn doc(folder: &Path, args: &[&str]) -> Command {
    let mut command = cargo(folder);
    command
        .args(["doc", "--quiet", "--release", "--no-deps"])
        .args(args);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    command
}

/// How many tests ran.
#[derive(Debug, Default, PartialEq)]
struct Count {
    passed: usize,
    failed: usize,
}

impl Count {
    /// Adds each `test result: ok. 12 passed; 0 failed; ...` in the output of cargo test.
    fn add(&mut self, output: &str) {
        for result in output
            .lines()
            .filter_map(|l| l.strip_prefix("test result:"))
        {
            self.passed += number_before(result, " passed");
            self.failed += number_before(result, " failed");
        }
    }

    fn line(&self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }
}

/// The number that stands before a word; 0 if there is none.
fn number_before(line: &str, word: &str) -> usize {
    let number = line
        .split_once(word)
        .and_then(|(before, _)| before.rsplit(' ').next());
    number.and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed() {
        let mut count = Count::default();
        count.add(
            "running 3 tests\ntest a ... ok\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
             test result: FAILED. 12 passed; 2 failed; 0 ignored; 0 measured\n",
        );
        assert_eq!(count.line(), "15 passed, 2 failed");
    }
}
