//! Half a cosine (Loshchilov and Hutter 2017).

use super::Decay;
use std::f64::consts::PI;

pub(super) static DECAY: Decay = Decay {
    name: "cosine",
    about: "Half a cosine, down to --min-lr",
    factor: |progress| 0.5 * (1.0 + (PI * progress).cos()),
};
