//! `budget` through the real binary.

mod binary;

use binary::{printed, refuses};
use host_trainer::kernels::random::Random;
use host_trainer::model::encode::{Labels, encode_f32, encode_quantized, encode_zeros};
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::quantize::quantize;
use host_trainer::text::alphabet::Alphabet;
use lstm_core::Format;

#[test]
fn the_bytes_are_those_of_a_trained_model() {
    let random = &mut Random::new(3);
    for layers in [
        vec![LayerConfig::lstm(33)],
        vec![LayerConfig::cifg(40, 12), LayerConfig::lstm(10)],
    ] {
        let mut config = NetworkConfig::lstm(&Alphabet::letters(), 8, 1, 1);
        config.layers = layers;
        let network = Network::new(config, random).unwrap();
        for format in [Format::F32, Format::Int8, Format::Int4] {
            let zeros = encode_zeros(&network.config, format).unwrap();
            let labels = Labels::default();
            let model = match format {
                Format::F32 => encode_f32(&network, &labels).unwrap(),
                _ => encode_quantized(&quantize(&network, format, 8).unwrap().0, &labels).unwrap(),
            };
            assert_eq!(zeros.len(), model.len(), "{format}");
        }
    }
}

#[test]
fn flags_and_files_of_one_shape_have_one_budget() {
    let folder = tempfile::tempdir().unwrap();
    let config = NetworkConfig::stack(&Alphabet::letters(), 64, LayerConfig::cifg(96, 32), 1);
    let network = Network::new(config, &mut Random::new(3)).unwrap();
    network.save(&folder.path().join("n.safetensors")).unwrap();
    let zeros = encode_zeros(&network.config, Format::Int4).unwrap();
    std::fs::write(folder.path().join("m.lstm"), zeros).unwrap();
    let flags = "budget --cell cifg --hidden 96 --projection 32 --format int4 --clock 100";
    let by_flags = printed(folder.path(), flags);
    let network = "budget n.safetensors --format int4 --clock 100";
    assert_eq!(printed(folder.path(), network), by_flags);
    let by_model = printed(folder.path(), "budget m.lstm --clock 100");
    assert_eq!(by_flags.split_once('\n').unwrap().1, by_model);
    for expected in [
        "parameters     33,627\n",
        "multiply-adds  13,152 a character\n",
    ] {
        assert!(by_flags.contains(expected), "{by_flags}");
    }
    let microbit = by_flags.lines().find(|line| line.starts_with("microbit "));
    let words: Vec<&str> = microbit.unwrap().split_whitespace().collect();
    assert_eq!(words[1..5], ["Cortex-M0", "100", "196,608", "16,384"]);
    let fits = |text: &str, board: &str| {
        let line = text.lines().find(|l| l.starts_with(board)).unwrap();
        line.ends_with("  yes")
    };
    assert!(fits(&by_model, "bluepill ") && fits(&by_model, "microbit "));
    let large = printed(folder.path(), "budget --hidden 256");
    assert!(!fits(&large, "microbit ") && fits(&large, "nucleo-f446re "));
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no network").unwrap();
    let zeros = NetworkConfig::lstm(&Alphabet::letters(), 8, 10, 1);
    let zeros = encode_zeros(&zeros, Format::Int8).unwrap();
    std::fs::write(folder.path().join("m.lstm"), zeros).unwrap();
    let config = NetworkConfig::lstm(&Alphabet::letters(), 8, 10, 1);
    let network = Network::new(config, &mut Random::new(3)).unwrap();
    let (quantized, _) = quantize(&network, Format::Int4, 8).unwrap();
    quantized
        .save(&folder.path().join("q.safetensors"))
        .unwrap();
    for (line, expected) in [
        ("budget --hidden 0", "found hidden size 0, expected 1 to"),
        ("budget --hidden 2000", "expected 1 to 1024"),
        ("budget --hidden 800", "512"),
        ("budget --layers 5", "found 5 layers, expected 1 to 4"),
        (
            "budget --hidden 8 --projection 9",
            "found a projection of 8 units to 9",
        ),
        (
            "budget --clock 0",
            "'--clock <MHZ>': found 0, expected megahertz above 0",
        ),
        (
            "budget --clock 200000",
            "found 200000, expected megahertz above 0 and up to 100000",
        ),
        ("budget --clock NaN", "found NaN, expected megahertz"),
        ("budget --format int2", "invalid value 'int2'"),
        (
            "budget --alphabet text --corpus missing.txt",
            "cannot read missing.txt",
        ),
        (
            "budget notes.txt",
            "expected a safetensors file of this trainer",
        ),
        (
            "budget m.lstm --format int4",
            "m.lstm is in int8, expected --format int8",
        ),
        (
            "budget q.safetensors --format int8",
            "q.safetensors is in int4, expected --format int4, or none",
        ),
        ("budget m.lstm --hidden 8", "cannot be used with"),
    ] {
        refuses(folder.path(), line, expected);
    }
}
