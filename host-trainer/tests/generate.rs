//! `generate` through the real binary.

mod binary;

use binary::{printed, refuses, trainer};
use host_trainer::kernels::random::Random;
use host_trainer::model::encode::{Labels, encode_f32, encode_zeros};
use host_trainer::network::config::NetworkConfig;
use host_trainer::network::parameters::Network;
use host_trainer::text::alphabet::Alphabet;
use lstm_core::Format;
use std::io::Read;
use std::process::Stdio;

/// A folder with a network, n.safetensors, that forgets little: its text depends on its window.
fn folder() -> (tempfile::TempDir, Network) {
    let folder = tempfile::tempdir().unwrap();
    let config = NetworkConfig::lstm(&Alphabet::letters(), 8, 24, 1);
    let mut network = Network::new(config, &mut Random::new(2)).unwrap();
    for weight in network.parameters_mut().into_iter().flatten() {
        *weight *= 3.0;
    }
    network.save(&folder.path().join("n.safetensors")).unwrap();
    (folder, network)
}

#[test]
fn a_window_is_the_models_own_unless_said_otherwise() {
    let (folder, network) = folder();
    let path = folder.path();
    let model = |name: &str, window| {
        let labels = Labels {
            window,
            ..Labels::default()
        };
        std::fs::write(path.join(name), encode_f32(&network, &labels).unwrap()).unwrap();
    };
    model("carried.lstm", None);
    model("windows.lstm", Some(5));
    let text = |line: &str| printed(path, &format!("generate {line} --length 100"));
    let (carried, windows) = (text("carried.lstm"), text("windows.lstm"));
    assert_eq!(carried.len(), 101);
    assert_ne!(carried, windows);
    assert_eq!(text("windows.lstm --window 0"), carried);
    assert_eq!(text("carried.lstm --window 5"), windows);
    assert_ne!(text("carried.lstm --window 6"), windows);
    // As long as the text, a window is as good as the state.
    assert_eq!(text("carried.lstm --window 101"), carried);
    // A network is run as the same .lstm would be.
    assert_eq!(text("n.safetensors --format f32"), carried);
}

#[test]
fn formats_are_compared_side_by_side() {
    let (folder, _) = folder();
    let path = folder.path();
    let settings = "--length 90 --seed 3 --prompt shall --temperature 0.5 --top-k 9 --top-p 0.9";
    let page = printed(
        path,
        &format!("generate n.safetensors --compare f32,int8,int4 {settings}"),
    );
    let (columns, notes) = page.split_once("\n\n").unwrap();
    let lines: Vec<&str> = columns.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["f32", "int8", "int4"]
    );
    assert!(lines.iter().all(|line| line.chars().count() <= 100));
    assert_eq!(notes.lines().count(), 2);
    let texts = ["f32", "int8", "int4"].map(|format| {
        printed(
            path,
            &format!("generate n.safetensors --format {format} {settings}"),
        )
    });
    for (format, text) in ["int8", "int4"].iter().zip(&texts[1..]) {
        let same = text.chars().zip(texts[0].chars());
        let same = same.take_while(|(a, b)| a == b).count();
        let expected = match text == &texts[0] {
            true => format!("{format} writes the same as f32"),
            false => format!("{format} parts from f32 after {same} characters, at »"),
        };
        assert!(notes.contains(&expected), "{notes}");
    }
    // The columns hold the texts; where lines break, spaces are lost.
    let letters = |text: &str| text.replace([' ', '\n', '»'], "");
    let column = |n: usize| -> String {
        let cell = |line: &&str| line.chars().skip(34 * n).take(32).collect::<String>();
        letters(&lines[2..].iter().map(cell).collect::<String>())
    };
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(column(n), letters(text));
    }
}

#[test]
fn characters_are_shown_as_they_are_printed() {
    let (folder, _) = folder();
    let mut child = trainer(folder.path(), "generate n.safetensors --length 1000000000")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It would take hours to the end.
    let mut start = [0; 300];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut start)
        .unwrap();
    assert!(start.is_ascii());
    // A reader that has seen enough is no failure.
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let (folder, network) = folder();
    let model = encode_zeros(&network.config, Format::Int8).unwrap();
    std::fs::write(folder.path().join("m.lstm"), model).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no network").unwrap();
    for (line, expected) in [
        (
            "generate m.lstm --window 5000",
            "'--window <N>': found 5000, expected 0 to 128",
        ),
        ("generate m.lstm --window -1", "found -1, expected 0 to 128"),
        (
            "generate m.lstm --format f32",
            "m.lstm is in int8, expected a network (.safetensors) for --format f32",
        ),
        (
            "generate m.lstm --compare f32,int8",
            "m.lstm is in one format already, expected a network (.safetensors) for --compare",
        ),
        (
            "generate n.safetensors --compare f32,int2",
            "invalid value 'int2'",
        ),
        (
            "generate n.safetensors --compare f32 --format f32",
            "cannot be used with",
        ),
        (
            "generate n.safetensors --compare f32,f32,f32,f32,f32,f32,f32,f32",
            "found 100 columns for 8 texts, expected at least 110",
        ),
        (
            "generate notes.txt",
            "expected a safetensors file of this trainer",
        ),
        ("generate notes.txt --compare f32", "expected a safetensors"),
        ("generate n.safetensors --top-k 0", "top-k"),
    ] {
        refuses(folder.path(), line, expected);
    }
}
