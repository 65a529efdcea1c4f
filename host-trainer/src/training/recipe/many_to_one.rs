//! The notebook's first network.

use super::building_blocks::notebook;
use super::{Recipe, Sample};
use crate::network::config::LayerConfig;
use crate::text::alphabet::AlphabetKind;
use crate::text::batches::LossOn;

pub(super) static RECIPE: Recipe = Recipe {
    name: "many-to-one",
    about: "The notebook's first network: 40 letters in, the next one out; 64 units",
    layer: LayerConfig::lstm(64),
    alphabet: AlphabetKind::Letters,
    from_scratch: Some(|| vec![notebook(LossOn::LastStep)]),
    pretrained: None,
    memory: None,
    sample: Sample::Window,
    notebook_losses: Some(&[
        2.4096, 2.0563, 1.9219, 1.8404, 1.7855, 1.7439, 1.7112, 1.6844, 1.6609, 1.6410,
    ]),
};
