//! A network for a small chip. The fewer weights, the cheaper an epoch, and the higher the rates that they bear.

use super::building_blocks::{fine_tuning, pre_training};
use super::{Recipe, Sample};
use crate::network::config::LayerConfig;
use crate::text::alphabet::AlphabetKind;

pub(super) static RECIPE: Recipe = Recipe {
    name: "small",
    about: "As best, a CIFG network for a small chip",
    layer: LayerConfig::cifg(256, 64),
    alphabet: AlphabetKind::Letters,
    from_scratch: None,
    pretrained: Some(|| vec![pre_training(8.0), fine_tuning(2e-3)]),
    memory: None,
    sample: Sample::Text,
    notebook_losses: None,
};
