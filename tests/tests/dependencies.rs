//! Holds docs/DEPENDENCIES.md to the Cargo.toml files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use toml::Table;
use xtask::{firmware, shell::root, test::crates};

/// The direct dependencies of each crate.
type Dependencies = BTreeMap<String, BTreeSet<String>>;

/// The names in every table of dependencies: normal ones, those of tests and of build scripts, and
/// those of some targets alone.
fn names(manifest: &Table) -> BTreeSet<String> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = |table: &Table| -> Vec<String> {
        let tables = kinds.iter().filter_map(|kind| table.get(*kind)?.as_table());
        tables.flat_map(Table::keys).cloned().collect()
    };
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values);
    let of_targets = targets.filter_map(toml::Value::as_table).flat_map(tables);
    tables(manifest).into_iter().chain(of_targets).collect()
}

/// What the Cargo.toml files say, without the crates of this repository. The boards count as one, so
/// that a new one on a known HAL needs no new line on the page.
fn declared() -> Dependencies {
    let folders = crates(&root()).unwrap();
    let boards = firmware::workspace().join("boards");
    let packages = folders.iter().filter_map(|folder| {
        let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let manifest = text.parse::<Table>().unwrap();
        let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
        let is_board = folder.parent() == Some(&boards);
        Some((name, is_board, names(&manifest)))
    });
    let packages: Vec<_> = packages.collect();
    let is_ours = |name: &String| packages.iter().any(|(ours, ..)| ours == name);
    let mut declared = Dependencies::new();
    for (name, is_board, names) in &packages {
        let group = if *is_board { "boards" } else { name };
        let outside = names.iter().filter(|&name| !is_ours(name)).cloned();
        declared
            .entry(group.to_owned())
            .or_default()
            .extend(outside);
    }
    declared.retain(|_, names| !names.is_empty());
    declared
}

/// What the page says: a heading names the crates of the table below it.
fn documented(page: &str) -> Dependencies {
    let mut documented = Dependencies::new();
    let mut crates: Vec<&str> = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            crates = heading.split(", ").collect();
        }
        let row = line
            .strip_prefix("| `")
            .and_then(|row| row.split_once("` | "));
        if let Some((name, why)) = row {
            assert!(why.len() > 10, "{name} has no reason");
            for &package in &crates {
                let names = documented.entry(package.to_owned()).or_default();
                assert!(names.insert(name.to_owned()), "{package} has {name} twice");
            }
        }
    }
    documented
}

#[test]
fn the_page_lists_exactly_the_direct_dependencies() {
    let page = fs::read_to_string(root().join("docs/DEPENDENCIES.md")).unwrap();
    let (declared, documented) = (declared(), documented(&page));
    for (package, names) in &declared {
        let none = BTreeSet::new();
        assert_eq!(documented.get(package).unwrap_or(&none), names, "{package}");
    }
    let crates = |dependencies: &Dependencies| dependencies.keys().cloned().collect::<Vec<_>>();
    assert_eq!(crates(&documented), crates(&declared));
}
