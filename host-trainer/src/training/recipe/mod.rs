//! Recipes: everything that decides how a network is trained, as plain data.
//!
//! A recipe is a network and one or more phases; a phase is a text, a way to cut it into batches, an optimizer
//! and some regularization. One file a recipe, and a line in [`RECIPES`].

mod best;
mod building_blocks;
mod many_to_many;
mod many_to_one;
mod micro;
mod poet;
pub mod recall;
mod small;
mod sonnets;

use crate::files::registry::named;
use crate::network::config::LayerConfig;
use crate::text::alphabet::AlphabetKind;
use crate::training::phase::Phase;

/// All of them.
pub static RECIPES: &[&Recipe] = &[
    &many_to_one::RECIPE,
    &many_to_many::RECIPE,
    &sonnets::RECIPE,
    &best::RECIPE,
    &small::RECIPE,
    &micro::RECIPE,
    &poet::RECIPE,
    &recall::RECIPE,
];

/// The one that is taken where none is asked for.
pub static DEFAULT: &Recipe = &sonnets::RECIPE;

/// How a network is trained unless flags say otherwise.
pub struct Recipe {
    /// As it is typed.
    pub name: &'static str,
    /// A line about it.
    pub about: &'static str,
    /// The layers of the network.
    pub layer: LayerConfig,
    /// The symbols.
    pub alphabet: AlphabetKind,
    /// The phases on the corpus alone; `None` of a recipe that needs a text for pre-training.
    pub from_scratch: Option<fn() -> Vec<Phase>>,
    /// The phases with a text for pre-training; `None` of a recipe that takes none.
    pub pretrained: Option<fn() -> Vec<Phase>>,
    /// Bytes of flash for a memory, if its texts are long enough; `None` for no memory.
    pub memory: Option<usize>,
    /// What the network writes while it trains.
    pub sample: Sample,
    /// Loss of each epoch in the notebook's own run, of the notebook's recipes.
    pub notebook_losses: Option<&'static [f64; 10]>,
}

named!(Recipe, RECIPES, "recipe");

/// What a network writes while it trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// After a window of the corpus, as the notebook's first network; what really follows stands below it.
    Window,
    /// After a letter, as the notebook's second network, from before the first epoch on.
    Letter,
    /// After the text before the validation part.
    Text,
}

impl Recipe {
    /// The phases, with or without a text for pre-training, if the recipe has this way.
    pub fn phases(&self, pretrained: bool) -> Option<Vec<Phase>> {
        let phases = if pretrained {
            self.pretrained
        } else {
            self.from_scratch
        };
        phases.map(|phases| phases())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::phase::Source;

    #[test]
    fn only_pre_training_reads_another_text() {
        for recipe in RECIPES {
            assert!(recipe.from_scratch.is_some() || recipe.pretrained.is_some());
            for pretrained in [false, true] {
                let phases = recipe.phases(pretrained).unwrap_or_default();
                let reads = phases.iter().any(|phase| phase.source == Source::Pretrain);
                assert_eq!(reads, pretrained && !phases.is_empty(), "{recipe:?}");
            }
        }
    }
}
