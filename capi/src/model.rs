//! Models, and their alphabets.
#![allow(unsafe_code, reason = "C's names")]

use core::ffi::{c_char, c_void};

use lstm_core::{Model, Token};

use crate::{
    error::{Error, Status, status},
    object::{ErrorMemory, ModelMemory},
    pointer::{In, Out},
    report::report,
};

/// Bytes of a character in UTF-8, with the zero byte behind it.
pub const CHARACTER_BYTES: usize = 5;

/// What a model says of itself.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ModelInfo {
    /// Its name in UTF-8, without a zero byte: it lies in the file.
    pub name: *const c_char,
    /// Bytes of the name.
    pub name_bytes: usize,
    /// The CRC-32 of the file, which names the model in saved states.
    pub checksum: u32,
    /// Symbols of its alphabet, 1 to 256.
    pub num_symbols: u32,
    /// Words of the workspace that it needs on this chip.
    pub workspace_words: usize,
    /// Characters of the windows that it was trained on; 0 if it carries its state.
    pub window: usize,
}

/// Reads and checks the file of a model, of so many bytes, where it lies: on a multiple of 4, of 16 where
/// it can be. The file stays in use, and must stay as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_model_init(
    model: *mut ModelMemory,
    file: *const c_void,
    bytes: usize,
    error: *mut ErrorMemory,
) -> Status {
    let make = || Ok(Model::from_bytes(In(file).bytes("file", bytes)?)?);
    report(Out(model).make("model", make), Out(error))
}

/// As `lstm_model_init`, for a region of flash with the file at its start, whatever follows it there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_model_init_region(
    model: *mut ModelMemory,
    region: *const c_void,
    bytes: usize,
    error: *mut ErrorMemory,
) -> Status {
    let make = || Ok(Model::from_region(In(region).bytes("region", bytes)?)?);
    report(Out(model).make("model", make), Out(error))
}

/// Tells what a model says of itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_model_describe(
    model: *const ModelMemory,
    info: *mut ModelInfo,
) -> Status {
    status(describe(In(model), Out(info)))
}

fn describe(model: In<ModelMemory>, info: Out<ModelInfo>) -> Result<(), Error> {
    let model = model.content("model")?;
    let (name, num_symbols) = (model.name(), model.alphabet().len());
    let description = ModelInfo {
        name: name.as_ptr().cast(),
        name_bytes: name.len(),
        checksum: model.checksum(),
        num_symbols: num_symbols as u32,
        workspace_words: model.workspace_words() + num_symbols,
        window: model.window().unwrap_or(0),
    };
    info.set("info", description)
}

/// The token of a character, by its number in Unicode: `'a'`. Token 0 if the alphabet lacks it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_model_encode(
    model: *const ModelMemory,
    character: u32,
    token: *mut u8,
) -> Status {
    status(encode(In(model), character, Out(token)))
}

fn encode(model: In<ModelMemory>, character: u32, token: Out<u8>) -> Result<(), Error> {
    let model = model.content("model")?;
    let found = character;
    let character = char::from_u32(character).ok_or(Error::Character { found })?;
    token.set("token", model.alphabet().encode(character).index() as u8)
}

/// Writes the character of a token in UTF-8 and a zero byte into `text`, which has room for `capacity`
/// bytes: `LSTM_CHARACTER_BYTES` are enough for each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_model_decode(
    model: *const ModelMemory,
    token: u8,
    text: *mut c_char,
    capacity: usize,
) -> Status {
    status(decode(In(model), token, Out(text), capacity))
}

fn decode(model: In<ModelMemory>, token: u8, text: Out<c_char>, found: usize) -> Result<(), Error> {
    let character = model.content("model")?.alphabet().decode(Token::new(token));
    let mut bytes = [0; CHARACTER_BYTES];
    let expected = character.encode_utf8(&mut bytes).len() + 1;
    let text = text.bytes("text", found)?;
    if found < expected {
        return Err(Error::Capacity { found, expected });
    }
    for (to, byte) in text.iter_mut().zip(bytes.into_iter().take(expected)) {
        *to = byte;
    }
    Ok(())
}
