//! A small network with a memory in flash: what is looked up costs next to nothing, and the network learns the rest.

use super::building_blocks::{fine_tuning, from_scratch, pre_training};
use super::{Recipe, Sample};
use crate::network::config::LayerConfig;
use crate::text::alphabet::AlphabetKind;
use crate::training::phase::Phase;

/// Networks that go with a memory, the quickest first. The second is the recipe's own.
pub const LAYERS: [LayerConfig; 3] = [
    LayerConfig::cifg(64, 32),
    LayerConfig::cifg(96, 32),
    LayerConfig::cifg(256, 64),
];

pub(crate) static RECIPE: Recipe = Recipe {
    name: "recall",
    about: "A small CIFG network with a memory in flash of the texts that it read",
    layer: LAYERS[1],
    alphabet: AlphabetKind::Letters,
    from_scratch: Some(|| vec![from_scratch()]),
    pretrained: Some(pretrained),
    memory: Some(340 << 10),
    sample: Sample::Text,
    notebook_losses: None,
};

/// In fine-tuning the vectors stay as they are, and DropConnect keeps the rest from learning the corpus by heart.
fn pretrained() -> Vec<Phase> {
    let fine_tuning = Phase {
        frozen_vectors: true,
        drop_connect: 0.15,
        ema: Some(0.98),
        ..fine_tuning(4e-3)
    };
    vec![pre_training(8.0), fine_tuning]
}
