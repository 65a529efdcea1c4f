//! With the feature `all`: finds `boards/*/board.toml`, checks them, and has the crate contain them.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "the modules of the crate, for their reader alone"
)]

#[path = "src/board.rs"]
mod board;
#[path = "src/error.rs"]
mod error;
#[path = "src/file.rs"]
mod file;
#[path = "src/units.rs"]
mod units;

use std::{env, fs, path::Path, path::PathBuf};

use error::{Error, Result};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src");
    if env::var_os("CARGO_FEATURE_ALL").is_none() {
        return;
    }
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let boards = Path::new(&here).join("../boards");
    println!("cargo::rerun-if-changed={}", boards.display());
    match contents(&boards) {
        Ok(code) => fs::write(Path::new(&out).join("files.rs"), code).expect("OUT_DIR is writable"),
        Err(error) => println!("cargo::error={error}"),
    }
}

/// The Rust code of `FILES`: the name of each folder, and the text of its `board.toml`.
fn contents(boards: &Path) -> Result<String> {
    let mut names = Vec::new();
    let mut code = "const FILES: &[(&str, &str)] = &[\n".to_owned();
    for folder in folders(boards)? {
        let path = folder.join("board.toml");
        let text = fs::read_to_string(&path).map_err(|e| unreadable(&path, &e))?;
        let name = folder.file_name().unwrap_or_default().display().to_string();
        names.extend(
            file::read(&name, &text)?
                .into_iter()
                .map(|board| board.name),
        );
        code += &format!("    ({name:?}, include_str!({path:?})),\n");
    }
    names.sort();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::new(format!(
            "found two boards {}, expected one",
            pair[0]
        )));
    }
    Ok(code + "];\n")
}

/// The folders of the boards, by name.
fn folders(boards: &Path) -> Result<Vec<PathBuf>> {
    let list = || {
        boards
            .canonicalize()?
            .read_dir()?
            .collect::<std::io::Result<Vec<_>>>()
    };
    let entries = list().map_err(|e| unreadable(boards, &e))?;
    let mut folders: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("{}: {error}", path.display()))
}
