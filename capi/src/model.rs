//! Models, and their alphabets.
#![allow(unsafe_code, reason = "C's names")]

use core::ffi::{c_char, c_void};

use lstm_core::{Model, OutputHead, Token};

use crate::{
    error::{Error, Status, nth, status},
    object::{ErrorMemory, ModelMemory},
    pointer::{In, Out},
    report::report,
    workspace,
};

/// Bytes of a character in UTF-8, with the zero byte after it.
pub const CHARACTER_BYTES: usize = 5;

/// Bytes that are enough for the name of every channel, class or value of the models here, with the zero byte after
/// it. A name may be longer; then the function that writes it says so.
pub const NAME_BYTES: usize = 32;

/// What a step of a model gives.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// The next symbol of a text.
    LstmGivesSymbols = 0,
    /// One of some classes.
    LstmGivesClasses = 1,
    /// Values in the user's units.
    LstmGivesValues = 2,
}

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
    /// Symbols of its alphabet, 1 to 256; 0 if it reads values.
    pub num_symbols: u32,
    /// Values that it reads a step, 1 to 256; 0 if it reads symbols.
    pub num_channels: u32,
    /// Symbols, classes or values that it gives.
    pub num_outputs: u32,
    /// Which of them.
    pub gives: Gives,
    /// Words of the workspace that it needs on this chip, with its window if it reads values.
    pub workspace_words: usize,
    /// Characters or steps of the windows that it was trained on; 0 if it carries its state.
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
    let name = model.name();
    let description = ModelInfo {
        name: name.as_ptr().cast(),
        name_bytes: name.len(),
        checksum: model.checksum(),
        num_symbols: model.alphabet().len() as u32,
        num_channels: model.num_channels() as u32,
        num_outputs: model.num_outputs() as u32,
        gives: match model.head() {
            OutputHead::Symbols => Gives::LstmGivesSymbols,
            OutputHead::Classes { .. } => Gives::LstmGivesClasses,
            OutputHead::Values { .. } => Gives::LstmGivesValues,
        },
        workspace_words: workspace::words(model),
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
    write(character.encode_utf8(&mut [0; 4]), text, found)
}

/// Writes the name of a channel and a zero byte into `text`, which has room for `capacity` bytes. It may be empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_model_channel_name(
    model: *const ModelMemory,
    channel: usize,
    text: *mut c_char,
    capacity: usize,
    error: *mut ErrorMemory,
) -> Status {
    let model = In(model).content("model");
    let name = model.and_then(|model| nth(model.channels(), channel, model.num_channels()));
    report(
        name.and_then(|name| write(name, Out(text), capacity)),
        Out(error),
    )
}

/// Writes the name of a class or value and a zero byte into `text`, which has room for `capacity` bytes. That of a
/// value may be empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_model_output_name(
    model: *const ModelMemory,
    output: usize,
    text: *mut c_char,
    capacity: usize,
    error: *mut ErrorMemory,
) -> Status {
    let model = In(model).content("model");
    let name = model.and_then(|model| {
        let names = model.head().names();
        nth(names.clone(), output, names.count())
    });
    report(
        name.and_then(|name| write(name, Out(text), capacity)),
        Out(error),
    )
}

/// Writes a text and a zero byte.
fn write(from: &str, text: Out<c_char>, found: usize) -> Result<(), Error> {
    let expected = from.len() + 1;
    let text = text.bytes("text", found)?;
    if found < expected {
        return Err(Error::Capacity { found, expected });
    }
    for (to, byte) in text.iter_mut().zip(from.bytes().chain([0])) {
        *to = byte;
    }
    Ok(())
}
