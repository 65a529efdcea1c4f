//! What a tensor's name says.
//!
//! | | Keras | PyTorch |
//! | --- | --- | --- |
//! | a layer's tensors share | the path before `kernel`, `recurrent_kernel`, `bias`, `embeddings`, or before `vars/0`, `vars/1`, `vars/2` | the module before `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, `weight_hr_l0`, or before `weight`, `bias` |
//! | an LSTM | two matrices, perhaps a vector | by these names |
//! | the embedding | one matrix and no vector | the same |
//! | the dense layer | one matrix, perhaps a vector | the same |
//!
//! Arrays that are named `arr_0`, `arr_1`, ... are Keras's `get_weights()`, in order.

/// What a person should know of weights of Keras alone.
pub(super) const KERAS_TELLS_NOTHING: &str = "the file does not tell the activations, mask_zero, stateful \
     or go_backwards: taken as Keras has them unless told otherwise";

/// What a tensor is in its layer, in the order of the layer's own list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    // Keras, by name, or by place in the list that the name gives.
    Embeddings,
    Kernel,
    RecurrentKernel,
    Var(usize),
    Listed(usize),
    Bias,
    // PyTorch's LSTM.
    WeightIh,
    WeightHh,
    BiasIh,
    BiasHh,
    WeightHr,
    /// PyTorch's Linear and Embedding.
    TorchWeight,
    TorchBias,
}

impl Part {
    pub(super) fn is_torch_recurrent(self) -> bool {
        (Self::WeightIh..=Self::WeightHr).contains(&self)
    }
}

/// What a layer without weights does to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weightless {
    /// Nothing, when the network runs.
    Nothing,
    /// It computes something else than is run here.
    Something,
    /// What a file of weights does not tell.
    Untold,
}

impl Weightless {
    /// By a name as Keras gives one: the class's, perhaps with a number.
    pub(super) fn of(name: &str) -> Self {
        let digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let class = match digits.strip_suffix('_') {
            Some(class) if digits.len() < name.len() => class,
            _ => name,
        };
        let nothing = [
            "activity_regularization",
            "alpha_dropout",
            "dropout",
            "flatten",
            "functional",
            "gaussian_dropout",
            "gaussian_noise",
            "identity",
            "input",
            "input_layer",
            "model",
            "sequential",
            "spatial_dropout1d",
        ];
        let something = [
            "add",
            "additive_attention",
            "attention",
            "average",
            "average_pooling1d",
            "concatenate",
            "cropping1d",
            "dot",
            "elu",
            "get_item",
            "global_average_pooling1d",
            "global_max_pooling1d",
            "lambda",
            "leaky_re_lu",
            "max_pooling1d",
            "maximum",
            "minimum",
            "multiply",
            "normalization",
            "permute",
            "repeat_vector",
            "rescaling",
            "reshape",
            "subtract",
            "unit_normalization",
            "up_sampling1d",
            "zero_padding1d",
        ];
        match class {
            class if nothing.contains(&class) => Self::Nothing,
            class if something.contains(&class) => Self::Something,
            _ => Self::Untold,
        }
    }
}

/// Whether a tensor is no weight but an optimizer's or a random layer's state.
pub(super) fn is_bookkeeping(name: &str) -> bool {
    let optimizer = ["optimizer/", "optimizer_weights/"];
    optimizer.iter().any(|start| name.starts_with(start)) || name.contains("seed_generator")
}

/// The layer that a tensor belongs to, and what it is there.
pub(super) fn split(name: &str) -> Option<(String, Part)> {
    if let Some(n) = name.strip_prefix("arr_") {
        return Some((String::new(), Part::Listed(n.parse().ok()?)));
    }
    if let Some((group, n)) = name.rsplit_once("/vars/") {
        return Some((group.into(), Part::Var(n.parse().ok()?)));
    }
    if let Some((group, part)) = name.rsplit_once('/') {
        // Keras 2 adds ":0".
        let part = match part.trim_end_matches(":0") {
            "embeddings" => Part::Embeddings,
            "kernel" => Part::Kernel,
            "recurrent_kernel" => Part::RecurrentKernel,
            "bias" => Part::Bias,
            _ => return None,
        };
        return Some((group.into(), part));
    }
    let (module, part) = name.rsplit_once('.').unwrap_or(("", name));
    let recurrent = [
        ("weight_ih", Part::WeightIh),
        ("weight_hh", Part::WeightHh),
        ("bias_ih", Part::BiasIh),
        ("bias_hh", Part::BiasHh),
        ("weight_hr", Part::WeightHr),
    ];
    for (start, found) in recurrent {
        match part.strip_prefix(start) {
            // nn.LSTMCell.
            Some("") => return Some((module.into(), found)),
            Some(layer) => {
                let layer: usize = layer.strip_prefix("_l")?.parse().ok()?;
                return Some((format!("{module}.{layer}"), found));
            }
            None => {}
        }
    }
    match part {
        "weight" => Some((module.into(), Part::TorchWeight)),
        "bias" => Some((module.into(), Part::TorchBias)),
        _ => None,
    }
}

/// A name cut where digits begin and end, so that 10 comes after 9.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chunk {
    Number(u64),
    Text(String),
}

/// A name by which others are sorted as people count.
pub(super) fn numbered(name: &str) -> Vec<Chunk> {
    let runs = name
        .as_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    let chunk = |run: &[u8]| {
        let text = String::from_utf8_lossy(run).into_owned();
        text.parse().map_or(Chunk::Text(text), Chunk::Number)
    };
    runs.map(chunk).collect()
}

/// A name without its numbers, and these: `lstm_1/lstm_cell` is `lstm/lstm_cell` with 1 and 0. A part
/// without a number has 0, because Keras's first layer has none.
pub(super) fn counted(name: &str) -> (String, Vec<u64>) {
    let (mut text, mut numbers) = (String::new(), Vec::new());
    for part in name.split(['/', '.']) {
        let letters: String = part.chars().filter(|c| !c.is_ascii_digit()).collect();
        text.push_str(letters.trim_matches('_'));
        text.push('/');
        let digits: String = part.chars().filter(char::is_ascii_digit).collect();
        numbers.push(digits.parse().unwrap_or(0));
    }
    (text, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_without_weights_are_known_by_their_names() {
        for (name, expected) in [
            ("dropout", Weightless::Nothing),
            ("spatial_dropout1d_2", Weightless::Nothing),
            ("sequential_1", Weightless::Nothing),
            ("global_average_pooling1d", Weightless::Something),
            ("average_pooling1d_10", Weightless::Something),
            ("add", Weightless::Something),
            ("activation_1", Weightless::Untold),
            ("dropout_of_mine", Weightless::Untold),
        ] {
            assert_eq!(Weightless::of(name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_tells_the_layer_and_the_part() {
        for (name, group, part) in [
            (
                "layers/lstm_1/cell/vars/2",
                "layers/lstm_1/cell",
                Part::Var(2),
            ),
            (
                "lstm/lstm_cell/recurrent_kernel",
                "lstm/lstm_cell",
                Part::RecurrentKernel,
            ),
            (
                "model_weights/dense/dense/kernel:0",
                "model_weights/dense/dense",
                Part::Kernel,
            ),
            (
                "_orig_mod.lstm.weight_hr_l1",
                "_orig_mod.lstm.1",
                Part::WeightHr,
            ),
            ("cells.0.bias_ih", "cells.0", Part::BiasIh),
            ("dense.weight", "dense", Part::TorchWeight),
            ("arr_12", "", Part::Listed(12)),
        ] {
            assert_eq!(split(name), Some((group.to_owned(), part)), "{name}");
        }
        for name in ["lstm.weight_hh_l0_reverse", "n_averaged", "h0", "a/gamma"] {
            assert_eq!(split(name), None, "{name}");
        }
    }

    #[test]
    fn names_that_differ_in_numbers_count() {
        let (first, zero) = counted("lstm/lstm_cell");
        let (second, ten) = counted("lstm_10/lstm_cell");
        assert_eq!((first == second, zero < ten), (true, true));
        assert_ne!(counted("encoder").0, counted("decoder").0);
        assert!(numbered("lstm_9") < numbered("lstm_10"));
    }
}
