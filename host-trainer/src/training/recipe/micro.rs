//! A network for the smallest chips.

use super::building_blocks::{fine_tuning, pre_training};
use super::{Recipe, Sample};
use crate::network::config::LayerConfig;
use crate::text::alphabet::AlphabetKind;

pub(super) static RECIPE: Recipe = Recipe {
    name: "micro",
    about: "As best, a CIFG network for the smallest chips",
    layer: LayerConfig::cifg(96, 32),
    alphabet: AlphabetKind::Letters,
    from_scratch: None,
    pretrained: Some(|| vec![pre_training(12.0), fine_tuning(4e-3)]),
    memory: None,
    sample: Sample::Text,
    notebook_losses: None,
};
