//! Runs every input in `corpus` again: what was found once stays found. `BLESS=1` puts the seeds
//! there, for a new target or a new format.

use fuzz_targets::TARGETS;
use std::{collections::BTreeSet, fs, path::PathBuf};

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn every_input_of_the_corpus_keeps_the_promises() {
    for target in TARGETS {
        let mut inputs = (target.seeds)();
        let folder = corpus().join(target.name);
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            for (number, seed) in inputs.iter().enumerate() {
                fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
            }
        }
        let kept = fs::read_dir(folder).unwrap();
        let kept = kept.map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let seeds = inputs.len();
        inputs.extend(kept);
        assert!(inputs.len() > seeds, "{}: no inputs", target.name);
        for input in inputs {
            (target.run)(&input);
        }
    }
}

#[test]
fn every_folder_has_a_target_and_all_are_small() {
    let folders = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap());
    let mut names = BTreeSet::new();
    let mut bytes = 0;
    for folder in folders {
        for entry in fs::read_dir(folder.path()).unwrap() {
            bytes += entry.unwrap().metadata().unwrap().len();
        }
        names.insert(folder.file_name().into_string().unwrap());
    }
    let targets: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(names, targets);
    assert!((1000..200_000).contains(&bytes), "{bytes} bytes");
}
