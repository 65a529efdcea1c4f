//! `.safetensors`, as `safetensors.torch` writes a state_dict.

use super::format::{File, Format};
use crate::interchange::contents::{Collector, Contents, Number, one_line};
use crate::interchange::context::Context;
use crate::interchange::told::Told;
use ::safetensors::{Dtype, SafeTensors};

/// Every file that is of no other kind, because nothing marks these.
pub(super) const FORMAT: Format = Format {
    recognizes: |file| file.is_plain(|_| true),
    read,
};

fn read(file: File, _: &Told) -> Result<Contents, String> {
    let File::Plain(bytes) = file else {
        return Err("found a zip file, expected safetensors".into());
    };
    let damaged = |e: ::safetensors::SafeTensorError| {
        let e = one_line(&e.to_string());
        format!(
            "found {} bytes that are no HDF5, zip or safetensors file ({e}), expected weights of \
             Keras or PyTorch",
            bytes.len()
        )
    };
    let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let mut tensors = Collector::new(bytes.len());
    for (name, view) in file.tensors() {
        let number = match view.dtype() {
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::Bf16,
            Dtype::F32 => Number::F32,
            Dtype::F64 => Number::F64,
            other => {
                tensors.pass_over(&name, &format!("{other:?}"))?;
                continue;
            }
        };
        tensors.insert(&name, view.shape().to_vec(), number.decode(view.data()))?;
    }
    // `save_model` stores shared weights once, and notes their other names.
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let aliases = header.metadata().iter().flatten();
    let mut aliases: Vec<_> = aliases.collect();
    aliases.sort();
    for (alias, name) in aliases {
        let Some(tensor) = tensors.get(name).cloned() else {
            continue;
        };
        if tensors.get(alias).is_none() {
            tensors.note(format!("{alias} is {name}: the file shares it"));
            tensors.insert(alias, tensor.shape, tensor.values)?;
        }
    }
    Ok(tensors.finish("safetensors", Vec::new(), Context::Untold))
}
