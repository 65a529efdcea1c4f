//! `.keras` of Keras 3: a zip of the weights and of a description of the network.

use super::description::Description;
use super::format::{File, Format};
use super::hdf5;
use crate::interchange::contents::{Collector, Contents};
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
    Ok(tensors.finish("Keras model", order, description.context))
}
