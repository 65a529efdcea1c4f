//! Each folder of the source imports only folders that stand below it in the list of the crate's docs.

use std::collections::BTreeSet;
use std::path::Path;

/// From the top down; what stands in one line may not import each other.
const FLOORS: [&[&str]; 13] = [
    &["commands"],
    &["report"],
    &["training"],
    &["model"],
    &["quantize"],
    &["engine"],
    &["sequences"],
    &["interchange", "hardware"],
    &["network"],
    &["ngram"],
    &["text"],
    &["kernels"],
    &["files"],
];

fn floor(folder: &str) -> usize {
    let at = FLOORS.iter().position(|floor| floor.contains(&folder));
    at.unwrap_or_else(|| panic!("{folder} stands in no line"))
}

/// The folders that the files below `path` import, but for their unit tests.
fn imports(path: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            imports(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            for line in lines {
                for part in line.split("crate::").skip(1) {
                    let name: String = part.chars().take_while(|c| c.is_alphanumeric()).collect();
                    found.insert(name);
                }
            }
        }
    }
}

#[test]
fn imports_run_one_way() {
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut upward = Vec::new();
    for folder in FLOORS.concat() {
        let mut found = BTreeSet::new();
        imports(&source.join(folder), &mut found);
        assert!(folder == "files" || !found.is_empty(), "{folder}");
        for other in found.iter().filter(|other| *other != folder) {
            if floor(other) <= floor(folder) {
                upward.push(format!("{folder} imports {other}"));
            }
        }
    }
    assert!(upward.is_empty(), "{upward:?}");
}
