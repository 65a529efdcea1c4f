//! The input is a file of the trainer: a checkpoint, a network, a quantized network, a run's config or metrics, a file of flags, or the line of a snapshot.

use crate::payload::{self, Plan};
use crate::{Flash, assert_one_line, is_planted};
use host_trainer::commands::train::settings::Settings;
use host_trainer::files::tensors::TensorFile;
use host_trainer::kernels::random::Random;
use host_trainer::model::snapshot;
use host_trainer::network::config::{LayerConfig, NetworkConfig};
use host_trainer::network::parameters::Network;
use host_trainer::network::state::zero_states;
use host_trainer::ngram::NgramConfig;
use host_trainer::quantize::QuantizedNetwork;
use host_trainer::text::alphabet::{Alphabet, AlphabetKind};
use host_trainer::text::batches::{Cursor, Feeder};
use host_trainer::text::text_file::TextFile;
use host_trainer::training::checkpoint::{Checkpoint, Progress};
use host_trainer::training::metrics;
use host_trainer::training::recipe::Recipe;
use host_trainer::training::run_config::RunConfig;
use host_trainer::training::stage::Place;
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
    match kind % 8 {
        0 => file(rest),
        // The length of the header is right.
        1 => {
            let end = rest.iter().position(|&b| b == 0xff).unwrap_or(rest.len());
            let (header, data) = rest.split_at(end);
            let length = (header.len() as u64).to_le_bytes();
            file(&[&length, header, data.get(1..).unwrap_or_default()].concat());
        }
        2 => checkpoint_tensors(rest),
        3 => network_tensors(rest),
        4 => quantized(rest),
        5 => config(rest),
        6 => flags(rest),
        _ => line(rest),
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
}

/// What is read is written as it was, fits the run that it says it is of or is refused with one line, and goes on
/// from its places in a text, if they are any.
fn checkpoint_again(checkpoint: &Checkpoint) {
    let bytes = checkpoint.to_tensors().to_bytes(KEYS[0]).unwrap();
    let again = Checkpoint::from_bytes(Path::new("again"), &bytes).unwrap();
    assert_eq!(again.to_tensors().to_bytes(KEYS[0]).unwrap(), bytes);
    let run = run_config();
    let [known, _] = checkpoints();
    let lengths: Vec<usize> = known.parameters.iter().map(Vec::len).collect();
    for config in [&checkpoint.config, &known.config] {
        let path = Path::new("run");
        if let Err(error) = checkpoint.check(path, config, &run.phases, &lengths) {
            assert_one_line(&error);
        }
    }
    for phase in &run.phases {
        for place in &checkpoint.places {
            let feeder = Feeder::resume(99, phase.feed, place.cursor.clone());
            if let Some(mut feeder) = feeder {
                let is_over = feeder.epoch_progress() >= 1.0;
                let span = feeder.next_span(&mut Random::new(1));
                assert_eq!(span.is_none(), is_over);
            }
        }
    }
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
fn network_tensors(input: &[u8]) {
    let (metadata, fill) = text_and_fill(input);
    let Some(text) = metadata else { return };
    let mut file = TensorFile {
        metadata: text.to_owned(),
        ..TensorFile::default()
    };
    let config = serde_json::from_str::<NetworkConfig>(text).ok();
    if let Some(config) = config.filter(|c| c.check().is_ok()) {
        if config.parameter_count() > MAX_PARAMETERS {
            return;
        }
        let mut fill = fill.iter().cycle();
        for (name, shape) in config.shapes() {
            insert_numbers(&mut file, name, &shape, &mut fill);
        }
    }
    self::file(&file.to_bytes(KEYS[1]).unwrap());
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

/// As [`network_tensors`], with the tensors of a known checkpoint.
fn checkpoint_tensors(input: &[u8]) {
    let (metadata, fill) = text_and_fill(input);
    let Some(text) = metadata else { return };
    let [_, known] = checkpoints();
    let mut file = TensorFile {
        metadata: text.to_owned(),
        ..TensorFile::default()
    };
    let mut fill = fill.iter().cycle();
    for (name, tensor) in known.to_tensors().tensors {
        insert_numbers(&mut file, name, &tensor.shape, &mut fill);
    }
    self::file(&file.to_bytes(KEYS[0]).unwrap());
}

/// Text up to the first byte that UTF-8 never has, and what is after it.
fn text_and_fill(input: &[u8]) -> (Option<&str>, &[u8]) {
    let end = input.iter().position(|&b| b == 0xff).unwrap_or(input.len());
    let (text, fill) = input.split_at(end);
    (
        std::str::from_utf8(text).ok(),
        fill.get(1..).unwrap_or_default(),
    )
}

/// The header of a quantized network with the data after it.
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
    }
    for config in networks() {
        seeds.push(with_fill(3, &serde_json::to_string(&config).unwrap()));
    }
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

/// Small ones.
fn networks() -> [NetworkConfig; 2] {
    let layers = [
        vec![LayerConfig::lstm(2)],
        vec![LayerConfig::cifg(2, 1), LayerConfig::lstm(1)],
    ];
    layers.map(|layers| NetworkConfig {
        symbols: " a".into(),
        fold_case: true,
        embedding: 1,
        layers,
        window: None,
        corpus: None,
        ngrams: NgramConfig::NONE,
    })
}

/// One of a training, with a running average, and one of more than one text, that has had a best.
fn checkpoints() -> [Checkpoint; 2] {
    networks().map(|config| {
        let network = Network::new(config, &mut Random::new(1)).unwrap();
        let parameters: Vec<_> = network.parameters().iter().map(|p| p.to_vec()).collect();
        let layers = &network.config.layers;
        let place = Place {
            cursor: Cursor::default(),
            states: zero_states(layers, 1),
        };
        let is_first = layers.len() == 1;
        Checkpoint {
            config: serde_json::to_value(run_config()).unwrap(),
            progress: Progress {
                update: 1,
                best: (!is_first).then_some(1.5),
                ..Progress::new(Random::new(1))
            },
            best: if is_first {
                Vec::new()
            } else {
                parameters.clone()
            },
            average: if is_first {
                parameters.clone()
            } else {
                Vec::new()
            },
            moments: parameters.iter().map(|p| p.repeat(2)).collect(),
            places: vec![place; layers.len()],
            parameters,
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
        memory: None,
        network: NetworkConfig::lstm(&Alphabet::letters(), 1, 1, 1),
        phases: [phases("many-to-one"), phases("sonnets")].concat(),
    }
}
