//! The values of flags that stand for types of the folders below.

use crate::engine::device::DeviceKind;
use crate::engine::optimizer::{Method, OPTIMIZERS};
use crate::engine::schedule::{DECAYS, Decay};
use crate::interchange::write::FileKind;
use crate::network::config::CellKind;
use crate::text::alphabet::AlphabetKind;
use crate::text::corpus::Split;
use crate::training::recipe::{RECIPES, Recipe};
use clap::ValueEnum;
use clap::builder::PossibleValue;

/// Lets a flag take each variant by its name, with a line of help.
macro_rules! values {
    ($kind:ty { $($variant:ident: $name:literal, $help:literal;)* }) => {
        impl ValueEnum for $kind {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),*]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                let (name, help) = match self {
                    $(Self::$variant => ($name, $help),)*
                };
                Some(PossibleValue::new(name).help(help))
            }
        }
    };
}

values!(AlphabetKind {
    Letters: "letters", "27 symbols: a to z with case folded, and a space for everything else";
    Text: "text", "Every character that the corpus holds, as it is";
});
values!(CellKind {
    Lstm: "lstm", "Four gates, no peepholes: the LSTM of Keras and PyTorch";
    Cifg: "cifg", "Three gates: what the input gate lets in, the cell forgets (the coupled input-forget gate, CIFG, of Greff et al. 2015). Usually with a projection (LSTMP, Sak et al. 2014)";
    Gru: "gru", "Three gates, the reset gate after the product, two biases: the GRU of Keras and PyTorch (Cho et al. 2014)";
});
values!(DeviceKind {
    Cpu: "cpu", "The processor, by the kernels of this crate";
    Cuda: "cuda", "The first NVIDIA device, by candle; needs the cargo feature `cuda`";
    Metal: "metal", "The first Apple device, by candle; needs the cargo feature `metal`";
});
values!(FileKind {
    Safetensors: "safetensors", "PyTorch's state_dict, in safetensors";
    Npz: "npz", "Keras's weights, in NumPy's .npz";
});
values!(Split {
    Train: "train", "The first 90 %: the weights are fitted to it";
    Validation: "validation", "The next 5 %: early stopping and every other choice look at it";
    Test: "test", "The last 5 %: only ever reported";
});

/// Lets a flag take each of a list by its name, with its line about itself.
macro_rules! named_values {
    ($thing:ty, $all:ident) => {
        impl ValueEnum for &'static $thing {
            fn value_variants<'a>() -> &'a [Self] {
                $all
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(PossibleValue::new(self.name).help(self.about))
            }
        }
    };
}

named_values!(Recipe, RECIPES);
named_values!(Decay, DECAYS);
named_values!(Method, OPTIMIZERS);
