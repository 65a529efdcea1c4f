//! `cargo xtask test`: the checks and the tests, step by step.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    bench::MACHINES,
    boards::{self, Board, default_board},
    firmware, setup,
    shell::{self, cargo, root, step, watch},
    web,
};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Run only the steps that have one of these words in their name. A word that no step has is
    /// looked for in the names of the tests
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Show the names of the steps and run nothing
    #[arg(long)]
    list: bool,
    /// Also run the tests that take minutes (training that is killed, full disks, PyTorch and Keras, the wheel for
    /// Python, the page in a browser) or hours (a million tokens of each model on each core)
    #[arg(long)]
    full: bool,
    /// Leave out the tests with this in their name, for example a_million_tokens; may be given again
    #[arg(long, value_name = "NAME")]
    skip: Vec<String>,
}

/// One thing to do.
struct Step {
    name: String,
    work: Work,
}

enum Work {
    /// Commands that must succeed.
    Check(Vec<Command>),
    Build(&'static Board),
    /// `cargo test`, in a folder, with these arguments and those of the tests themselves.
    Tests(PathBuf, Vec<String>, Vec<String>),
}

/// Runs all that was asked for, and stops at the first step that fails.
pub fn run(options: &Options) -> Result<()> {
    let all = steps(options)?;
    if options.list {
        all.iter().for_each(|step| println!("{}", step.name));
        return Ok(());
    }
    let steps = choose(all, &options.names);
    let has_tests = steps.iter().any(|s| matches!(s.work, Work::Tests(..)));
    if has_tests && options.full {
        setup::check_python()?;
        setup::install_browser()?;
    }
    setup::install(emulators().filter(|_| has_tests))?;
    if has_tests {
        setup::install_c_tools()?;
    }
    let (number, mut count) = (steps.len(), Count::default());
    for Step { name, work } in steps {
        step(&name, || match work {
            Work::Check(commands) => commands
                .into_iter()
                .try_for_each(|mut command| shell::run(&mut command)),
            Work::Build(board) => firmware::build(board).map(|_| ()),
            Work::Tests(folder, arguments, of_tests) => {
                let mut command = cargo(&folder);
                command.args(["test", "--no-fail-fast"]).args(arguments);
                let (output, success) = watch(command.arg("--").args(of_tests))?;
                count.add(&output);
                if !success {
                    println!("{}", count.line());
                    bail!("not all tests passed");
                }
                Ok(())
            }
        })?;
    }
    match (has_tests, count == Count::default()) {
        (true, true) => bail!(
            "found no step and no test with {} in its name; `cargo xtask test --list` shows the \
             steps",
            options.names.join(" or ")
        ),
        (true, false) => println!("{}", count.line()),
        (false, _) => println!("steps passed: {number}"),
    }
    Ok(())
}

/// The QEMU programs that the tests need.
pub fn emulators() -> impl Iterator<Item = &'static str> {
    let boards = boards::all()
        .iter()
        .filter_map(|board| board.emulator.as_ref());
    let machines = MACHINES.iter().map(|machine| machine.qemu);
    boards.map(|emulator| &*emulator.program).chain(machines)
}

/// The steps with one of the names in theirs. For the names that no step has, the tests that have
/// one of them.
fn choose(steps: Vec<Step>, names: &[String]) -> Vec<Step> {
    let is_in = |step: &Step, name: &String| step.name.contains(name.as_str());
    let of_tests = names
        .iter()
        .filter(|name| !steps.iter().any(|s| is_in(s, name)));
    let of_tests: Vec<_> = of_tests.cloned().collect();
    let chosen = steps.into_iter().filter_map(|mut step| {
        if names.is_empty() || names.iter().any(|name| is_in(&step, name)) {
            return Some(step);
        }
        match &mut step.work {
            Work::Tests(_, _, arguments) if !of_tests.is_empty() => {
                arguments.extend(of_tests.iter().cloned());
                Some(step)
            }
            _ => None,
        }
    });
    chosen.collect()
}

/// Every step, in the order in which they run.
fn steps(options: &Options) -> Result<Vec<Step>> {
    let (root, firmware) = (root(), firmware::workspace());
    let mut steps = Vec::new();
    let mut check = |name: String, commands| {
        steps.push(Step {
            name,
            work: Work::Check(commands),
        });
    };

    let mut format = Vec::new();
    for folder in crates(&root)? {
        let mut command = cargo(&folder);
        command.args(["fmt", "--check"]);
        format.push(command);
    }
    check("format".into(), format);

    // With --release, so that build scripts and macros of the dependencies are built once for all.
    let clippy = |folder: &Path, arguments: &[&str]| {
        let mut command = cargo(folder);
        command.args(["clippy", "--quiet", "--release"]);
        command.args(arguments).args(["--", "--deny", "warnings"]);
        command
    };
    let desk = clippy(&root, &["--workspace", "--all-targets"]);
    check("clippy: desk".into(), vec![desk]);
    check(
        "clippy: firmware".into(),
        vec![clippy(&firmware, &["--all-targets"])],
    );
    let web = ["--package", "web-engine", "--target", web::TARGET];
    check("clippy: web-engine".into(), vec![clippy(&root, &web)]);
    let target_dir = firmware::target().display().to_string();
    for board in boards::all() {
        let arguments = ["--target", &*board.target, "--target-dir", &target_dir];
        check(
            format!("clippy: {}", board.name),
            vec![clippy(&firmware::folder(board), &arguments)],
        );
    }
    for machine in MACHINES {
        let features = format!("kernel-test,markers,{}", machine.feature);
        let package = ["--package", "firmware-bench", "--target", machine.target];
        check(
            format!("clippy: bench for {}", machine.name),
            vec![clippy(
                &firmware,
                &[&package[..], &["--features", &features]].concat(),
            )],
        );
    }

    let docs = |folder: &Path, arguments: &[&str]| {
        let mut command = cargo(folder);
        command.args(["doc", "--quiet", "--release", "--no-deps"]);
        command.args(arguments);
        command.env("RUSTDOCFLAGS", "--deny warnings");
        command
    };
    check("docs: desk".into(), vec![docs(&root, &["--workspace"])]);
    let target = &*default_board().target;
    let support = ["--package", "support-uart", "--target", target];
    check(
        "docs: firmware".into(),
        vec![docs(&firmware, &[]), docs(&firmware, &support)],
    );

    for target in setup::TARGETS {
        let mut core = cargo(&root);
        core.args(["build", "--quiet", "--release", "--package", "lstm-core"]);
        core.args(["--target", target]);
        check(format!("build: lstm-core for {target}"), vec![core]);
    }
    steps.extend(boards::all().iter().map(|board| Step {
        name: format!("build: {}", board.name),
        work: Work::Build(board),
    }));
    steps.extend(tests(options, &root, &firmware));
    Ok(steps)
}

/// The steps that run tests.
fn tests(options: &Options, desk: &Path, firmware: &Path) -> Vec<Step> {
    let step = |name: &str, folder: &Path, arguments: &[&str], of_tests: &[&str]| {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let mut of_tests: Vec<String> = words(of_tests);
        for name in &options.skip {
            of_tests.extend(["--skip".to_owned(), name.clone()]);
        }
        Step {
            name: format!("tests: {name}"),
            work: Work::Tests(folder.to_owned(), words(arguments), of_tests),
        }
    };
    let alone = |format: &str| {
        let core = ["--profile=checked", "--package=lstm-core", "--test=formats"];
        let features = ["--no-default-features", "--features", format];
        let name = format!("lstm-core with {format} alone");
        step(&name, desk, &[&core[..], &features].concat(), &[])
    };
    let long: &[&str] = if options.full {
        &["--include-ignored"]
    } else {
        &[]
    };
    let checked = ["--profile=checked", "--lib", "--tests"];
    vec![
        step(
            "lstm-core with overflow checks",
            desk,
            &[&checked[..], &["--package=lstm-core"]].concat(),
            // Its millions of draws take a minute there.
            &["--skip", "statistics"],
        ),
        alone("f32"),
        alone("int8"),
        alone("int4"),
        step("firmware with overflow checks", firmware, &checked, &[]),
        step("firmware", firmware, &["--release"], long),
        step("desk", desk, &["--release", "--workspace"], long),
    ]
}

/// The folders of the crates in a folder and below it.
///
/// # Errors
///
/// A folder that cannot be read.
pub fn crates(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if let Ok(manifest) = fs::read_to_string(folder.join("Cargo.toml"))
        && manifest.contains("[package]")
    {
        found.push(folder.to_owned());
    }
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(crates(&path)?);
        }
    }
    Ok(found)
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

    fn all() -> Vec<Step> {
        let options = Options {
            names: Vec::new(),
            list: false,
            full: false,
            skip: Vec::new(),
        };
        steps(&options).unwrap()
    }

    fn names(steps: &[Step]) -> Vec<&str> {
        steps.iter().map(|step| &*step.name).collect()
    }

    #[test]
    fn every_board_is_built_and_linted() {
        let (steps, boards) = (all(), boards::all().iter());
        for board in boards {
            for what in ["clippy", "build"] {
                let name = format!("{what}: {}", board.name);
                assert!(names(&steps).contains(&&*name), "{name}");
            }
        }
    }

    #[test]
    fn a_name_chooses_steps_or_else_tests() {
        let chosen = choose(all(), &["docs".into()]);
        assert_eq!(names(&chosen), ["docs: desk", "docs: firmware"]);

        let chosen = choose(all(), &["docs".into(), "a_test".into()]);
        assert!(chosen.len() > 2);
        for step in &chosen[2..] {
            let Work::Tests(.., of_tests) = &step.work else {
                panic!("{} has no tests", step.name);
            };
            assert_eq!(of_tests.last().unwrap(), "a_test");
        }
        assert_eq!(choose(all(), &[]).len(), all().len());
    }
}
