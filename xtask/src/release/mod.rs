//! `cargo xtask release`: the files that people get who have no toolchain.

mod archive;
mod images;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::ValueEnum;

pub use archive::SUMS;
pub use images::name as image_name;

use crate::{
    boards::{self, Board},
    capi, models, python,
    shell::{root, step, target},
    trainer, web,
};

/// Of every crate, and in the name of every file.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is made, and where to.
#[derive(clap::Args)]
pub struct Options {
    /// The folder for the files [default: target/releases/VERSION]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Make this part alone; may be given again
    #[arg(long = "part", value_name = "PART")]
    parts: Vec<Part>,
    /// Make images for this board alone; may be given again
    #[arg(long = "board", value_name = "BOARD", value_parser = Board::parse)]
    boards: Vec<&'static Board>,
}

/// A part of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// For each board an image with the best model that fits, and one with the smallest
    Images,
    /// The models, with what is known of each
    Models,
    /// The page
    Page,
    /// The trainer for this computer
    HostTrainer,
    /// The libraries and packages for C and C++
    C,
    /// The wheel for Python on this computer
    Python,
}

/// `cargo xtask release`.
///
/// # Errors
///
/// Something is not built, not read or not written.
pub fn run(options: &Options) -> Result<()> {
    let out = options.out.clone();
    let out = out.unwrap_or_else(|| target().join("releases").join(VERSION));
    let parts = match &options.parts[..] {
        [] => Part::value_variants(),
        parts => parts,
    };
    let boards = match &options.boards[..] {
        [] => boards::all().iter().collect(),
        boards => boards.to_vec(),
    };
    make(parts, &boards, &out)?;
    println!("it is in {}", out.display());
    Ok(())
}

/// Makes the files of these parts, and [`SUMS`] of all that is in the folder then.
///
/// # Errors
///
/// Something is not built, not read or not written.
pub fn make(parts: &[Part], boards: &[&Board], out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    for part in parts {
        match part {
            Part::Images => boards.iter().try_for_each(|board| {
                step(&format!("the images of {}", board.name), || {
                    images::make(board, out)
                })
            })?,
            Part::Models => step("the models", || models(out))?,
            Part::Page => step("the page", || page(out))?,
            Part::HostTrainer => step("host-trainer", || host_trainer(out))?,
            Part::C => c(out)?,
            Part::Python => step("the wheel for Python", || python::wheel(out).map(|_| ()))?,
        }
    }
    archive::write_sums(out)
}

fn models(out: &Path) -> Result<()> {
    let mut files = Vec::new();
    for model in models::shipped()? {
        let description = model.path().with_extension("txt");
        files.extend(
            [model.path(), description]
                .into_iter()
                .filter(|file| file.exists()),
        );
    }
    files.sort();
    let path = out.join(format!("sonnets-{VERSION}-models.zip"));
    archive::write(&path, &[root().join("models/sensors")], &files)
}

fn page(out: &Path) -> Result<()> {
    let modules = web::Modules::build()?;
    web::write_page(&modules, &out.join(format!("sonnets-{VERSION}-page.html")))?;
    Ok(())
}

fn host_trainer(out: &Path) -> Result<()> {
    let program = trainer::build()?;
    let readme = root().join("host-trainer/README.md");
    let path = out.join(format!("host-trainer-{VERSION}-{}.zip", capi::desk()?));
    archive::write(&path, &[], &[vec![program, readme], licences()].concat())
}

/// An archive for each package, and one with the libraries and the header alone.
fn c(out: &Path) -> Result<()> {
    capi::make(&root().join("models/sonnets-64.lstm"))?;
    step("the archives for C", || {
        for package in capi::package_names()? {
            let path = out.join(format!("sonnets-{VERSION}-{package}.zip"));
            archive::write(&path, &[capi::folder().join(package)], &[])?;
        }
        let folders = ["lib", "include"].map(|folder| capi::folder().join(folder));
        archive::write(
            &out.join(format!("sonnets-{VERSION}-c.zip")),
            &folders,
            &licences(),
        )
    })
}

fn licences() -> Vec<PathBuf> {
    ["LICENSE-APACHE", "LICENSE-MIT"]
        .map(|file| root().join(file))
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_models_of_a_release_are_those_of_text_and_of_sensors() {
        let folder = tempfile::TempDir::new().unwrap();
        make(&[Part::Models], &[], folder.path()).unwrap();
        let path = folder.path().join(format!("sonnets-{VERSION}-models.zip"));
        let archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
        let names: Vec<_> = archive
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        for name in [
            "verse-384.lstm",
            "verse-384.txt",
            "sensors/motions-gru.lstm",
        ] {
            assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
        }
    }
}
