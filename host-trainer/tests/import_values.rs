//! Networks of values as people have them, by real Keras 2 and 3, PyTorch and ONNX's exporters:
//! `tests/golden/sensors/README.md` tells where they come from.

mod binary;

use binary::{printed, refuses, run};
use candle_core::Tensor;
use host_trainer::interchange::values::{self, Answer, MeanAndStd, Settings};
use host_trainer::interchange::{self, Reads, Told};
use host_trainer::kernels::random::Random;
use host_trainer::model::file::ModelFile;
use host_trainer::model::sensor::encode_f32;
use host_trainer::model::workspace::HeapWorkspace;
use host_trainer::network::parameters::Network;
use host_trainer::network::predictor::{NetworkPredictor, Predictor};
use host_trainer::network::sensor::{Forward, Head, SensorNetwork};
use host_trainer::text::alphabet::Alphabet;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The largest difference of an answer that is accepted.
const TOLERANCE: f32 = 1e-5;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    file: String,
    arguments: String,
    /// What the refusal says; without one the file is imported.
    refusal: Option<String>,
    /// The file of the framework's inputs and outputs.
    io: Option<String>,
    answer: Option<Kind>,
    #[serde(default)]
    window: usize,
}

/// What the framework gives.
#[derive(Clone, Copy, Deserialize, PartialEq)]
enum Kind {
    #[serde(rename = "probabilities")]
    Probabilities,
    #[serde(rename = "probability of the second")]
    Second,
    #[serde(rename = "logits")]
    Logits,
    #[serde(rename = "values")]
    Values,
    /// Logits of characters.
    #[serde(rename = "text")]
    Text,
}

fn golden() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/sensors");
    tests.canonicalize().unwrap()
}

fn cases() -> Vec<Case> {
    let read = |name: &str| {
        let json = std::fs::read_to_string(golden().join(name)).unwrap();
        serde_json::from_str::<Vec<Case>>(&json).unwrap()
    };
    let lists = [
        "keras.json",
        "keras_variants.json",
        "torch.json",
        "torch_variants.json",
        "trained.json",
    ];
    lists.map(read).concat()
}

/// A folder with all that the cases' arguments name, and nothing else.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(golden()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

/// The framework's inputs, a series each, and outputs: at each step, or at the end.
struct Expected {
    x: Vec<Vec<Vec<f32>>>,
    y: Vec<Vec<Vec<f32>>>,
}

impl Expected {
    fn read(name: &str) -> Self {
        let arrays = Tensor::read_npz(golden().join(name)).unwrap();
        let arrays: HashMap<String, Tensor> = arrays.into_iter().collect();
        let series = |name: &str| {
            let tensor = &arrays[name];
            let tensor = match tensor.rank() {
                // One number of a character each, or one answer of a series each.
                2 if name == "x" => tensor.unsqueeze(2).unwrap(),
                2 => tensor.unsqueeze(1).unwrap(),
                _ => tensor.clone(),
            };
            tensor.to_vec3::<f32>().unwrap()
        };
        let (x, y) = (series("x"), series("y"));
        Self { x, y }
    }

    /// The largest difference from what `answer` gives after each step of a series.
    fn difference(&self, answer: impl Fn(&[Vec<f32>]) -> Vec<Vec<f32>>) -> f32 {
        let mut largest = 0f32;
        for (x, y) in self.x.iter().zip(&self.y) {
            let found = answer(x);
            let found = &found[found.len() - y.len()..];
            for (found, expected) in found.iter().flatten().zip(y.iter().flatten()) {
                largest = largest.max((found - expected).abs());
            }
            assert_eq!(found[0].len(), y[0].len());
        }
        largest
    }
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|z| (z - max).exp()).sum();
    logits.iter().map(|z| (z - max).exp() / sum).collect()
}

/// The answers of the chip's engine in f32 after each step of a series, as the framework gives them.
fn answers(file: &ModelFile, kind: Kind, series: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let model = file.model().unwrap();
    let mut workspace = HeapWorkspace::new(&model);
    let mut session = workspace.sensor_session(&model).unwrap();
    let mut series = series.to_vec();
    if model.reads_backwards() {
        series.reverse();
    }
    let answers = series.iter().map(|values| {
        let output = session.step(values).unwrap();
        let numbers: Vec<f32> = match kind {
            Kind::Values => output.values().collect(),
            _ => output.logits().collect(),
        };
        match kind {
            Kind::Probabilities => softmax(&numbers),
            Kind::Second => vec![softmax(&numbers)[1]],
            Kind::Logits | Kind::Values | Kind::Text => numbers,
        }
    });
    answers.collect()
}

#[test]
fn every_file_gives_the_frameworks_answers_or_is_refused() {
    let folder = folder();
    let net = folder.path().join("net");
    let (mut imported, mut refused) = (0, 0);
    for case in cases() {
        let what = format!("{} {}", case.file, case.arguments);
        let line = format!("import {what} --out net");
        if let Some(expected) = case.refusal {
            refuses(folder.path(), &line, &expected);
            assert!(!net.exists(), "{what}");
            refused += 1;
            continue;
        }
        let output = run(folder.path(), &line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: {errors}");
        let expected = Expected::read(&case.io.unwrap());
        let kind = case.answer.unwrap();
        let difference = match kind {
            Kind::Text => {
                let network = Network::load(&net).unwrap();
                assert_eq!(network.config.window.unwrap_or(0), case.window, "{what}");
                expected.difference(|tokens| {
                    let mut predictor = NetworkPredictor::new(&network);
                    let tokens = tokens.iter().map(|token| token[0] as u8);
                    tokens.map(|token| predictor.step(token).to_vec()).collect()
                })
            }
            kind => {
                let network = SensorNetwork::load(&net).unwrap().unwrap();
                let file = ModelFile::from_bytes(&encode_f32(&network, "").unwrap());
                assert_eq!(network.config.window.unwrap_or(0), case.window, "{what}");
                let is_classes = matches!(network.config.head, Head::Classes(_));
                assert_eq!(is_classes, kind != Kind::Values, "{what}");
                expected.difference(|series| answers(&file, kind, series))
            }
        };
        assert!(difference <= TOLERANCE, "{what}: {difference}");
        std::fs::remove_file(&net).unwrap();
        imported += 1;
    }
    assert!(imported >= 40 && refused >= 15, "{imported} and {refused}");
}

/// The map, the network in one line, and what was assumed.
#[test]
fn what_a_file_does_not_tell_is_said() {
    let folder = folder();
    let says = |line: &str, expected: &[&str]| {
        let text = printed(folder.path(), &format!("import {line} --out net"));
        for expected in expected {
            assert!(text.contains(expected), "{line}: no {expected:?} in {text}");
        }
    };
    says(
        "mixed.weights.h5 --classes 3",
        &[
            "gru.0.recurrent_bias       [15]          layers/gru/cell/vars/2, row 1, gates in another order",
            "channels 3, GRU 5, LSTM 4, dense 6 relu, classes 0, 1, 2: 361 parameters; state carried, an answer each step",
            "note: layers/normalization/vars/0, layers/normalization/vars/1 normalizes the input",
            "note: the file does not tell the activation of the dense layers before the last: taken as relu",
            "note: the file does not tell whether the network was trained on windows",
        ],
    );
    says(
        "mixed.h5",
        &[
            "windows of 12 steps from a zero state",
            "note: layer normalization normalizes the input",
            "note: the file does not name its 3 classes: taken as 0 to 2",
        ],
    );
    says(
        "binary.keras",
        &[
            "dense.0.weight             [4, 2]        zeros and layers/dense/vars/0",
            "taken as that of the second of two classes",
            "note: nothing normalizes the input: taken as it is",
        ],
    );
    says(
        "every.keras",
        &["answers through tanh: the identity follows it as the last dense layer"],
    );
    says(
        "deep.onnx --classes 3",
        &["answers at the end of series whose length the file does not tell"],
    );
    says(
        "torch_lstm20_power_next.state.onnx --values power",
        &["the state is an input of the graph: taken as zero at the start, and carried"],
    );
    says(
        "states.keras",
        &["note: the model also answers a state that layer lstm gives: left out"],
    );
    says("states.onnx", &["note: the graph also gives "]);
    says(
        "channels_first.ts.onnx",
        &["note: the graph's input has its channels before its steps: here each step is given"],
    );
    says(
        "batch.keras",
        &[
            "note: layer rescaling and layer batch_normalization normalizes the input",
            "has no activation: it is part of the input weights of layer lstm",
            "channels 3, LSTM 4, GRU 3, dense 4 relu, values 2: 235 parameters",
        ],
    );
    says(
        "batch.weights.h5 --input values --values a,b --ignore layers/rescaling --ignore layers/batch_normalization \
         --ignore layers/batch_normalization_1 --ignore layers/batch_normalization_2 \
         --ignore layers/batch_normalization_3 --order layers/lstm/cell,layers/gru/cell,layers/dense_1,layers/dense_2 \
         --ignore layers/dense",
        &["note: layers/rescaling is left out, as --ignore says"],
    );
    says(
        "torch_lstm20_power_next.pt --classes 1,2 --window 7",
        &[
            "taken as the logit of the second class, 2",
            "classes 1, 2",
            "windows of 7 steps",
        ],
    );
}

/// A network without an embedding reads values, unless it may be one of characters.
#[test]
fn text_and_values_are_told_apart() {
    let folder = folder();
    let golden = golden().join("../imports").canonicalize().unwrap();
    let onehot = golden.join("onehot.keras");
    std::fs::write(folder.path().join("five"), "abcde").unwrap();
    let says = |line: String| printed(folder.path(), &format!("import {line} --out net"));
    let text = says(format!("{} --symbols five", onehot.display()));
    assert!(text.contains("the input is one-hot"), "{text}");
    let values = says(format!("{}", onehot.display()));
    assert!(
        values.contains("channels 5") && values.contains("classes 0, 1, 2, 3, 4"),
        "{values}"
    );
    // Of 27 inputs and 27 outputs: one-hot text, unless it is told.
    let onehot = folder.path().join("letters.safetensors");
    let tensor =
        |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &candle_core::Device::Cpu);
    let tensors = HashMap::from([
        ("rnn.weight_ih_l0", tensor(&[8, 27]).unwrap()),
        ("rnn.weight_hh_l0", tensor(&[8, 2]).unwrap()),
        ("out.weight", tensor(&[27, 2]).unwrap()),
    ]);
    candle_core::safetensors::save(&tensors, &onehot).unwrap();
    assert!(says("letters.safetensors".into()).contains("dense 27"));
    assert!(says("letters.safetensors --input values --classes 27".into()).contains("channels 27"));
    assert!(
        says(
            "letters.safetensors --values 0,1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"
                .into()
        )
        .contains("values 27")
    );
    for (line, expected) in [
        (
            "import letters.safetensors --out x --input values --symbols five",
            "found --input values and --symbols, expected one of them",
        ),
        (
            "import letters.safetensors --out x --input text --classes 27",
            "found --input text and a flag for networks of values",
        ),
        (
            "import torch_gru64_sonnets.ts.onnx --out x --input values",
            "found an embedding, which looks up characters, expected a network of values",
        ),
        (
            "import binary.keras --out x --input text",
            "has activation \"sigmoid\", expected \"softmax\"",
        ),
        (
            "import torch_gru64_sonnets.ts.onnx --out x --symbols five",
            "has 27 symbols, expected the alphabet's 5",
        ),
    ] {
        refuses(folder.path(), line, expected);
    }
}

/// Weights of these shapes, in a file whose names are sorted.
fn weights(path: &Path, shapes: &[(&str, &[usize], f64)]) {
    let device = &candle_core::Device::Cpu;
    let tensor = |shape: &[usize], value| Tensor::full(value, shape, device).unwrap();
    let tensors = shapes
        .iter()
        .map(|&(name, shape, value)| (name.to_owned(), tensor(shape, value as f32)));
    candle_core::safetensors::save(&tensors.collect::<HashMap<_, _>>(), path).unwrap();
}

const LSTM: [(&str, &[usize], f64); 2] = [
    ("rnn.weight_ih_l0", &[20, 5], 0.1),
    ("rnn.weight_hh_l0", &[20, 5], 0.1),
];

/// A dense layer that may stand before the recurrent ones is not silently run after them.
#[test]
fn a_dense_layer_in_front_is_asked_about() {
    let folder = folder();
    let path = folder.path().join("net.safetensors");
    let import = "import net.safetensors --classes 3 --out net";
    let save = |names: [&'static str; 2], widths: [usize; 2]| {
        let [first, second] = [[5, widths[0]], widths];
        let dense: [(&str, &[usize], f64); 2] = [
            (names[0], &[first[1], first[0]], 0.1),
            (names[1], &[second[1], second[0]], 0.1),
        ];
        weights(&path, &[LSTM, dense].concat());
    };
    save(["first.weight", "out.weight"], [5, 3]);
    refuses(
        folder.path(),
        import,
        "found dense layer first, which may stand before layer rnn.0, expected dense layers behind the recurrent \
         layers: --order rnn.0,first,out if they do",
    );
    let told = printed(folder.path(), &format!("{import} --order rnn.0,first,out"));
    assert!(told.contains("LSTM 5, dense 5 relu, classes"), "{told}");
    refuses(
        folder.path(),
        &format!("{import} --order first,rnn.0,out"),
        "found layer first before layer rnn.0 in --order",
    );
    // It cannot stand there, or its name tells that it does not.
    save(["first.weight", "out.weight"], [4, 3]);
    printed(folder.path(), import);
    save(["head.0.weight", "head.2.weight"], [5, 3]);
    printed(folder.path(), import);
}

/// Tied weights that a file holds twice: the embedding and the dense layer are one matrix, whichever is taken for which.
#[test]
fn two_matrices_of_the_same_numbers_are_one_network() {
    let folder = folder();
    let save = |value: f64| {
        let ends: [(&str, &[usize], f64); 2] = [
            ("tok.weight", &[27, 5], 0.1),
            ("lm.weight", &[27, 5], value),
        ];
        let path = folder.path().join("tied.safetensors");
        weights(&path, &[LSTM, ends].concat());
    };
    let import = "import tied.safetensors --out net";
    save(0.1);
    let told = printed(folder.path(), import);
    assert!(told.contains("embedding 5, LSTM 5, dense 27"), "{told}");
    save(0.2);
    refuses(
        folder.path(),
        import,
        "of which either may be the embedding",
    );
}

#[test]
fn what_a_module_of_pytorch_normalizes_with_is_taken() {
    let folder = folder();
    let path = folder.path().join("net.safetensors");
    let buffers: [(&str, &[usize], f64); 3] = [
        ("out.weight", &[3, 5], 0.1),
        ("scaler.mean", &[1, 1, 5], 2.0),
        ("scaler.std", &[1, 1, 5], 4.0),
    ];
    weights(&path, &[&LSTM[..], &buffers].concat());
    let import = "import net.safetensors --classes 3 --out net";
    let told = printed(folder.path(), import);
    let note = "note: (x - scaler.mean) / scaler.std normalizes the input";
    assert!(told.contains(note), "{told}");
    let network = SensorNetwork::load(&folder.path().join("net"));
    let channels = network.unwrap().unwrap().config.channels;
    assert!(channels.iter().all(|c| (c.mean, c.scale) == (2.0, 0.25)));
    let told = printed(folder.path(), &format!("{import} --ignore scaler"));
    assert!(told.contains("nothing normalizes the input"), "{told}");
}

#[test]
fn the_identity_stands_for_a_dense_layer_that_is_not_there() {
    let folder = folder();
    weights(&folder.path().join("net.safetensors"), &LSTM);
    let import = "import net.safetensors --out net";
    refuses(folder.path(), import, "expected --classes A,B,..");
    let told = printed(folder.path(), &format!("{import} --values a,b,c,d,e"));
    assert!(told.contains("the identity is one"), "{told}");
}

/// What a person may give and should not.
#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let folder = folder();
    let beside = folder.path().join("beside.onnx.data");
    let numbers = std::fs::read(&beside).unwrap();
    for (line, expected) in [
        (
            "import binary.keras --out x --normalize binary.npz",
            "found no mean.npy in the zip file, expected one",
        ),
        (
            "import binary.keras --out x --normalize torch_gru64_sonnets.ts.onnx",
            "found a damaged zip file",
        ),
        (
            "import binary.keras --out x --normalize keras_gru32_motions_norm.npz",
            "mean of --normalize has 6 numbers, expected 2, one a channel",
        ),
        (
            "import keras_gru32_motions_norm.keras --out x --normalize keras_gru32_motions_norm.npz",
            "normalization_1 in the file, expected one of them",
        ),
        (
            "import keras_gru32_motions_norm.onnx --out x --normalize keras_gru20_before_motions.npz --channels a",
            "found 1 names in --channels, expected 6, one a channel",
        ),
        (
            "import mixed.h5 --out x --values a,b,c",
            "gives probabilities by softmax, expected --classes",
        ),
        (
            "import mixed.h5 --out x --classes a,b",
            "found a,b in --classes, expected 3 labels",
        ),
        (
            "import mixed.h5 --out x --activation gelu",
            "expected linear, relu, tanh or sigmoid",
        ),
        (
            "import mixed.h5 --out x --window 1000000",
            "found a window of 1000000 steps, expected at most",
        ),
        (
            "import every.keras --out x --classes a,b",
            "has activation tanh, of which each output stands alone",
        ),
        (
            "import every.keras --out x --values a",
            "found a in --values, expected 2 names",
        ),
        (
            "import every.keras --out x --values a --classes b",
            "cannot be used with",
        ),
    ] {
        refuses(folder.path(), line, expected);
        assert!(!folder.path().join("x").exists());
    }
    let line = "import beside.onnx --values x,y,z --out x";
    std::fs::write(&beside, &numbers[..numbers.len() - 1]).unwrap();
    refuses(
        folder.path(),
        line,
        "reaches beyond the 299 bytes of beside.onnx.data",
    );
    std::fs::remove_file(&beside).unwrap();
    refuses(
        folder.path(),
        line,
        "has its numbers in beside.onnx.data, which cannot be read",
    );
}

/// Files cut off at every step, and many thousand damaged ones: each is refused in one line, or is a network whose
/// numbers are finite and that runs.
/// The reset gate before the product is run, and rounded, but not trained.
#[test]
fn a_cell_that_is_not_trained_is_not_fine_tuned() {
    let folder = folder();
    let folder = folder.path();
    printed(
        folder,
        "import keras_gru20_before_motions.onnx --out gru.safetensors",
    );
    let head = "sequence,class,a,b,c,d,e,f\n";
    let step = |class: usize| format!("{class},{class},0.1,0.2,0.3,0.4,0.5,0.6\n");
    let steps: String = (0..4).map(step).collect();
    std::fs::write(folder.join("data.csv"), head.to_owned() + &steps).unwrap();
    let quantize = "quantize gru.safetensors --data data.csv --out gru.lstm";
    refuses(
        folder,
        &format!("{quantize} --qat"),
        "layer 0 is a GRU whose reset gate comes before the product, expected a cell that is trained",
    );
    printed(folder, quantize);
}

#[test]
fn damage_is_one_line_and_never_a_panic() {
    let mut files: Vec<Case> = cases();
    files.retain(|case| case.io.is_some());
    files.dedup_by(|a, b| a.file == b.file);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut damaged = 0;
        loop {
            let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            match files.get(at) {
                Some(case) => damaged += damage(case),
                None => return damaged,
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let damaged: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert!(damaged > 20_000, "{damaged}");
}

/// Damages a file in many ways; how often.
fn damage(case: &Case) -> usize {
    let path = golden().join(&case.file);
    let whole = std::fs::read(&path).unwrap();
    let (told, alphabet) = (Told::default(), Alphabet::letters());
    let outputs = Expected::read(case.io.as_ref().unwrap()).y[0][0].len();
    let classes = Settings {
        answer: Some(Answer::Classes(vec![outputs.to_string()])),
        normalization: case
            .arguments
            .contains("--normalize")
            .then(|| MeanAndStd::read(&golden().join(case.io.as_ref().unwrap())).unwrap()),
        ..Settings::default()
    };
    let names = (0..outputs).map(|at| at.to_string()).collect();
    let values = Settings {
        answer: Some(Answer::Values(names)),
        ..classes.clone()
    };
    let one_line = |error: host_trainer::files::error::Error| {
        let error = error.to_string();
        assert!(!error.contains(char::is_control), "{}: {error}", case.file);
    };
    let import = |bytes: Vec<u8>| {
        let contents = match interchange::from_bytes(&path, bytes, &told) {
            Ok(contents) => contents,
            Err(error) => {
                one_line(error);
                return false;
            }
        };
        if values::reads(&contents, &told, alphabet.len()) == Reads::Characters {
            let found = interchange::find(&path, &contents, &told, &alphabet);
            return found.map_err(one_line).is_ok();
        }
        let mut is_found = false;
        for settings in [&classes, &values] {
            match values::find(&path, &contents, &told, settings) {
                Err(error) => one_line(error),
                Ok(mapped) => {
                    let mut numbers = mapped.network.parameters().concat().into_iter();
                    assert!(numbers.all(f32::is_finite), "{}", case.file);
                    let zeros = vec![0.0; mapped.network.config.channels.len()];
                    Forward::new(&mapped.network).step(&zeros);
                    is_found = true;
                }
            }
        }
        is_found
    };
    // One has its numbers beside it.
    assert_eq!(
        import(whole.clone()),
        case.file != "beside.onnx",
        "{}",
        case.file
    );
    let (steps, flips) = (200, 1000);
    for step in 0..steps {
        import(whole[..whole.len() * step / steps].to_vec());
    }
    let random = &mut Random::new(9);
    for _ in 0..flips {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = [0, 0xff, bytes[at] ^ (1 << random.below(8))][random.below(3)];
        }
        import(bytes);
    }
    steps + flips
}
