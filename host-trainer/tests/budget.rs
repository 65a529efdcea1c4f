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

/// The JSON that a line prints.
fn json(folder: &std::path::Path, line: &str) -> serde_json::Value {
    serde_json::from_str(&printed(folder, line)).unwrap()
}

#[test]
fn flash_is_shared_by_a_network_and_a_memory() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (flash, bytes) in [("192K", 196_608), ("384K", 393_216), ("1.1M", 1_153_433)] {
        let found = json(folder, &format!("budget --flash {flash} --json"));
        let proposal = &found["proposal"];
        let others = proposal["others"].as_array().unwrap();
        for choice in others.iter().chain([&proposal["choice"]]) {
            let bytes_of = |what: &str| choice[what].as_u64().unwrap();
            let parts = ["network_bytes", "vector_bytes", "table_bytes"].map(bytes_of);
            let whole: u64 = parts.iter().sum();
            // All is shared out, but what rounding to a K and the descriptions take.
            assert!((bytes - 2048..=bytes).contains(&whole), "{choice}");
            assert!(bytes_of("file_bytes") <= bytes, "{choice}");
            assert_eq!(bytes_of("memory_bytes"), parts[1] + parts[2]);
            assert!(parts[2] >= parts[1]);
        }
        assert_eq!(proposal["choice"]["network"], "CIFG 96 projected to 32");
        let memory = proposal["choice"]["memory_bytes"].as_u64().unwrap() / 1024;
        assert_eq!(
            proposal["train"],
            format!("host-trainer train --recipe recall --memory {memory}K")
        );
        assert_eq!(found["file_bytes"], proposal["choice"]["file_bytes"]);
    }
    // A memory adds its look-ups to the network's instructions and cycles.
    let with = json(folder, "budget --flash 384K --json");
    let without = json(
        folder,
        "budget --cell cifg --hidden 96 --projection 32 --json",
    );
    for (with, without) in with["cores"]
        .as_array()
        .unwrap()
        .iter()
        .zip(without["cores"].as_array().unwrap())
    {
        for what in ["instructions", "ram_bytes"] {
            assert!(with[what].as_f64() > without[what].as_f64(), "{with}");
        }
    }
    let told = printed(folder, "budget --flash 1.1M --hidden 256 --projection 64");
    let line = told
        .lines()
        .find(|line| line.contains("host-trainer train"));
    let line = line.unwrap().trim();
    assert!(
        line.starts_with(
            "host-trainer train --recipe recall --hidden 256 --projection 64 --memory "
        )
    );
    assert!(told.contains("1,153,433 bytes of flash"), "{told}");
}

/// What is told to be enough is.
#[test]
fn the_least_flash_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    printed(folder.path(), "budget --flash 63K");
    refuses(folder.path(), "budget --flash 61K", "expected at least 63K");
}

/// The lines that `budget` prints train a model that fits.
#[test]
fn what_is_proposed_fits_its_flash() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/sonnets.txt");
    std::fs::copy(path, folder.join("my text.txt")).unwrap();
    let shape = "--hidden 24 --projection 16 --embedding 8";
    let command = |line: &str| {
        let mut command = binary::trainer(folder, line);
        let output = command.arg("--corpus").arg("my text.txt").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let told = command(&format!(
        "budget --flash 64K {shape} --alphabet text --json"
    ));
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let line = told["proposal"]["train"].as_str().unwrap();
    let line = line
        .strip_suffix(&format!(
            " --memory {}K",
            told["proposal"]["choice"]["memory_bytes"].as_u64().unwrap() / 1024
        ))
        .unwrap();
    let expected = format!(
        "host-trainer train --recipe recall {shape} --alphabet text --corpus 'my text.txt'"
    );
    assert_eq!(line, expected);
    let memory = told["proposal"]["choice"]["memory_bytes"].as_u64().unwrap();
    command(&format!(
        "train --recipe recall {shape} --alphabet text --memory {memory} --epochs 0.1 --out r"
    ));
    printed(
        folder,
        "export r/best.safetensors --saturate --out a-model-with-a-name-that-is-as-long-as-any.lstm",
    );
    let bytes =
        std::fs::read(folder.join("a-model-with-a-name-that-is-as-long-as-any.lstm")).unwrap();
    let found = bytes.len() as u64;
    let most = told["file_bytes"].as_u64().unwrap();
    assert!(found <= most && most <= 64 << 10, "{found} {most}");
    // Little is left unused.
    assert!(found > most - 6000, "{found} {most}");
}

#[test]
fn a_network_that_reads_values_has_a_budget_before_it_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../models/sensors/motions-gru.lstm"
    );
    let of_model = json(folder, &format!("budget {model} --json"));
    let flags = json(
        folder,
        "budget --channels 6 --classes 4 --cell gru --hidden 32 --window 100 --json",
    );
    for what in [
        "multiply_adds",
        "channels",
        "outputs",
        "window",
        "window_bytes",
        "format",
    ] {
        assert_eq!(flags[what], of_model[what], "{what}");
    }
    assert_eq!(flags["cores"], of_model["cores"]);
    assert_eq!(flags["window_bytes"], 600);
    // Names alone make the file longer.
    let bytes = [&of_model, &flags].map(|report| report["file_bytes"].as_u64().unwrap());
    assert!((bytes[1]..bytes[1] + 200).contains(&bytes[0]), "{bytes:?}");
    let steps = flags["boards"][0]["steps_per_second"].as_f64().unwrap();
    assert!(steps > 100.0);
    let told = printed(
        folder,
        "budget --channels 3 --values 2 --layers 2 --hidden 20 --dense 16,8 --format int4 --window 50",
    );
    for expected in [
        "network        3 channels, LSTM 20, LSTM 20, dense 16 relu, dense 8 relu, 2 outputs\n",
        "window         50 steps, 150 bytes of RAM more; an answer costs so many steps\n",
        "steps/s",
    ] {
        assert!(told.contains(expected), "{told}");
    }
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
        ("budget m.lstm --flash 384K", "cannot be used with"),
        (
            "budget --flash 384KB",
            "found 384KB, expected bytes such as",
        ),
        (
            "budget --flash 60K",
            "found --flash 60K, expected at least 63K for a network of ",
        ),
        (
            "budget --flash 384K --format f32",
            "expected int8 or int4: a memory is in integers",
        ),
        (
            "budget --channels 6",
            "expected --classes N or --values N too",
        ),
        ("budget --classes 6", "--channels <N>"),
        (
            "budget --channels 6 --classes 1",
            "found 1 classes, expected 2 to",
        ),
        (
            "budget --channels 0 --values 1",
            "found 0 channels, expected 1 to",
        ),
        (
            "budget --channels 6 --values 1 --window 100000",
            "steps of a window",
        ),
    ] {
        refuses(folder.path(), line, expected);
    }
}
