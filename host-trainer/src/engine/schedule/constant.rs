//! The same rate throughout.

use super::Decay;

pub(super) static DECAY: Decay = Decay {
    name: "constant",
    about: "The same throughout",
    factor: |_| 1.0,
};
