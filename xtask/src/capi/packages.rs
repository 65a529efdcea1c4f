//! Packages for the build systems of C: what is in `capi/packages`, with the header, the libraries and the
//! examples' model put where each build system looks for them.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use lstm_core::{Input, Model, export::c_header};

use super::{CHIPS, copy, desk, motions_header, sequences, write};
use crate::{aligned::AlignedBytes, shell::root};

/// A package: a folder of `capi/packages`, and what is put into it.
struct Package {
    name: &'static str,
    /// The folder of the header.
    include: &'static str,
    /// Folders for libraries, with the target of each.
    libraries: Vec<(String, String)>,
    /// The folder of the examples, and within that of each example that of its source.
    examples: [&'static str; 2],
    /// The names of its examples.
    names: &'static [(&'static str, Kind)],
}

/// What an example does.
#[derive(Clone, Copy)]
enum Kind {
    Poet,
    Classifier,
}

/// A program for every package but Arduino's, which has sketches.
const PROGRAMS: &[(&str, Kind)] = &[("poet", Kind::Poet), ("classifier", Kind::Classifier)];
const SKETCHES: &[(&str, Kind)] = &[
    ("Poet", Kind::Poet),
    ("SaveAndRestore", Kind::Poet),
    ("Classifier", Kind::Classifier),
];

/// The folders in which the Arduino IDE looks for the library of a core: the name of the core, then the
/// options of its FPU in the order in which the core's maker gives them to the compiler.
const ARDUINO: [(&str, &str); 14] = [
    ("cortex-m0", "thumbv6m-none-eabi"),
    ("cortex-m0plus", "thumbv6m-none-eabi"),
    ("rp2040", "thumbv6m-none-eabi"),
    ("cortex-m3", "thumbv7m-none-eabi"),
    ("cortex-m4", "thumbv7m-none-eabi"),
    ("cortex-m4/fpv4-sp-d16-hard", "thumbv7em-none-eabihf"),
    ("cortex-m4/hard-fpv4-sp-d16", "thumbv7em-none-eabihf"),
    ("cortex-m7/fpv5-d16-hard", "thumbv7em-none-eabihf"),
    ("cortex-m7/hard-fpv5-d16", "thumbv7em-none-eabihf"),
    ("cortex-m33/fpv5-sp-d16-hard", "thumbv8m.main-none-eabihf"),
    ("cortex-m33/hard-fpv5-sp-d16", "thumbv8m.main-none-eabihf"),
    ("esp32c3", "riscv32imc-unknown-none-elf"),
    ("esp32c6", "riscv32imac-unknown-none-elf"),
    ("esp32h2", "riscv32imac-unknown-none-elf"),
];

/// Every package.
fn all() -> Result<Vec<Package>> {
    let desk = desk()?;
    let of_its_own = |target: &str| (format!("lib/{target}"), target.to_owned());
    let on_chips = |is_taken: fn(&str) -> bool| {
        let chips = CHIPS.into_iter().filter(|target| is_taken(target));
        chips.map(of_its_own).collect::<Vec<_>>()
    };
    let arduino = ARDUINO.into_iter();
    Ok(vec![
        Package {
            name: "arduino",
            include: "src",
            libraries: arduino
                .map(|(folder, target)| (format!("src/{folder}"), target.to_owned()))
                .collect(),
            examples: ["examples", ""],
            names: SKETCHES,
        },
        Package {
            name: "cmake",
            include: "include",
            libraries: [on_chips(|_| true), vec![of_its_own(&desk)]].concat(),
            examples: ["examples", ""],
            names: PROGRAMS,
        },
        Package {
            name: "esp-idf",
            include: "include",
            libraries: on_chips(|target| target.starts_with("riscv32")),
            examples: ["examples", "main"],
            names: PROGRAMS,
        },
        Package {
            name: "zephyr",
            include: "include",
            libraries: on_chips(|_| true),
            examples: ["samples", ""],
            names: PROGRAMS,
        },
    ])
}

/// The folder of each package.
///
/// # Errors
///
/// Rust is not there to tell this computer's target.
pub fn names() -> Result<Vec<&'static str>> {
    Ok(all()?.iter().map(|package| package.name).collect())
}

/// The models of the examples where no other is asked for.
pub(super) const POET: &str = "models/sonnets-64.lstm";
const CLASSIFIER: &str = "models/sensors/motions-gru.lstm";

/// Makes the packages in a folder that has the libraries in `lib`, with this model in the examples
/// that write, or in the one that reads values if it does.
pub(super) fn make(folder: &Path, model: &Path) -> Result<()> {
    let file = AlignedBytes::read(model)?;
    let reads_values = match Model::from_bytes(file.bytes()) {
        Ok(model) => matches!(model.input(), Input::Values { .. }),
        Err(error) => bail!("{}: {error}", model.display()),
    };
    let own = c_header(file.bytes());
    let shipped = |name: &str| -> Result<String> {
        Ok(c_header(AlignedBytes::read(&root().join(name))?.bytes()))
    };
    let (poet, classifier) = match reads_values {
        false => (own, shipped(CLASSIFIER)?),
        true => (shipped(POET)?, own),
    };
    let motions = motions_header(&sequences()?)?;
    let capi = root().join("capi");
    for package in all()? {
        let to = folder.join(package.name);
        if to.exists() {
            fs::remove_dir_all(&to).with_context(|| to.display().to_string())?;
        }
        copy_folder(&capi.join("packages").join(package.name), &to)?;
        super::include(&to.join(package.include))?;
        for (place, target) in &package.libraries {
            for entry in fs::read_dir(folder.join("lib").join(target))? {
                let library = entry?;
                copy(&library.path(), &to.join(place).join(library.file_name()))?;
            }
        }
        let [examples, within] = package.examples;
        for (name, kind) in package.names {
            let example = to.join(examples).join(name).join(within);
            match kind {
                Kind::Poet => write(&example.join("model.h"), &poet)?,
                Kind::Classifier => {
                    write(&example.join("model.h"), &classifier)?;
                    write(&example.join("motions.h"), &motions)?;
                }
            }
            let program = format!("{name}.c");
            if capi.join("examples").join(&program).exists() {
                copy(
                    &capi.join("examples").join(&program),
                    &example.join(&program),
                )?;
            }
        }
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            copy(&root().join(licence), &to.join(licence))?;
        }
    }
    write(&folder.join("cmake/desk.txt"), &desk()?)
}

/// Copies a folder with all that is in it.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        match path.is_dir() {
            true => copy_folder(&path, &to.join(name))?,
            false => copy(&path, &to.join(name))?,
        }
    }
    Ok(())
}
