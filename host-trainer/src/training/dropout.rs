//! What keeps a network from learning a small text by heart.

use crate::kernels::random::Random;
use crate::network::config::{LayerConfig, NetworkConfig};
use crate::text::batches::Batch;

/// Replaces each input with probability `share` by a random token.
pub(crate) fn drop_tokens(batch: &mut Batch, share: f32, vocabulary: usize, random: &mut Random) {
    if share == 0.0 {
        return;
    }
    let mut replace = |&token: &u8| {
        if random.uniform() < share {
            random.below(vocabulary) as u8
        } else {
            token
        }
    };
    batch.inputs = batch.inputs.iter().map(&mut replace).collect();
}

/// DropConnect (Wan et al. 2013) on the recurrence (Merity et al. 2018): for each layer factors on
/// `w_hh`, 0 with probability `share`, else 1 / (1 - share).
pub(crate) fn drop_connect(
    network: &NetworkConfig,
    share: f32,
    random: &mut Random,
) -> Vec<Vec<f32>> {
    if share == 0.0 {
        return Vec::new();
    }
    let mask = |layer: &LayerConfig| random.mask(layer.output() * layer.columns(), share);
    network.layers.iter().map(mask).collect()
}
