//! The notebook's second network.

use super::building_blocks::notebook;
use super::{Recipe, Sample};
use crate::network::config::LayerConfig;
use crate::text::alphabet::AlphabetKind;
use crate::text::batches::LossOn;

pub(super) static RECIPE: Recipe = Recipe {
    name: "many-to-many",
    about: "The notebook's second network: each letter predicts the next; 256 units",
    layer: LayerConfig::lstm(256),
    alphabet: AlphabetKind::Letters,
    from_scratch: Some(|| vec![notebook(LossOn::EveryStep)]),
    pretrained: None,
    memory: None,
    sample: Sample::Letter,
    notebook_losses: Some(&[
        2.1108, 1.4977, 1.2286, 0.9996, 0.8253, 0.7057, 0.6242, 0.5680, 0.5281, 0.4994,
    ]),
};
