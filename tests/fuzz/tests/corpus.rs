//! Runs every kept input again: what was found once stays found.

use fuzz_targets::{TARGETS, Target, inputs};
use std::{collections::BTreeSet, fs};

/// The seeds, then the kept inputs.
fn inputs_of(target: &Target) -> Vec<Vec<u8>> {
    let archive = fs::read(target.archive()).unwrap();
    let kept = inputs::read(&archive).unwrap();
    assert!(!kept.is_empty(), "{}: no inputs", target.name);
    let kept = kept.into_iter().map(|input| input.bytes);
    (target.seeds)().into_iter().chain(kept).collect()
}

#[test]
fn every_kept_input_keeps_the_promises() {
    for target in TARGETS {
        for input in inputs_of(target) {
            (target.run)(&input);
        }
    }
}

/// The control: with a bug in what a target tests, one of its inputs breaks a promise.
#[test]
fn the_kept_inputs_find_the_planted_bugs() {
    fuzz_targets::plant();
    for target in TARGETS {
        let inputs = inputs_of(target);
        let finds = |input: &Vec<u8>| std::panic::catch_unwind(|| (target.run)(input)).is_err();
        let found = inputs.iter().position(finds);
        println!("{}: input {found:?} of {}", target.name, inputs.len());
        assert!(found.is_some(), "{}", target.name);
    }
}

#[test]
fn every_archive_has_a_target_is_small_and_as_it_would_be_packed() {
    let folder = TARGETS[0].archive().parent().unwrap().to_owned();
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let archive = fs::read(&path).unwrap();
        assert!(archive.len() < 100_000, "{}", path.display());
        let inputs = inputs::read(&archive).unwrap();
        assert!(
            inputs::write(inputs).unwrap() == archive,
            "{}",
            path.display()
        );
        names.insert(path);
    }
    let targets: BTreeSet<_> = TARGETS.iter().map(Target::archive).collect();
    assert_eq!(names, targets);
}
