//! The network that people look at: lines, capitals and punctuation, on the corpus alone or pre-trained.

use super::building_blocks::{fine_tuning, from_scratch, pre_training};
use super::{Recipe, Sample};
use crate::network::config::LayerConfig;
use crate::text::alphabet::AlphabetKind;
use crate::training::phase::Phase;

pub(super) static RECIPE: Recipe = Recipe {
    name: "poet",
    about: "Every character of the text, lines and punctuation too; from scratch, or pre-trained",
    layer: LayerConfig::cifg(384, 96),
    alphabet: AlphabetKind::Text,
    from_scratch: Some(|| vec![from_scratch()]),
    pretrained: Some(pretrained),
    memory: None,
    sample: Sample::Text,
    notebook_losses: None,
};

/// The more symbols, the rarer each: fine-tuning is slower and longer than with letters alone.
fn pretrained() -> Vec<Phase> {
    let fine_tuning = Phase {
        epochs: 15.0,
        ..fine_tuning(5e-4)
    };
    vec![pre_training(12.0), fine_tuning]
}
