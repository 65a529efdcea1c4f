//! The input is a file of the trainer: a checkpoint of training or of fine-tuning, a network, a
//! quantized network, a run's config or metrics, a file of flags, or the line of a snapshot.

use crate::payload::{self, Plan};
use crate::tuning::{self, Tuning};
use crate::{Flash, assert_one_line, is_planted};
use host_trainer::commands::train::settings::Settings;
use host_trainer::engine::optimizer::{AdamConfig, AdamState};
use host_trainer::files::tensors::TensorFile;
use host_trainer::kernels::random::Random;
use host_trainer::model::snapshot;
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::network::state::State;
use host_trainer::quantize::QuantizedNetwork;
use host_trainer::text::alphabet::{Alphabet, AlphabetKind};
use host_trainer::text::batches::Cursor;
use host_trainer::text::text_file::TextFile;
use host_trainer::training::checkpoint::Lengths;
use host_trainer::training::checkpoint::{Checkpoint, Progress};
use host_trainer::training::metrics;
use host_trainer::training::recipe::Recipe;
use host_trainer::training::run_config::RunConfig;
use lstm_core::{Format, LayerShape, MAX_WINDOW, Model, Sampler, Session, WorkspaceSlices};
use std::path::Path;
use std::sync::OnceLock;

/// The metadata keys of a checkpoint and of a network.
const KEYS: [&str; 2] = ["checkpoint", "network"];
/// Larger networks only take longer.
const MAX_PARAMETERS: usize = 2000;

pub(crate) fn run(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 9 {
        0 => file(rest),
        // The length of the header is right.
        1 => {
            let end = rest.iter().position(|&b| b == 0xff).unwrap_or(rest.len());
            let (header, data) = rest.split_at(end);
            let length = (header.len() as u64).to_le_bytes();
            file(&[&length, header, data.get(1..).unwrap_or_default()].concat());
        }
        2 => tensors(KEYS[0], rest),
        3 => tensors(KEYS[1], rest),
        4 => quantized(rest),
        5 => config(rest),
        6 => flags(rest),
        7 => line(rest),
        _ => tuning_tensors(rest),
    }
}

/// A whole file, for every reader.
fn file(bytes: &[u8]) {
    match Checkpoint::from_bytes(Path::new("run"), bytes) {
        Ok(checkpoint) => checkpoint_again(&checkpoint),
        Err(error) => assert_one_line(&error),
    }
    match Network::from_bytes(Path::new("run"), bytes) {
        Ok(network) => network_again(&network),
        Err(error) => assert_one_line(&error),
    }
    if let Err(error) = QuantizedNetwork::from_bytes(Path::new("run"), bytes) {
        assert_one_line(&error);
    }
    match Tuning::get().read(bytes) {
        Ok(checkpoint) => Tuning::get().again(checkpoint),
        Err(error) => assert_one_line(&error),
    }
}

/// What is read is written as it was.
fn checkpoint_again(checkpoint: &Checkpoint) {
    let bytes = checkpoint.to_tensors().to_bytes(KEYS[0]).unwrap();
    let again = Checkpoint::from_bytes(Path::new("again"), &bytes).unwrap();
    // As bytes, because a moment may be no number.
    assert_eq!(again.to_tensors().to_bytes(KEYS[0]).unwrap(), bytes);
}

fn network_again(network: &Network) {
    let mut numbers = network.parameters().concat().into_iter();
    assert!(numbers.all(f32::is_finite));
    let mut file = TensorFile {
        metadata: serde_json::to_string(&network.config).unwrap(),
        ..TensorFile::default()
    };
    network.to_tensors(&mut file);
    let bytes = file.to_bytes(KEYS[1]).unwrap();
    let mut again = Network::from_bytes(Path::new("again"), &bytes).unwrap();
    // Weights lose their sign.
    if is_planted() {
        let weights = again
            .parameters_mut()
            .into_iter()
            .flat_map(|w| w.iter_mut());
        weights.for_each(|weight| *weight = weight.abs());
    }
    assert_eq!(&again, network);
}

/// The input is the metadata, and a byte of numbers after each `\xff`; the tensors have the shapes
/// that it asks for.
fn tensors(key: &str, input: &[u8]) {
    let (metadata, fill) = text_and_fill(input);
    let Some(text) = metadata else { return };
    let mut file = TensorFile {
        metadata: text.to_owned(),
        ..TensorFile::default()
    };
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let is_checkpoint = key == KEYS[0];
    let description = match &value {
        Some(value) if is_checkpoint => value.get("network"),
        value => value.as_ref(),
    };
    let config = description.and_then(|v| serde_json::from_value::<NetworkConfig>(v.clone()).ok());
    if let Some(config) = config.as_ref().filter(|c| c.check().is_ok()) {
        if config.parameter_count() > MAX_PARAMETERS {
            return;
        }
        let rows = value.as_ref().and_then(|v| v.get("state_rows")?.as_u64());
        fill_tensors(
            &mut file,
            config,
            is_checkpoint.then_some(rows.unwrap_or(0)),
            fill,
        );
    }
    self::file(&file.to_bytes(key).unwrap());
}

/// The tensors of a network, and of a checkpoint with so many rows of state.
fn fill_tensors(file: &mut TensorFile, config: &NetworkConfig, rows: Option<u64>, fill: &[u8]) {
    let mut fill = fill.iter().cycle();
    let mut insert = |name: String, shape: &[usize]| insert_numbers(file, name, shape, &mut fill);
    let is_checkpoint = rows.is_some();
    for (name, shape) in config.shapes() {
        if is_checkpoint {
            insert(format!("adam.first.{name}"), &shape);
            insert(format!("adam.second.{name}"), &shape);
            insert(format!("average.{name}"), &shape);
        }
        insert(name, &shape);
    }
    let rows = rows.unwrap_or(0).min(4) as usize;
    for (index, layer) in config.layers.iter().enumerate().filter(|_| rows > 0) {
        insert(format!("state.{index}.h"), &[rows, layer.output()]);
        insert(format!("state.{index}.c"), &[rows, layer.hidden]);
    }
}

/// A tensor of a number from each byte.
fn insert_numbers<'b>(
    file: &mut TensorFile,
    name: String,
    shape: &[usize],
    bytes: &mut impl Iterator<Item = &'b u8>,
) {
    let number = |byte: Option<&u8>| match byte {
        None => 0.0,
        Some(0xfe) => f32::NAN,
        Some(0xfd) => f32::INFINITY,
        Some(&byte) => f32::from(byte as i8) / 64.0,
    };
    let count = shape.iter().product();
    let values: Vec<_> = (0..count).map(|_| number(bytes.next())).collect();
    file.insert(name, shape, &values);
}

/// As [`tensors`], of a checkpoint of fine-tuning.
fn tuning_tensors(input: &[u8]) {
    let (metadata, fill) = text_and_fill(input);
    let Some(text) = metadata else { return };
    let mut file = Tuning::get().file();
    let mut fill = fill.iter().cycle();
    let shapes: Vec<_> = file
        .tensors
        .iter()
        .map(|(name, t)| (name.clone(), t.shape.clone()))
        .collect();
    for (name, shape) in shapes {
        insert_numbers(&mut file, name, &shape, &mut fill);
    }
    file.metadata = text.to_owned();
    self::file(&file.to_bytes(tuning::KEY).unwrap());
}

/// Text up to the first byte that UTF-8 never has, and what is behind it.
fn text_and_fill(input: &[u8]) -> (Option<&str>, &[u8]) {
    let end = input.iter().position(|&b| b == 0xff).unwrap_or(input.len());
    let (text, fill) = input.split_at(end);
    (
        std::str::from_utf8(text).ok(),
        fill.get(1..).unwrap_or_default(),
    )
}

/// The header of a quantized network with the data behind it.
fn quantized(input: &[u8]) {
    let end = input.iter().position(|&b| b == 0xff).unwrap_or(input.len());
    let (header, fill) = input.split_at(end);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    // As much data as the header's last tensor ends at.
    let text = String::from_utf8_lossy(header);
    let last = text.rsplit("data_offsets\":[").next().and_then(|rest| {
        let (_, end) = rest.split_once(',')?;
        end.split(']').next()?.trim().parse::<usize>().ok()
    });
    bytes.extend(fill.iter().cycle().take(last.unwrap_or(0).min(4096)));
    match QuantizedNetwork::from_bytes(Path::new("run"), &bytes) {
        Ok(Some(network)) => assert!(network.config.check().is_ok()),
        Ok(None) => {}
        Err(error) => assert_one_line(&error),
    }
}

fn config(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Err(error) = metrics::parse(Path::new("metrics"), text) {
        assert_one_line(&error);
    }
    match RunConfig::parse(Path::new("config"), text) {
        Ok(config) => {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(RunConfig::parse(Path::new("again"), &text).unwrap(), config);
        }
        Err(error) => assert_one_line(&error),
    }
}

fn flags(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let path = Path::new("settings");
    match Settings::parse(path, text) {
        Ok(settings) => {
            let text = settings.to_table().unwrap().to_string();
            assert_eq!(Settings::parse(path, &text).unwrap(), settings);
        }
        Err(error) => assert_one_line(&error),
    }
}

fn line(input: &[u8]) {
    static MODEL: OnceLock<Flash> = OnceLock::new();
    let plan = || Plan::simple(Format::Int8, &[LayerShape::lstm(2)]);
    let model = MODEL.get_or_init(|| Flash::new(&payload::file(&plan(), &[1, 200, 30]), 0));
    let model = Model::from_bytes(model.bytes()).unwrap();
    let (mut words, mut logits) = ([0; 64], [0; 2]);
    let workspace = WorkspaceSlices::new(&mut words, &mut logits);
    let session = Session::new(model, workspace).unwrap();
    let generator = lstm_core::Generator::<_, MAX_WINDOW>::with_room(session, Sampler::new(1));
    let mut generator = generator.unwrap();
    let start = snapshot::save(&generator).unwrap();
    // A change of a line that was saved, or a line of its own.
    let line = match input {
        [b'@', at, change @ ..] => {
            let mut line = start.clone().into_bytes();
            let at = usize::from(*at) % line.len();
            for (byte, change) in line[at..].iter_mut().zip(change) {
                *byte ^= change;
            }
            line
        }
        line => line.to_vec(),
    };
    let Ok(line) = std::str::from_utf8(&line) else {
        return;
    };
    let restored = snapshot::restore(&mut generator, line);
    let saved = snapshot::save(&generator).unwrap();
    match restored {
        Ok(()) => {
            let line = line.trim();
            let text = line.strip_prefix(":load ").unwrap_or(line);
            assert_eq!(saved, format!(":load {text}\n"));
        }
        Err(error) => {
            assert_one_line(&error);
            assert_eq!(saved, start, "a refused snapshot changes nothing");
        }
    }
    let _ = generator.next_token();
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let with_kind = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let with_fill =
        |kind: u8, text: &str| with_kind(kind, &[text.as_bytes(), b"\xff\x10\xf0"].concat());
    let mut seeds = Vec::new();
    for checkpoint in checkpoints() {
        let file = checkpoint.to_tensors();
        seeds.push(with_fill(2, &file.metadata));
        seeds.push(with_kind(0, &file.to_bytes(KEYS[0]).unwrap()));
        let description = serde_json::to_string(&checkpoint.network.config).unwrap();
        seeds.push(with_fill(3, &description));
    }
    let file = Tuning::get().file();
    seeds.push(with_fill(8, &file.metadata));
    seeds.push(with_kind(0, &file.to_bytes(tuning::KEY).unwrap()));
    let mut config = run_config();
    seeds.push(with_kind(
        5,
        serde_json::to_string(&config).unwrap().as_bytes(),
    ));
    config.phases.clear();
    seeds.push(with_kind(
        5,
        serde_json::to_string(&config).unwrap().as_bytes(),
    ));
    seeds.push(with_kind(
        6,
        b"recipe = \"sonnets\"\nseed = 3\nminutes = 1.5\n",
    ));
    seeds.push(with_kind(7, b"@\x20\x00"));
    seeds.push(with_kind(7, b":load AAAA"));
    let header =
        r#"{"__metadata__":{"network":"{}"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    seeds.push(with_fill(1, header));
    seeds
}

/// Small ones of all kinds.
pub(crate) fn checkpoints() -> [Checkpoint; 2] {
    let layers = [
        vec![LayerConfig::lstm(2)],
        vec![LayerConfig::cifg(2, 1), LayerConfig::lstm(1)],
    ];
    layers.map(|layers| {
        let config = NetworkConfig {
            symbols: " a".into(),
            fold_case: true,
            embedding: 1,
            layers,
            window: None,
            corpus: None,
        };
        let network = Network::new(config, &mut Random::new(1)).unwrap();
        let lengths: Vec<_> = network.parameters().iter().map(|p| p.len()).collect();
        let adam = AdamState::new(AdamConfig::KERAS, lengths.into_iter());
        let layers = network.config.layers.iter();
        Checkpoint {
            run: run_config(),
            progress: Progress {
                phase: 0,
                update: 1,
                epoch: 0,
                phase_seconds: 1.5,
                seconds: 1.5,
                characters: 9,
                loss_sum: 0.5,
                loss_weight: 1.0,
                validated_update: 0,
                best: None,
                stale: 0,
                lengths: Lengths::default(),
                random: Random::new(1),
                cursor: Cursor {
                    position: 0,
                    offset: 0,
                    shuffle: None,
                },
            },
            average: adam.first.clone(),
            states: layers
                .map(|layer| State {
                    h: vec![0.5; layer.output()],
                    c: vec![0.25; layer.hidden],
                })
                .collect(),
            adam,
            network,
        }
    })
}

/// A run's config with a phase of each kind.
fn run_config() -> RunConfig {
    let recipe = |name| Recipe::named(name).unwrap();
    let phases = |name| recipe(name).phases(false).unwrap();
    RunConfig {
        recipe: recipe("sonnets"),
        seed: 1,
        minutes: None,
        alphabet: Some(AlphabetKind::Letters),
        corpus: TextFile::new(Path::new("a.txt"), &[]),
        pretrain: None,
        from: None,
        network: NetworkConfig::lstm(&Alphabet::letters(), 1, 1, 1),
        phases: [phases("many-to-one"), phases("sonnets")].concat(),
    }
}
