//! From networks to networks: the mean of several, another alphabet, and a training that leads nowhere.

mod binary;

use binary::{SMALL, folder, printed, refuses, run, text};
use host_trainer::network::parameters::Network;
use host_trainer::text::alphabet::Alphabet;
use std::path::Path;

fn load(folder: &Path, name: &str) -> Network {
    Network::load(&folder.join(name)).unwrap()
}

#[test]
fn the_mean_of_networks_is_one() {
    let folder = folder();
    let path = folder.path();
    printed(path, &format!("train {SMALL} --epochs 2 --out a"));
    printed(
        path,
        "train --corpus good.txt --batch-size 4 --epochs 2 --seed 2 --from a/best.safetensors --out b",
    );
    let line = "average a/best.safetensors b/best.safetensors --out m.safetensors";
    let told = printed(path, line);
    assert!(
        told.contains("bits per character on good.txt, which it was trained on\n"),
        "{told}"
    );
    for name in ["a/best.safetensors", "b/best.safetensors", "m.safetensors"] {
        let evaluated = printed(path, &format!("evaluate {name} --split test"));
        let bits = evaluated.split_whitespace().rev().nth(1).unwrap();
        let row = told.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(row.ends_with(bits), "{row} {evaluated}");
    }
    let [a, b, mean] = ["a/best.safetensors", "b/best.safetensors", "m.safetensors"]
        .map(|name| load(path, name).dense_bias[3]);
    assert!((mean - (a + b) / 2.0).abs() < 1e-6);
    assert_ne!(a, b);
}

#[test]
fn networks_that_differ_have_no_mean() {
    let folder = folder();
    let path = folder.path();
    printed(path, &format!("train {SMALL} --epochs 1 --out a"));
    for (flags, expected) in [
        ("--alphabet text", "b/best.safetensors: found the alphabet"),
        (
            "--hidden 13",
            "found LSTM 13, expected LSTM 12 as in a/best",
        ),
        ("--cell gru", "found GRU 12, expected LSTM 12"),
    ] {
        let small = SMALL.replace("--hidden 12", "");
        let hidden = if flags.contains("hidden") {
            ""
        } else {
            "--hidden 12"
        };
        printed(
            path,
            &format!("train {small} {hidden} {flags} --epochs 1 --out b --force"),
        );
        let line = "average a/best.safetensors b/best.safetensors --out m.safetensors";
        refuses(path, line, expected);
    }
    let line = "average a/best.safetensors --out m.safetensors";
    refuses(path, line, "2 values required");
    let line = "average a/best.safetensors b/best.safetensors --out a/best.safetensors";
    refuses(path, line, "which is read, expected another file");
    assert!(!path.join("m.safetensors").exists());
}

#[test]
fn a_network_learns_another_alphabet() {
    let folder = folder();
    let path = folder.path();
    printed(path, &format!("train {SMALL} --epochs 2 --out letters"));
    let line = "train --corpus good.txt --batch-size 4 --threads 1 --from letters/best.safetensors \
                --alphabet text --epochs 0.01 --learning-rate 1e-9";
    let told = printed(path, &format!("{line} --out text"));
    let alphabet = Alphabet::from_text(&text(400)).unwrap();
    let shared = Alphabet::letters().symbols;
    let kept = shared
        .iter()
        .filter(|s| alphabet.symbols.contains(s))
        .count();
    let expected = format!(
        "--from with another alphabet: {kept} symbols keep their weights, {} begin anew, {} are left out",
        alphabet.len() - kept,
        27 - kept
    );
    assert!(told.contains(&expected), "{told}");
    let [old, new] = ["letters", "text"].map(|run| load(path, &format!("{run}/final.safetensors")));
    let best = load(path, "letters/best.safetensors");
    assert_eq!(new.config.alphabet(), alphabet);
    assert_eq!(old.config.layers, new.config.layers);
    let place =
        |network: &Network, symbol| network.config.symbols.chars().position(|s| s == symbol);
    let row = |network: &Network, symbol| {
        let (place, width) = (place(network, symbol).unwrap(), network.config.embedding);
        network.embedding[place * width..][..width].to_vec()
    };
    for (a, b) in row(&best, 'h').iter().zip(row(&new, 'h')) {
        assert!((a - b).abs() < 1e-6);
    }
    // The settings of the run stand for it, and it goes on.
    printed(path, "train --config text/config.toml --out again");
    let again = load(path, "again/final.safetensors");
    assert_eq!(again, load(path, "text/final.safetensors"));
    printed(path, "train --resume --epochs 1 --out text");
    // Without the flag the network keeps its alphabet.
    let plain = line.replace("--alphabet text", "");
    let told = printed(path, &format!("{plain} --out plain"));
    assert!(!told.contains("another alphabet"), "{told}");
    assert_eq!(
        load(path, "plain/final.safetensors").config.vocabulary(),
        27
    );
}

#[test]
fn a_loss_far_above_guessing_is_never_the_best() {
    let folder = folder();
    let path = folder.path();
    let line = format!(
        "train {SMALL} --epochs 2 --validate-every 5 --learning-rate 200 --grad-clip 0 --out r"
    );
    let output = run(path, &line);
    let told = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}{error}");
    let expected = "is far above the 4.75 of guessing among 27 symbols";
    assert!(told.contains(expected), "{told}{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(
        error.contains("no validation was better than guessing"),
        "{error}"
    );
    assert!(!path.join("r/best.safetensors").exists());
    assert!(path.join("r/final.safetensors").exists());
}
