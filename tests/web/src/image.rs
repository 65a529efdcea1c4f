use std::fs;

use anyhow::{Context, Result};
use flash_image::{Format, Place};
use wasmtime::{Engine, Instance, Module, Store};

use crate::modules;

/// A model put into an image by the module; or why it is refused.
///
/// # Errors
///
/// The module is not built, lacks something, or traps.
pub fn replace(
    place: &Place,
    image: &[u8],
    model: &[u8],
) -> Result<std::result::Result<Vec<u8>, String>> {
    let engine = Engine::default();
    let module = Module::new(&engine, fs::read(modules()?.image)?)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let memory = instance.get_memory(&mut store, "memory");
    let memory = memory.context("a memory")?;
    let room = instance.get_typed_func::<u32, u32>(&mut store, "room")?;
    let mut put = |bytes: &[u8]| -> Result<(u32, u32)> {
        let length = bytes.len() as u32;
        let at = room.call(&mut store, length)?;
        memory.write(&mut store, at as usize, bytes)?;
        Ok((at, length))
    };
    let (image, model) = (put(image)?, put(model)?);
    let (format, family) = match place.format {
        Format::Hex => (0u32, 0),
        Format::Bin => (1, 0),
        Format::Uf2 { family } => (2, family),
    };
    let numbers = (
        image.0,
        image.1,
        model.0,
        model.1,
        format,
        family,
        place.start,
        place.model,
        place.room,
    );
    let replace = instance.get_typed_func::<_, u32>(&mut store, "replace")?;
    let is_done = replace.call(&mut store, numbers)?;
    let mut number = |name: &str| -> Result<usize> {
        let function = instance.get_typed_func::<(), u32>(&mut store, name)?;
        Ok(function.call(&mut store, ())? as usize)
    };
    let (at, length) = (number("result")?, number("length")?);
    let bytes = memory.data(&store).get(at..at + length);
    let bytes = bytes.context("a result in the memory")?.to_vec();
    Ok(match is_done {
        1 => Ok(bytes),
        _ => Err(String::from_utf8(bytes)?),
    })
}
