//! Whose costs are told: a file's network, or one that flags describe.

use super::Args;
use crate::files::error::{Error, Result};
use crate::hardware::boards::ModelBytes;
use crate::hardware::cost::Shape;
use crate::model::encode::{Labels, encode_in, encode_quantized, encode_zeros};
use crate::model::file::ModelFile;
use crate::model::sensor;
use crate::network::config::{EMBEDDING, LayerConfig, NetworkConfig};
use crate::network::parameters::Network;
use crate::network::sensor::{
    Activation, Cell, Channel, DenseConfig, Head, LayerConfig as SensorLayer, OutputValue,
    SensorConfig, SensorNetwork,
};
use crate::quantize::QuantizedNetwork;
use crate::text::alphabet::{Alphabet, AlphabetKind};
use crate::text::corpus::Corpus;
use crate::training::sensor::TaskKind;
use lstm_core::{Format, Model};
use std::path::Path;

/// A model, as far as it costs anything.
pub(super) struct Subject {
    /// Numbers that are trained, where a network tells them.
    pub(super) parameters: Option<usize>,
    pub(super) shape: Shape,
    /// At most.
    pub(super) bytes: ModelBytes,
    /// Of the file's bytes, its name.
    pub(super) name_bytes: usize,
    /// Of a character or a step.
    pub(super) multiply_adds: usize,
}

impl Subject {
    /// What the arguments tell, without a proposal.
    pub(super) fn of(args: &Args) -> Result<Self> {
        let format = args.format();
        if args.channels.is_some() {
            return Self::of_values(&values_config(args)?, format);
        }
        match &args.file {
            None => Self::of_text(&text_config(args, LayerConfig::lstm(LSTM_UNITS))?, format),
            Some(path) if ModelFile::is_one(path)? => {
                let file = ModelFile::load(path)?;
                check_format(args, path, file.model()?.format())?;
                Ok(Self::of_model(&file.model()?, None))
            }
            Some(path) => Self::of_network(args, path, format),
        }
    }

    /// A network in a file.
    fn of_network(args: &Args, path: &Path, format: Format) -> Result<Self> {
        if let Some(network) = SensorNetwork::load(path)? {
            return Self::of_values(&network.config, format);
        }
        if let Some(network) = QuantizedNetwork::load(path)? {
            check_format(args, path, network.format)?;
            let file = encode_quantized(&network, &Labels::default())?;
            return Ok(Self::of_model(&ModelFile::from_bytes(&file).model()?, None));
        }
        let network = Network::load(path)?;
        if network.ngrams.is_none() {
            return Self::of_text(&network.config, format);
        }
        let (file, _) = encode_in(&network, format, &Labels::default())?;
        let parameters = network.config.parameter_count();
        Ok(Self::of_model(
            &ModelFile::from_bytes(&file).model()?,
            Some(parameters),
        ))
    }

    /// A network of text of this shape, without a memory.
    pub(super) fn of_text(config: &NetworkConfig, format: Format) -> Result<Self> {
        let file = ModelFile::from_bytes(&encode_zeros(config, format)?);
        Ok(Self::of_model(
            &file.model()?,
            Some(config.parameter_count()),
        ))
    }

    fn of_values(config: &SensorConfig, format: Format) -> Result<Self> {
        let file = ModelFile::from_bytes(&sensor::encode_zeros(config, format)?);
        Ok(Self::of_model(
            &file.model()?,
            Some(config.parameter_count()),
        ))
    }

    fn of_model(model: &Model<'_>, parameters: Option<usize>) -> Self {
        Self {
            parameters,
            shape: Shape::of(model),
            bytes: ModelBytes::of(model),
            name_bytes: model.name().len(),
            multiply_adds: model.multiply_adds(),
        }
    }
}

/// Units of the LSTM whose costs are told where nothing else is asked for.
const LSTM_UNITS: usize = 256;

impl Args {
    /// The format that is asked for.
    pub(super) fn format(&self) -> Format {
        self.format.map_or(Format::Int8, Format::from)
    }
}

/// Refuses another --format than that of a file whose numbers are decided.
fn check_format(args: &Args, path: &Path, found: Format) -> Result<()> {
    match args.format.map(Format::from) {
        Some(asked) if asked != found => Err(Error::bad_input(format!(
            "{} is in {found}, expected --format {found}, or none",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// The network of text that flags tell, over a layer of whoever asks.
pub(super) fn text_config(args: &Args, default: LayerConfig) -> Result<NetworkConfig> {
    let alphabet = match (args.alphabet, &args.corpus) {
        (AlphabetKind::Letters, _) => Alphabet::letters(),
        (kind, Some(corpus)) => Corpus::read(corpus, kind)?.alphabet,
        (_, None) => {
            return Err(Error::bad_input(
                "found --alphabet text and no text, expected --corpus FILE",
            ));
        }
    };
    let layer = LayerConfig {
        cell: args.cell.unwrap_or(default.cell),
        hidden: args.hidden.unwrap_or(default.hidden),
        projection: match args.projection {
            None => default.projection,
            Some(width) => Some(width).filter(|&width| width > 0),
        },
    };
    let embedding = args.embedding.unwrap_or(EMBEDDING);
    let config = NetworkConfig::stack(&alphabet, embedding, layer, args.layers);
    config.check()?;
    Ok(config)
}

/// The network that reads values that flags tell, over the layer that a training on data has. Names take no bytes.
fn values_config(args: &Args) -> Result<SensorConfig> {
    let (head, task) = match (args.classes, args.values) {
        (Some(classes), _) => {
            let labels = (0..classes).map(|class| class.to_string()).collect();
            (Head::Classes(labels), TaskKind::Classify)
        }
        (None, Some(values)) => (
            Head::Values(vec![OutputValue::plain(""); values]),
            TaskKind::Regress,
        ),
        (None, None) => {
            return Err(Error::bad_input(
                "found --channels alone, expected --classes N or --values N too",
            ));
        }
    };
    let default = task.layer();
    let layer = SensorLayer {
        cell: args.cell.map_or(default.cell, Cell::from),
        hidden: args.hidden.unwrap_or(default.hidden),
        projection: args.projection.filter(|&width| width > 0),
    };
    let dense = args.dense.iter().map(|&width| DenseConfig {
        width,
        activation: Activation::Relu,
    });
    let config = SensorConfig {
        channels: vec![Channel::plain(""); args.channels.unwrap_or(0)],
        layers: vec![layer; args.layers],
        dense: dense.collect(),
        head,
        window: Some(args.window).filter(|&window| window > 0),
        backwards: false,
    };
    config.check()?;
    Ok(config)
}
