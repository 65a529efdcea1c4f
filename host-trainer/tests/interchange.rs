//! Weights from real Keras and PyTorch: `tests/golden/make_framework_golden.py` made the files and
//! the probabilities.

mod binary;

use binary::{printed, refuses};
use host_trainer::interchange::{self, Told, write};
use host_trainer::kernels::random::Random;
use host_trainer::network::config::{CellKind, LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::network::predictor::{NetworkPredictor, Predictor};
use host_trainer::text::alphabet::Alphabet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The largest difference of a probability that is accepted.
const TOLERANCE: f32 = 1e-5;
/// Every format, with the framework whose probabilities it must give.
const FILES: [(&str, &str); 6] = [
    ("keras.weights.h5", "keras"),
    ("keras.keras", "keras"),
    ("keras.npz", "keras"),
    ("keras-list.npz", "keras"),
    ("torch.pt", "torch"),
    ("torch.safetensors", "torch"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn golden() -> PathBuf {
    root().join("tests/golden/frameworks")
}

/// The alphabet of the small networks.
fn seven() -> Alphabet {
    Alphabet {
        symbols: ('a'..='g').collect(),
        fold_case: false,
    }
}

fn import(path: &Path, alphabet: &Alphabet) -> Network {
    let told = Told::default();
    let contents = interchange::read(path, &told).unwrap();
    interchange::find(path, &contents, &told, alphabet)
        .unwrap()
        .network
}

/// The largest difference of a probability over the 1,000 characters of the script.
fn difference(network: &Network, probabilities: &Path) -> f32 {
    let bytes = std::fs::read(probabilities).unwrap();
    let expected = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b));
    let expected: Vec<f32> = expected.collect();
    let vocabulary = network.config.vocabulary();
    assert_eq!(expected.len(), 1000 * vocabulary);
    let mut predictor = NetworkPredictor::new(network);
    let mut largest = 0f32;
    for (i, expected) in expected.chunks(vocabulary).enumerate() {
        let logits = predictor.step(((i * i + i / 7) % vocabulary) as u8);
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|z| (z - max).exp()).sum();
        for (z, expected) in logits.iter().zip(expected) {
            largest = largest.max(((z - max).exp() / sum - expected).abs());
        }
    }
    largest
}

#[test]
fn every_format_gives_the_frameworks_probabilities() {
    for (file, framework) in FILES {
        let network = import(&golden().join(file), &seven());
        assert_eq!(network.config.layers, [LayerConfig::lstm(9); 2]);
        let difference = difference(&network, &golden().join(format!("{framework}.f32")));
        assert!(difference <= TOLERANCE, "{file}: {difference}");
    }
}

#[test]
fn what_was_exported_is_imported_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = NetworkConfig::lstm(&seven(), 5, 9, 3);
    for (layer, (projection, file)) in [
        (None, "a.npz"),
        (None, "a.safetensors"),
        (Some(4), "b.safetensors"),
    ]
    .into_iter()
    .enumerate()
    {
        // One layer differs from the others in every round.
        config.layers[layer] = LayerConfig {
            projection,
            ..LayerConfig::lstm(7)
        };
        let network = Network::new(config.clone(), &mut Random::new(4)).unwrap();
        let path = folder.path().join(file);
        let kind = match file.ends_with("npz") {
            true => write::FileKind::Npz,
            false => write::FileKind::Safetensors,
        };
        write::write(&network, kind, &path).unwrap();
        assert_eq!(import(&path, &seven()), network, "{file}");
    }
}

#[test]
fn so_are_layers_of_both_cells() {
    let folder = tempfile::tempdir().unwrap();
    let lstm = LayerConfig::lstm;
    let gru = |hidden| LayerConfig {
        cell: CellKind::Gru,
        ..lstm(hidden)
    };
    let random = &mut Random::new(5);
    for layers in [vec![gru(9); 2], vec![gru(9), lstm(9), gru(2), gru(2)]] {
        let mut config = NetworkConfig::lstm(&seven(), 5, 9, 1);
        config.layers = layers;
        let mut network = Network::new(config, random).unwrap();
        for parameter in network.parameters_mut() {
            parameter.copy_from_slice(&random.uniform_vec(parameter.len(), 0.9));
        }
        for (kind, name) in [
            (write::FileKind::Npz, "both.npz"),
            (write::FileKind::Safetensors, "both.safetensors"),
        ] {
            let path = folder.path().join(name);
            write::write(&network, kind, &path).unwrap();
            assert_eq!(import(&path, &seven()), network, "{name}");
        }
    }
}

#[test]
fn an_imported_network_goes_all_the_way_to_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("seven"), "abcdefg").unwrap();
    std::fs::write(at("text"), "abcdefgfedcba".repeat(50)).unwrap();
    let file = golden().canonicalize().unwrap().join("keras.keras");
    for line in [
        &format!("import {} --symbols seven --out net", file.display()),
        "evaluate net --corpus text --split test",
        "quantize net --format int4 --out four",
        "export net --format int8 --out net.lstm",
        "export four --out four.lstm",
        "generate net --length 30",
        "generate four.lstm --length 30",
        "budget net.lstm",
    ] {
        assert!(!printed(folder.path(), line).is_empty(), "{line}");
    }
}

#[test]
fn an_imported_window_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("seven"), "abcdefg").unwrap();
    // The golden model as it would be if its last layer answered at the end of 9 characters.
    let file = golden().join("keras.keras");
    let mut zip = zip::ZipArchive::new(std::fs::File::open(file).unwrap()).unwrap();
    let mut windowed = zip::ZipWriter::new(std::fs::File::create(at("w.keras")).unwrap());
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if name == "config.json" {
            let text = String::from_utf8(bytes).unwrap();
            let text = text.replacen("[null, null]", "[null, 9]", 1);
            let (before, last) = text.rsplit_once("\"return_sequences\": true").unwrap();
            bytes = format!("{before}\"return_sequences\": false{last}").into_bytes();
        }
        let options = zip::write::SimpleFileOptions::default();
        windowed.start_file(name, options).unwrap();
        windowed.write_all(&bytes).unwrap();
    }
    windowed.finish().unwrap();
    let said = |line: &str| {
        printed(
            folder.path(),
            &format!("import {line} --symbols seven --out net"),
        );
        printed(folder.path(), "export net --out net.lstm");
        printed(folder.path(), "inspect net.lstm")
    };
    assert!(said("w.keras").contains("windows of 9 characters"));
    assert!(said("w.keras --window 0").contains("state carried"));
    let golden = golden().canonicalize().unwrap().join("keras.keras");
    let golden = golden.display();
    assert!(said(&format!("{golden}")).contains("state carried"));
    assert!(said(&format!("{golden} --window 7")).contains("windows of 7 characters"));
}

/// Zeros that shrink to a thousandth: no weights. In one array, or in many that are small each.
#[test]
fn what_unpacks_to_far_more_than_its_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.npz");
    let options = zip::write::SimpleFileOptions::default();
    let deflated = options.compression_method(zip::CompressionMethod::Deflated);
    for arrays in [1, 100] {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        for index in 0..arrays {
            let name = format!("arr_{index}.npy");
            let values = candle_core::Tensor::zeros(
                7_500_000 / arrays,
                candle_core::DType::F32,
                &candle_core::Device::Cpu,
            );
            let plain = folder.path().join(&name);
            values.unwrap().write_npy(&plain).unwrap();
            zip.start_file(&name, deflated).unwrap();
            zip.write_all(&std::fs::read(&plain).unwrap()).unwrap();
        }
        zip.finish().unwrap();
        let error = interchange::read(&path, &Told::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("found more than"), "{arrays}: {error}");
    }
}

/// Everything that a person may give `import` and `export --to` and should not.
#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (file, _) in FILES {
        std::fs::copy(golden().join(file), at(file)).unwrap();
    }
    std::fs::write(at("seven"), "abcdefg").unwrap();
    std::fs::write(at("twice"), "abcdefa").unwrap();
    std::fs::write(at("latin1"), b"abcdef\xe9").unwrap();
    std::fs::write(at("text.h5"), "no weights").unwrap();
    std::fs::write(at("old.pt"), b"\x80\x02\x8a\x0a").unwrap();
    std::fs::write(at("empty"), "").unwrap();
    let cifg = NetworkConfig::stack(&seven(), 5, LayerConfig::cifg(8, 4), 1);
    let cifg = Network::new(cifg, &mut Random::new(1)).unwrap();
    cifg.save(&at("cifg.safetensors")).unwrap();
    let layer = LayerConfig {
        projection: Some(4),
        ..LayerConfig::lstm(8)
    };
    let projected = NetworkConfig::stack(&seven(), 5, layer, 1);
    let projected = Network::new(projected, &mut Random::new(1)).unwrap();
    projected.save(&at("projected.safetensors")).unwrap();
    for (line, expected) in [
        (
            "import missing --out x",
            "cannot read missing: No such file",
        ),
        (
            "import text.h5 --out x",
            "expected weights of Keras or PyTorch",
        ),
        ("import empty --out x", "found 0 bytes that are no HDF5"),
        (
            "import old.pt --out x",
            "found a pickle of PyTorch before 1.6",
        ),
        (
            "import keras.keras --out x",
            "has 7 symbols, expected the alphabet's 27 (--symbols FILE",
        ),
        (
            "import keras.keras --out x --symbols twice",
            "found a symbol twice",
        ),
        (
            "import torch.pt --out x --symbols latin1",
            "latin1 is not UTF-8",
        ),
        (
            "import torch.pt --out x --fold-case",
            "required arguments were not provided: --symbols",
        ),
        (
            "import cifg.safetensors --out x --symbols seven",
            "found tensor cifg.0.projection [8, 4], expected names of an embedding, recurrent layers and a dense",
        ),
        (
            "export cifg.safetensors --to npz --out x",
            "found a layer CIFG 8 projected to 4, expected LSTMs or GRUs: Keras has no CIFG",
        ),
        (
            "export cifg.safetensors --to safetensors --out x",
            "PyTorch has no CIFG",
        ),
        (
            "export projected.safetensors --to npz --out x",
            "found a layer LSTM 8 projected to 4, expected none with a projection",
        ),
        (
            "export projected.safetensors --to onnx --out x",
            "invalid value 'onnx' for '--to <TO>'",
        ),
        (
            "export projected.safetensors --to npz --format int8 --out x",
            "cannot be used with",
        ),
    ] {
        refuses(folder.path(), line, expected);
        assert!(!at("x").exists());
    }
}

/// Names and shapes that are nearly right, in PyTorch's way.
#[test]
fn what_does_not_fit_is_refused_with_found_and_expected() {
    let folder = tempfile::tempdir().unwrap();
    let network =
        Network::new(NetworkConfig::lstm(&seven(), 5, 9, 1), &mut Random::new(1)).unwrap();
    let find = |change: &dyn Fn(&mut interchange::Contents)| {
        let path = folder.path().join("n");
        write::write(&network, write::FileKind::Safetensors, &path).unwrap();
        let told = Told::default();
        let mut contents = interchange::read(&path, &told).unwrap();
        change(&mut contents);
        interchange::find(&path, &contents, &told, &seven()).map_err(|e| e.to_string())
    };
    assert_eq!(find(&|_| ()).unwrap().network, network);
    // Without a bias the embedding is known by its name, and the biases are zeros.
    let bare = find(&|c| c.tensors.retain(|name, _| !name.contains("bias")));
    assert!(bare.unwrap().network.dense_bias.iter().all(|&b| b == 0.0));
    let reshape = |name: &'static str, shape: [usize; 2]| {
        find(&move |c: &mut interchange::Contents| {
            let tensor = c.tensors.get_mut(name).unwrap();
            tensor.shape = shape.to_vec();
            tensor.values.resize(shape[0] * shape[1], 0.0);
        })
    };
    let remove = |name: &'static str| {
        find(&move |c: &mut interchange::Contents| {
            c.tensors.remove(name).unwrap();
        })
    };
    let rename = |name: &'static str, new: &'static str| {
        find(&move |c: &mut interchange::Contents| {
            let tensor = c.tensors.remove(name).unwrap();
            c.tensors.insert(new.into(), tensor);
        })
    };
    for (found, expected) in [
        (
            reshape("lstm.weight_hh_l0", [9, 9]),
            "no gates at all, expected the gates of LSTM (4) or GRU (3)",
        ),
        (
            reshape("lstm.weight_hh_l0", [27, 9]),
            "lstm.weight_ih_l0 has shape [36, 5], expected [27, 5]",
        ),
        (
            reshape("lstm.weight_ih_l0", [36, 6]),
            "lstm.weight_ih_l0 has shape [36, 6], expected [36, 5]",
        ),
        (
            reshape("dense.weight", [8, 9]),
            "dense.weight has shape [8, 9], expected [7, 9]",
        ),
        (remove("lstm.weight_ih_l0"), "without its weight_ih"),
        (
            remove("embedding.weight"),
            "found dense.weight beside the recurrent layers, expected one embedding and one dense layer",
        ),
        (
            rename("lstm.weight_hh_l0", "lstm.weight_hh_l0_reverse"),
            "lstm.weight_hh_l0_reverse of a bidirectional layer, expected layers that read",
        ),
        (
            remove("lstm.bias_hh_l0"),
            "found lstm.bias_ih_l0 alone, expected both biases or none",
        ),
        (
            rename("lstm.bias_hh_l0", "norm.bias"),
            "found tensor norm.bias [36], expected an embedding, recurrent layers and a dense layer only",
        ),
        (
            find(&|c| {
                let tensor = c.tensors.get_mut("dense.bias").unwrap();
                tensor.values[3] = f32::NAN;
            }),
            "tensor dense.bias holds NaN at 3, expected finite numbers",
        ),
    ] {
        let error = found.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

/// The frameworks, in the versions with which the files are known to agree, and what they need to
/// write them.
const PACKAGES: [&str; 5] = [
    "torch==2.15.0",
    "keras==3.15.1",
    "h5py",
    "numpy",
    "safetensors",
];

/// Installs the frameworks from PyPI, into target/frameworks.
fn python() -> PathBuf {
    let folder = root().join("target/frameworks");
    let python = folder.join("bin/python");
    let (complete, packages) = (folder.join("complete"), PACKAGES.join(" "));
    if std::fs::read_to_string(&complete).is_ok_and(|installed| installed == packages) {
        return python;
    }
    let runs = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    assert!(
        runs(Command::new("python3").args(["-m", "venv"]).arg(&folder)),
        "Python 3 with its venv module is needed (Debian: apt-get install python3-venv)"
    );
    assert!(
        runs(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet"])
                .args(PACKAGES)
        ),
        "pip cannot install {packages}"
    );
    std::fs::write(complete, packages).unwrap();
    python
}

/// The source's two networks, and one with projections, to the frameworks and back.
#[test]
#[ignore = "installs PyTorch and Keras from PyPI; cargo xtask test --full runs it"]
fn real_keras_and_pytorch_agree_both_ways() {
    let python = python();
    let script = |command: &str, shape: &str, folders: &[&Path]| {
        let output = Command::new(&python)
            .arg(root().join("tests/golden/make_framework_golden.py"))
            .args([command, shape])
            .args(folders)
            .env("OMP_NUM_THREADS", "1")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command} {shape}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    for (shape, parameters) in [
        ("many-to-one", 36_507),
        ("many-to-many", 337_371),
        ("projected", 17_895),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (made, back) = (folder.path().join("made"), folder.path().join("back"));
        std::fs::create_dir(&back).unwrap();
        script("make", shape, &[&made]);
        let mut compared = 0;
        for (file, framework) in FILES {
            if !made.join(file).exists() {
                continue;
            }
            let network = back.join(format!("{framework}-network.safetensors"));
            let line = format!(
                "import {} --out {}",
                made.join(file).display(),
                network.display()
            );
            let text = printed(&root(), &line);
            assert!(text.contains(&format!("{parameters} parameters")), "{text}");
            let imported = Network::load(&network).unwrap();
            let difference = difference(&imported, &made.join(format!("{framework}.f32")));
            println!("{shape} {file}: {difference:.1e}");
            assert!(difference <= TOLERANCE, "{shape} {file}: {difference}");
            compared += 1;
        }
        assert_eq!(compared, if shape == "projected" { 2 } else { 6 });
        for (framework, to) in [("keras", "npz"), ("torch", "safetensors")] {
            let network = back.join(format!("{framework}-network.safetensors"));
            if network.exists() {
                let out = back.join(format!("{framework}.{to}"));
                let line = format!(
                    "export {} --to {to} --out {}",
                    network.display(),
                    out.display()
                );
                printed(&root(), &line);
            }
        }
        let text = script("check", shape, &[&back, &made]);
        for line in text.lines() {
            let difference: f32 = line.rsplit(' ').next().unwrap().parse().unwrap();
            println!("{shape} back to {line}");
            assert!(difference <= TOLERANCE, "{shape}: {line}");
        }
        assert_eq!(
            text.lines().count(),
            if shape == "projected" { 1 } else { 2 }
        );
    }
}
