//! `cargo xtask deny`: the licences, double versions and sources of all dependencies, and known
//! vulnerabilities.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{
    boards::BOARDS,
    firmware, setup,
    shell::{self, cargo, root, step},
};

/// What a person may choose.
#[derive(clap::Args)]
pub struct Options {
    /// Leave known vulnerabilities unchecked, because their database cannot be fetched
    #[arg(long)]
    pub offline: bool,
}

/// A lock file's folder, and the rules for it.
struct Workspace {
    folder: PathBuf,
    rules: PathBuf,
}

/// Every folder with a lock file.
fn workspaces() -> Vec<Workspace> {
    let (desk, chips) = (root(), firmware::workspace());
    let mut folders = vec![desk.clone(), chips.clone()];
    let boards = BOARDS.iter().map(firmware::folder);
    folders.extend(boards.filter(|folder| folder.join("Cargo.lock").is_file()));
    folders.push(desk.join("tests/fuzz/libfuzzer"));
    folders.dedup();
    let rules = |folder: &Path| {
        let for_chips = folder.starts_with(&chips);
        let home = if for_chips { &chips } else { &desk };
        home.join("deny.toml")
    };
    let workspace = |folder: PathBuf| Workspace {
        rules: rules(&folder),
        folder,
    };
    folders.into_iter().map(workspace).collect()
}

/// `cargo xtask deny`.
pub fn run(options: &Options) -> Result<()> {
    setup::cargo_tool("cargo-deny")?;
    for workspace in workspaces() {
        let what = format!("dependencies of {}", workspace.folder.display());
        step(&what, || workspace.check(&["bans", "licenses", "sources"]))?;
    }
    if options.offline {
        println!("==> known vulnerabilities are not checked: --offline");
        return Ok(());
    }
    // It is a repository on the internet.
    shell::run(cargo(&root()).args(["deny", "fetch", "db"])).context(
        "the database of known vulnerabilities cannot be fetched; --offline leaves them unchecked",
    )?;
    for workspace in workspaces() {
        let what = format!("vulnerabilities, {}", workspace.folder.display());
        step(&what, || workspace.check(&["advisories"]))?;
    }
    Ok(())
}

impl Workspace {
    fn check(&self, what: &[&str]) -> Result<()> {
        let mut deny = cargo(&self.folder);
        deny.args(["deny", "--workspace", "--config"])
            .arg(&self.rules)
            .args(["check", "--hide-inclusion-graph"])
            // The rules serve several lock files.
            .args([
                "--allow",
                "unmatched-skip",
                "--allow",
                "unmatched-skip-root",
            ])
            .args(["--allow", "unnecessary-skip"])
            .args(["--allow", "license-exception-not-encountered"])
            .args(what);
        shell::run(&mut deny)
    }
}
