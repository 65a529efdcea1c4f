//! Generators: text in, text out.
#![allow(unsafe_code, reason = "C's names")]

use core::ffi::{c_char, c_void};

use lstm_core::{Generator, Sampler, Token};

use crate::{
    error::{Error, Status, status},
    object::{ErrorMemory, GeneratorMemory, ModelMemory, Object},
    pointer::{In, Out},
    report::report,
    sampler::set,
    session::begin,
};

/// A generator of a model at the zero state, which samples at temperature 1 over all symbols with the
/// random numbers of a seed. Its state lies in `workspace`, of so many words, which stays in use:
/// `lstm_model_describe` tells how many the model needs. `model` is copied, and may go.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_generator_init(
    generator: *mut GeneratorMemory,
    model: *const ModelMemory,
    workspace: *mut u32,
    words: usize,
    seed: u64,
    error: *mut ErrorMemory,
) -> Status {
    let make = || {
        let session = begin(In(model), Out(workspace), words)?;
        Ok(Generator::with_room(session, Sampler::new(seed))?)
    };
    report(Out(generator).make("generator", make), Out(error))
}

/// Changes how it samples from the next token on, as `lstm_sampler_set`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_generator_set(
    generator: *mut GeneratorMemory,
    temperature: f32,
    top_k: usize,
    top_p: f32,
    error: *mut ErrorMemory,
) -> Status {
    let generator = Out(generator).content("generator");
    let sampler = generator.map(|generator| generator.sampler_mut());
    report(set(sampler, temperature, top_k, top_p), Out(error))
}

/// Reads a token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_generator_prime(
    generator: *mut GeneratorMemory,
    token: u8,
) -> Status {
    let generator = Out(generator).content("generator");
    status(generator.map(|generator| generator.prime(Token::new(token))))
}

/// Reads a text in UTF-8, of so many bytes. Where it is refused, nothing of it is read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_generator_read(
    generator: *mut GeneratorMemory,
    text: *const c_char,
    bytes: usize,
    error: *mut ErrorMemory,
) -> Status {
    report(read(Out(generator), In(text), bytes), Out(error))
}

fn read(generator: Out<GeneratorMemory>, text: In<c_char>, bytes: usize) -> Result<(), Error> {
    let generator = generator.content("generator")?;
    let text = str::from_utf8(text.bytes("text", bytes)?).map_err(|error| Error::Text {
        found: error.valid_up_to(),
    })?;
    let alphabet = generator.session().model().alphabet();
    let tokens = text.chars().map(|character| alphabet.encode(character));
    tokens.for_each(|token| generator.prime(token));
    Ok(())
}

/// Writes the next token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_generator_next(
    generator: *mut GeneratorMemory,
    token: *mut u8,
) -> Status {
    status(next(Out(generator), Out(token)))
}

fn next(generator: Out<GeneratorMemory>, token: Out<u8>) -> Result<(), Error> {
    let generator = generator.content("generator")?;
    let token = token.place("token")?;
    token.write(generator.next_token().index() as u8);
    Ok(())
}

/// Back to the zero state, with the same settings and the random numbers of a seed from their start.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_generator_reset(
    generator: *mut GeneratorMemory,
    seed: u64,
) -> Status {
    let restart = |generator: &mut <GeneratorMemory as Object>::Content| {
        generator.restart(generator.sampler().clone().with_seed(seed));
    };
    status(Out(generator).content("generator").map(restart))
}

/// The bytes of a snapshot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_generator_snapshot_bytes(
    generator: *const GeneratorMemory,
    bytes: *mut usize,
) -> Status {
    let generator = In(generator).content("generator");
    status(generator.and_then(|generator| Out(bytes).set("bytes", generator.snapshot_bytes())))
}

/// Writes all that the coming text depends on into `snapshot`, which has as many bytes as
/// `lstm_generator_snapshot_bytes` tells. They mean the same on every chip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_generator_save(
    generator: *const GeneratorMemory,
    snapshot: *mut c_void,
    bytes: usize,
    error: *mut ErrorMemory,
) -> Status {
    let save = |generator: &<GeneratorMemory as Object>::Content| {
        Ok(generator.save(Out(snapshot).bytes("snapshot", bytes)?)?)
    };
    report(
        In(generator).content("generator").and_then(save),
        Out(error),
    )
}

/// Takes back what `lstm_generator_save` wrote, here or on another chip: the text goes on to the same
/// letter. Where it is refused, nothing changes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_generator_restore(
    generator: *mut GeneratorMemory,
    snapshot: *const c_void,
    bytes: usize,
    error: *mut ErrorMemory,
) -> Status {
    let restore = |generator: &mut <GeneratorMemory as Object>::Content| {
        Ok(generator.restore(In(snapshot).bytes("snapshot", bytes)?)?)
    };
    report(
        Out(generator).content("generator").and_then(restore),
        Out(error),
    )
}
