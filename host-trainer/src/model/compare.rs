//! A network in each number format: what it takes, and what it loses.

use crate::files::error::Result;
use crate::files::stdout::grouped;
use crate::files::table;
use crate::model::encode::{Labels, encode_f32, encode_quantized, encode_zeros};
use crate::model::file::ModelFile;
use crate::network::parameters::Network;
use crate::network::score::{Extent, Score, network_scores};
use crate::quantize::{DEAD_ZONE, QuantizedNetwork, TensorError, quantize};
use crate::text::corpus::{Corpus, Split};
use lstm_core::Format;

/// The formats, the reference first.
const FORMATS: [Format; 3] = [Format::F32, Format::Int8, Format::Int4];
/// The parts that they are scored on.
const PARTS: [Split; 2] = [Split::Validation, Split::Test];

/// A network in one format.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The format, and where its numbers come from if not from rounding.
    pub name: String,
    /// The model, as the device would have it; `None` of a network with a memory in f32, which no device runs.
    pub file: Option<ModelFile>,
    /// The integers; `None` of f32.
    pub quantized: Option<QuantizedNetwork>,
    /// How far rounding moved each tensor; empty of f32, and of what was fine-tuned.
    pub errors: Vec<TensorError>,
    /// On the validation part.
    pub validation: Score,
    /// On the test part.
    pub test: Score,
}

impl Variant {
    /// Bytes of the model.
    pub fn bytes(&self) -> Option<usize> {
        self.file.as_ref().map(|file| file.bytes().len())
    }

    /// The f32 network itself.
    fn float(network: &Network, corpus: &Corpus) -> Result<Self> {
        let file = match network.ngrams {
            None => Some(ModelFile::from_bytes(&encode_f32(
                network,
                &Labels::default(),
            )?)),
            Some(_) => None,
        };
        let window = network.config.window;
        let scores = network_scores(network, window, corpus, &PARTS, Extent::Sample)?;
        Ok(Self {
            name: Format::F32.to_string(),
            file,
            quantized: None,
            errors: Vec::new(),
            validation: scores[0],
            test: scores[1],
        })
    }

    /// The network rounded to a format of integers.
    fn rounded(network: &Network, format: Format, corpus: &Corpus) -> Result<Self> {
        // Rounding takes long, and a shape that the device does not run is known before.
        encode_zeros(&network.config, format)?;
        let (quantized, errors) = quantize(network, format, DEAD_ZONE)?;
        Self::integers(format.to_string(), quantized, errors, corpus)
    }

    /// A network that is in integers already.
    ///
    /// # Errors
    /// The device does not run its shape.
    pub fn integers(
        name: String,
        quantized: QuantizedNetwork,
        errors: Vec<TensorError>,
        corpus: &Corpus,
    ) -> Result<Self> {
        let bytes = encode_quantized(&quantized, &Labels::default())?;
        let file = ModelFile::from_bytes(&bytes);
        let scores = file.score(quantized.config.window, corpus, &PARTS, Extent::Sample)?;
        Ok(Self {
            name,
            file: Some(file),
            quantized: Some(quantized),
            errors,
            validation: scores[0],
            test: scores[1],
        })
    }
}

/// The network in each format, or why the device does not run it there.
pub fn variants(network: &Network, corpus: &Corpus) -> Vec<(Format, Result<Variant>)> {
    let variant = |format| match format {
        Format::F32 => Variant::float(network, corpus),
        format => Variant::rounded(network, format, corpus),
    };
    FORMATS.map(|format| (format, variant(format))).into()
}

/// The variants as a table for a terminal.
pub fn table(variants: &[(Format, Result<Variant>)]) -> String {
    let row = |(format, variant): &(Format, Result<Variant>)| match variant {
        Ok(variant) => [
            variant.name.clone(),
            variant.bytes().map_or_else(|| "-".into(), grouped),
            format!("{:.4}", variant.validation.bits_per_char),
            format!("{:.4}", variant.test.bits_per_char),
        ],
        Err(error) => [
            format.to_string(),
            error.to_string(),
            String::new(),
            String::new(),
        ],
    };
    let heads = ["format", "bytes", "bits/char: validation", "test"];
    table::table(&heads, &[0], variants.iter().map(row))
}
