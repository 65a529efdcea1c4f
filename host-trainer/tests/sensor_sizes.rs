//! The table in docs/SENSORS.md of bytes and RAM beside other engines. `BLESS=1 cargo test -p host-trainer --test sensor_sizes`
//! writes it anew.

use host_trainer::hardware::cost::Shape;
use host_trainer::hardware::figures::CORES;
use host_trainer::model::encode;
use host_trainer::model::file::ModelFile;
use host_trainer::model::sensor;
use host_trainer::network::config::{LayerConfig as TextLayer, NetworkConfig};
use host_trainer::network::sensor::{
    Activation, Cell, Channel, DenseConfig, Head, LayerConfig, OutputValue, SensorConfig,
};
use host_trainer::text::alphabet::Alphabet;
use indicatif::HumanCount;
use lstm_core::Format;
use std::path::PathBuf;

/// The lines that the table stands between.
const START: &str = "<!-- sizes -->\n";
const END: &str = "<!-- end of sizes -->\n";

/// A network that was trained in a framework, and what other engines' files of it take.
struct Case {
    network: &'static str,
    shape: Kind,
    /// `.tflite` in int8.
    tflite: Tflite,
    /// Of onnxruntime, quantized dynamically; what is then still in f32.
    onnxruntime: Option<(usize, &'static str)>,
}

enum Kind {
    Text(NetworkConfig),
    Values(SensorConfig),
}

enum Tflite {
    /// As a layer of its own.
    Layer(usize),
    /// By way of a model that was unrolled.
    Unrolled(usize),
    /// It was not tried: PyTorch has no way to it.
    NotTried,
}

fn values(
    channels: usize,
    layers: &[(Cell, usize)],
    dense: Option<usize>,
    head: Head,
    window: usize,
) -> Kind {
    Kind::Values(SensorConfig {
        channels: vec![Channel::plain(""); channels],
        layers: (layers.iter())
            .map(|&(cell, hidden)| LayerConfig::new(cell, hidden))
            .collect(),
        dense: (dense.into_iter())
            .map(|width| DenseConfig {
                width,
                activation: Activation::Relu,
            })
            .collect(),
        head,
        window: Some(window).filter(|&window| window > 0),
        backwards: false,
    })
}

fn classes(count: usize) -> Head {
    Head::Classes((0..count).map(|class| class.to_string()).collect())
}

/// Bytes of the peers' files as their own converters and quantizers wrote them.
fn cases() -> Vec<Case> {
    let gru = TextLayer {
        cell: host_trainer::network::config::CellKind::Gru,
        hidden: 64,
        projection: None,
    };
    vec![
        Case {
            network: "Keras GRU 20, reset before, 6 channels, 4 classes",
            shape: values(6, &[(Cell::GruResetBefore, 20)], None, classes(4), 100),
            tflite: Tflite::Unrolled(748_672),
            onnxruntime: Some((22_437, "GRU")),
        },
        Case {
            network: "Keras GRU 32, 6 channels, 4 classes",
            shape: values(6, &[(Cell::Gru, 32)], None, classes(4), 100),
            tflite: Tflite::Unrolled(966_480),
            onnxruntime: None,
        },
        Case {
            network: "Keras LSTM 32, 6 channels, 4 classes",
            shape: values(6, &[(Cell::Lstm, 32)], None, classes(4), 100),
            tflite: Tflite::Layer(9_960),
            onnxruntime: Some((11_207, "")),
        },
        Case {
            network: "Keras LSTM 24, dense 16, 1 channel, 2 classes",
            shape: values(1, &[(Cell::Lstm, 24)], Some(16), classes(2), 24),
            tflite: Tflite::Layer(8_472),
            onnxruntime: Some((10_686, "")),
        },
        Case {
            network: "PyTorch GRU 48 twice, 12 channels, 9 classes",
            shape: values(12, &[(Cell::Gru, 48), (Cell::Gru, 48)], None, classes(9), 0),
            tflite: Tflite::NotTried,
            onnxruntime: Some((97_882, "GRU")),
        },
        Case {
            network: "PyTorch LSTM 20, the next value of 1 channel",
            shape: values(
                1,
                &[(Cell::Lstm, 20)],
                None,
                Head::Values(vec![OutputValue::plain("")]),
                0,
            ),
            tflite: Tflite::NotTried,
            onnxruntime: Some((6_053, "")),
        },
        Case {
            network: "PyTorch GRU 64, 27 symbols",
            shape: Kind::Text(NetworkConfig::stack(&Alphabet::letters(), 32, gru, 1)),
            tflite: Tflite::NotTried,
            onnxruntime: Some((81_968, "GRU")),
        },
    ]
}

/// `12,345`.
fn grouped(number: usize) -> String {
    HumanCount(number as u64).to_string()
}

/// Of a network in a format.
fn model(case: &Case, format: Format) -> ModelFile {
    let bytes = match &case.shape {
        Kind::Text(config) => encode::encode_zeros(config, format),
        Kind::Values(config) => sensor::encode_zeros(config, format),
    };
    ModelFile::from_bytes(&bytes.unwrap())
}

fn table() -> String {
    let mut text =
        "| network | int8 | int4 | RAM, int8 | window | TFLite, int8 | onnxruntime, int8 |\n\
                    | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    for case in cases() {
        let [int8, int4] = [Format::Int8, Format::Int4].map(|format| model(&case, format));
        let shape = Shape::of(&int8.model().unwrap());
        let ram = ["Cortex-M4F", "Cortex-M0"].map(|name| {
            let core = CORES.iter().find(|core| core.name == name).unwrap();
            grouped(core.ram(&shape))
        });
        let window = match shape.window_bytes() {
            0 => "-".to_owned(),
            bytes => grouped(bytes),
        };
        let tflite = match case.tflite {
            Tflite::Layer(bytes) => grouped(bytes),
            Tflite::Unrolled(bytes) => format!("{}, unrolled", grouped(bytes)),
            Tflite::NotTried => "-".to_owned(),
        };
        let onnxruntime = match case.onnxruntime {
            None => "none".to_owned(),
            Some((bytes, "")) => grouped(bytes),
            Some((bytes, float)) => format!("{}, {float} in f32", grouped(bytes)),
        };
        text += &format!(
            "| {} | {} | {} | {} ({}) | {window} | {tflite} | {onnxruntime} |\n",
            case.network,
            grouped(int8.bytes().len()),
            grouped(int4.bytes().len()),
            ram[0],
            ram[1],
        );
    }
    text
}

#[test]
fn the_page_has_the_sizes() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/SENSORS.md"));
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(START).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let expected = table();
    if std::env::var_os("BLESS").is_some() {
        let page = [before, START, &expected, END, after].concat();
        std::fs::write(&path, page).unwrap();
        return;
    }
    assert_eq!(found, expected, "BLESS=1 writes it anew");
}

/// The one that is shipped was made from one of these.
#[test]
fn a_shipped_model_is_as_large() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../models/sensors/motions-gru.lstm"
    );
    let shipped = ModelFile::load(path.as_ref()).unwrap();
    let shipped = shipped.model().unwrap();
    let zeros = model(&cases()[1], Format::Int8);
    let zeros = zeros.model().unwrap();
    assert_eq!(Shape::of(&shipped), Shape::of(&zeros));
    // Names alone are more.
    let names = shipped.name().len() + 100;
    assert!((zeros.file_bytes()..zeros.file_bytes() + names).contains(&shipped.file_bytes()));
}
