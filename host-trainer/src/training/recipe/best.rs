//! The best network: pre-trained, then fine-tuned.

use super::building_blocks::{fine_tuning, pre_training};
use super::{Recipe, Sample};
use crate::network::config::LayerConfig;
use crate::text::alphabet::AlphabetKind;

pub(super) static RECIPE: Recipe = Recipe {
    name: "best",
    about: "Pre-trained on other text of the same author, then fine-tuned on the corpus",
    layer: LayerConfig::lstm(256),
    alphabet: AlphabetKind::Letters,
    from_scratch: None,
    pretrained: Some(|| vec![pre_training(4.0), fine_tuning(1e-3)]),
    memory: None,
    sample: Sample::Text,
    notebook_losses: None,
};
