//! From scratch on the corpus alone.

use super::building_blocks::from_scratch;
use super::{Recipe, Sample};
use crate::network::config::LayerConfig;
use crate::text::alphabet::AlphabetKind;

pub(super) static RECIPE: Recipe = Recipe {
    name: "sonnets",
    about: "From scratch on the corpus alone, regularized",
    layer: LayerConfig::lstm(256),
    alphabet: AlphabetKind::Letters,
    from_scratch: Some(|| vec![from_scratch()]),
    pretrained: None,
    memory: None,
    sample: Sample::Text,
    notebook_losses: None,
};
