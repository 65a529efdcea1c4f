//! HDF5 of Keras: `.weights.h5` of Keras 3, and `.h5` of Keras 2 and 3, of weights or of a whole model.

use super::description::Description;
use super::format::{File, Format};
use super::hdf5;
use super::keras_model::described;
use crate::interchange::contents::{Collector, Contents};
use crate::interchange::context::Context;
use crate::interchange::names::{self, Weightless};
use crate::interchange::told::Told;
use hdf5_reader::group::Group;
use std::collections::BTreeSet;

pub(super) const FORMAT: Format = Format {
    recognizes: |file| file.is_plain(|bytes| bytes.starts_with(hdf5::MAGIC)),
    read,
};

const KIND: &str = "Keras weights, HDF5";
/// Where the layers of a whole model lie in its file.
const MODEL: &str = "model_weights";

fn read(file: File, _: &Told) -> Result<Contents, String> {
    let File::Plain(bytes) = file else {
        return Err("found a zip file, expected HDF5".into());
    };
    let mut tensors = Collector::new(bytes.len());
    let root = hdf5::open(bytes)?;
    let description = match &hdf5::texts(&root, "model_config")?[..] {
        [config] => Some(Description::parse(config.as_bytes())?),
        _ => None,
    };
    hdf5::collect(&root, &mut tensors)?;
    let order = order(&root, &tensors)?;
    match &description {
        Some(description) => Ok(described(tensors, KIND, order, description)),
        None => {
            tensors.note(names::KERAS_TELLS_NOTHING);
            if old_hard_sigmoid(&hdf5::texts(&root, "keras_version")?) {
                tensors.note(
                    "it is of a Keras before 2.3, whose LSTM had hard_sigmoid unless told otherwise: \
                     such a network is another one",
                );
            }
            let mut weightless = Vec::new();
            for (layer, name) in hdf5::without_numbers(&root)? {
                match Weightless::of(&name) {
                    Weightless::Nothing => {}
                    Weightless::Something => weightless.push(layer),
                    Weightless::Untold => tensors.note(format!(
                        "layer {layer} has no weights, and the file does not tell what it computes: passed over"
                    )),
                }
            }
            Ok(Contents {
                weightless,
                ..tensors.finish(KIND, order, Context::Untold)
            })
        }
    }
}

/// Whether a version is one of whose LSTM nothing but hard_sigmoid was likely.
fn old_hard_sigmoid(version: &[String]) -> bool {
    let [version] = version else { return false };
    // TensorFlow's own Keras called itself 2.2.4-tf, and had sigmoid.
    let mut numbers = version.split('.').map_while(|n| n.parse::<u32>().ok());
    let version_pair = (numbers.next(), numbers.next());
    !version.contains("tf") && version_pair < (Some(2), Some(3)) && version_pair.0.is_some()
}

/// The names in the order of the layers, where attributes tell it (as they do unless they are very
/// long).
fn order(root: &Group, tensors: &Collector) -> Result<Vec<String>, String> {
    let (base, group) = match root.group(MODEL) {
        Ok(group) => (format!("{MODEL}/"), group),
        Err(_) => (String::new(), root.clone()),
    };
    // Each name once, whatever a damaged file repeats.
    let (mut layers, mut weights) = (BTreeSet::new(), BTreeSet::new());
    let mut order = Vec::new();
    for layer in hdf5::texts(&group, "layer_names")? {
        let Ok(group) = group.group(&layer) else {
            continue;
        };
        if !layers.insert(layer.clone()) {
            continue;
        }
        for weight in hdf5::texts(&group, "weight_names")? {
            let name = format!("{base}{layer}/{weight}");
            if tensors.get(&name).is_some() && weights.insert(name.clone()) {
                order.push(name);
            }
        }
    }
    Ok(order)
}
