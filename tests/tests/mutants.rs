//! Holds .cargo/mutants.toml to the files that there are: cargo-mutants says nothing of a name that
//! matches no file.

use std::{fs, path::Path};

use toml::{Table, Value};
use xtask::shell::root;

/// The strings of an array.
fn strings<'t>(table: &'t Table, key: &str) -> Vec<&'t str> {
    let array = table.get(key).and_then(Value::as_array);
    let strings = array.into_iter().flatten().filter_map(Value::as_str);
    strings.collect()
}

#[test]
fn every_file_and_test_of_the_mutation_tests_is_there() {
    let config = fs::read_to_string(root().join(".cargo/mutants.toml")).unwrap();
    let config: Table = config.parse().unwrap();
    let files = strings(&config, "examine_globs");
    assert!(files.len() > 5, "{files:?}");
    for file in &files {
        assert!(root().join(file).is_file(), "{file}");
    }
    for test in strings(&config, "additional_cargo_args") {
        if let Some(name) = test.strip_prefix("--test=") {
            let path = format!("lstm-core/tests/{name}.rs");
            assert!(root().join(&path).is_file(), "{path}");
        }
    }
    for pattern in strings(&config, "exclude_re") {
        let file = pattern.split(':').next().unwrap().replace('\\', "");
        let is_examined = files.iter().any(|path| Path::new(path).ends_with(&file));
        assert!(is_examined, "{pattern}");
    }
}
