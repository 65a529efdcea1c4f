//! `.keras` of Keras 3: a zip of the weights and of a description of the network.

use super::description::Description;
use super::format::{File, Format};
use super::hdf5;
use crate::interchange::contents::{Collector, Contents};
use crate::interchange::context::{Context, Reads};
use crate::interchange::told::Told;

pub(super) const FORMAT: Format = Format {
    recognizes: |file| file.is_zip(|archive| archive.has(CONFIG)),
    read,
};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";

fn read(file: File, _: &Told) -> Result<Contents, String> {
    let File::Zip(mut archive) = file else {
        return Err("found no zip file, expected .keras".into());
    };
    let description = Description::parse(&archive.read(CONFIG)?)?;
    let weights = archive.read(WEIGHTS)?;
    let mut tensors = Collector::new(weights.len());
    hdf5::collect(&hdf5::open(weights)?, &mut tensors)?;
    let order = description.order(tensors.names());
    Ok(described(tensors, "Keras model", order, &description))
}

/// What a file holds that describes its layers.
pub(super) fn described(
    mut tensors: Collector,
    kind: &'static str,
    order: Vec<String>,
    description: &Description,
) -> Contents {
    let (text, has_embedding) = (description.text(), description.has_embedding());
    let plan = (!has_embedding).then(|| description.values(tensors.tensors()));
    for note in description.notes() {
        tensors.note(note);
    }
    let context = text.clone().unwrap_or(Context::Untold);
    Contents {
        reads: has_embedding.then_some(Reads::Characters),
        not_text: text.err(),
        plan,
        ..tensors.finish(kind, order, context)
    }
}
