//! Holds docs/DEPENDENCIES.md to the Cargo.toml files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use toml::Table;
use xtask::{shell::root, test::crates};

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

/// What the Cargo.toml files say, without the crates of this repository.
fn declared() -> Dependencies {
    let folders = crates(&root()).unwrap();
    let manifests = folders.iter().map(|folder| {
        let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        text.parse::<Table>().unwrap()
    });
    let packages: BTreeMap<String, Table> = manifests
        .filter_map(|manifest| {
            let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
            Some((name, manifest))
        })
        .collect();
    let outside = |manifest| {
        let mut names = names(manifest);
        names.retain(|name| !packages.contains_key(name));
        names
    };
    let all = packages
        .iter()
        .map(|(name, manifest)| (name, outside(manifest)));
    all.filter(|(_, names)| !names.is_empty())
        .map(|(name, names)| (name.clone(), names))
        .collect()
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
