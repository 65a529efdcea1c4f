//! The wheel, built and installed as its users have it: the tests of `python/tests`, the types, the notebook.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use xtask::{
    pypi::environment,
    python::wheel,
    shell::{root, target},
};

const PACKAGES: [&str; 4] = ["numpy", "pytest==9.2.0", "mypy==2.4.1", "tqdm"];

/// The frameworks, in the versions with which their files are known to agree, and what runs a notebook.
const FRAMEWORKS: [&str; 8] = [
    "torch==2.15.0",
    "keras==3.15.1",
    "h5py",
    "numpy",
    "pytest==9.2.0",
    "nbclient",
    "ipykernel",
    "tqdm",
];

/// The wheel, built once.
static WHEEL: LazyLock<PathBuf> = LazyLock::new(|| wheel(&target().join("wheels")).unwrap());
/// A Python with it and [`PACKAGES`], made once.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| python("python-tests", &PACKAGES));
/// A Python with it and [`FRAMEWORKS`], likewise.
static PYTHON_WITH_FRAMEWORKS: LazyLock<PathBuf> =
    LazyLock::new(|| python("python-frameworks", &FRAMEWORKS));

/// A Python with these packages and the wheel.
fn python(name: &str, packages: &[&str]) -> PathBuf {
    let python = environment(name, packages).unwrap();
    let install = ["--quiet", "--force-reinstall", "--no-deps"];
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install"]).args(install);
    succeeds(pip.arg(&*WHEEL));
    python
}

fn succeeds(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

/// Runs a module of Python in a folder of its own: beside the sources it would take these, which have no compiled part.
fn run(python: &Path, module: &str, arguments: &[&Path]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.args(["-m", module]).args(arguments);
    succeeds(command.current_dir(folder.path()));
}

/// A folder or a file of the package.
fn of_package(name: &str) -> PathBuf {
    root().join("python").join(name)
}

fn pytest(python: &Path, folder: &str) {
    let (tests, settings) = (of_package(folder), of_package("pyproject.toml"));
    let flags = ["--quiet", "--config-file"].map(Path::new);
    run(
        python,
        "pytest",
        &[&flags[..], &[&settings, &tests]].concat(),
    );
}

#[test]
#[ignore = "compiles the trainer once more; cargo xtask test --full runs it"]
fn the_installed_wheel_passes_the_tests_of_the_package() {
    pytest(&PYTHON, "tests");
}

#[test]
#[ignore = "compiles the trainer once more; cargo xtask test --full runs it"]
fn the_types_are_those_of_the_module() {
    let package = Path::new("lstm_mcu");
    let (tests, settings) = (of_package("tests"), of_package("pyproject.toml"));
    let of_mypy = [Path::new("--mypy-config-file"), &settings, package];
    run(&PYTHON, "mypy.stubtest", &of_mypy);
    let mypy = |what: &[&Path]| {
        let settings = [Path::new("--config-file"), &settings];
        run(&PYTHON, "mypy", &[&settings[..], what].concat());
    };
    mypy(&[Path::new("--package"), package]);
    mypy(&[&tests]);
}

#[test]
#[ignore = "installs PyTorch and Keras from PyPI; cargo xtask test --full runs it"]
fn live_models_of_keras_and_pytorch_become_models_of_the_chip() {
    pytest(&PYTHON_WITH_FRAMEWORKS, "frameworks");
}

#[test]
#[ignore = "installs Keras from PyPI and trains; cargo xtask test --full runs it"]
fn the_notebook_runs_to_its_end() {
    let folder = of_package("notebooks");
    let run = "import sys, nbformat, nbclient
book = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(book, timeout=1200, kernel_name='python3').execute()";
    let notebook = folder.join("keras_to_board.ipynb");
    let mut python = Command::new(&*PYTHON_WITH_FRAMEWORKS);
    python.args(["-c", run]).arg(notebook).current_dir(folder);
    succeeds(python.env("KERAS_BACKEND", "torch"));
}
