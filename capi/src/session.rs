//! Sessions: a step at a time, with the logits in hand.
#![allow(unsafe_code, reason = "C's names")]

use core::ffi::c_void;

use lstm_core::{Session, Token, WorkspaceSlices};

use crate::{
    error::{Error, Status, status},
    object::{ErrorMemory, ModelMemory, SamplerMemory, SessionMemory},
    pointer::{In, Out},
    report::report,
    workspace::slices,
};

/// A session of a model at the zero state. Its state lies in `workspace`, of so many words, which stays
/// in use: `lstm_model_describe` tells how many the model needs. `model` is copied, and may go.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_session_init(
    session: *mut SessionMemory,
    model: *const ModelMemory,
    workspace: *mut u32,
    words: usize,
    error: *mut ErrorMemory,
) -> Status {
    let make = || begin(In(model), Out(workspace), words);
    report(Out(session).make("session", make), Out(error))
}

/// A session in a workspace of C.
pub(crate) fn begin(
    model: In<ModelMemory>,
    workspace: Out<u32>,
    words: usize,
) -> Result<Session<'static, WorkspaceSlices<'static>>, Error> {
    let model = *model.content("model")?;
    let workspace = workspace.numbers("workspace", words)?;
    Ok(Session::new(model, slices(&model, workspace))?)
}

/// Reads a token. `logits`, if it is not null, is then where the logits of the next one lie, a number in
/// Q12 (of which 4096 is 1) for each symbol, class or value that the model gives, until the next step.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_session_step(
    session: *mut SessionMemory,
    token: u8,
    logits: *mut *const i32,
) -> Status {
    status(step(Out(session), token, Out(logits)))
}

fn step(session: Out<SessionMemory>, token: u8, logits: Out<*const i32>) -> Result<(), Error> {
    let session = session.content("session")?;
    if logits.is_null() {
        session.advance(Token::new(token));
        return Ok(());
    }
    let place = logits.place("logits")?;
    place.write(session.step(Token::new(token)).into_q12().as_ptr());
    Ok(())
}

/// Reads a token, and draws the next one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_session_sample(
    session: *mut SessionMemory,
    sampler: *mut SamplerMemory,
    token: u8,
    next: *mut u8,
) -> Status {
    status(sample(Out(session), Out(sampler), token, Out(next)))
}

fn sample(
    session: Out<SessionMemory>,
    sampler: Out<SamplerMemory>,
    token: u8,
    next: Out<u8>,
) -> Result<(), Error> {
    let (session, sampler) = (session.content("session")?, sampler.content("sampler")?);
    let next = next.place("next")?;
    next.write(sampler.sample(session.step(Token::new(token))).index() as u8);
    Ok(())
}

/// Back to the zero state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_session_reset(session: *mut SessionMemory) -> Status {
    let session = Out(session).content("session");
    status(session.map(|session| session.reset()))
}

/// The bytes of a saved state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_session_state_bytes(
    session: *const SessionMemory,
    bytes: *mut usize,
) -> Status {
    let session = In(session).content("session");
    status(session.and_then(|session| Out(bytes).set("bytes", session.state_bytes())))
}

/// Writes the state into `state`, which has as many bytes as `lstm_session_state_bytes` tells. They mean
/// the same on every chip.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_session_save(
    session: *const SessionMemory,
    state: *mut c_void,
    bytes: usize,
    error: *mut ErrorMemory,
) -> Status {
    let session = In(session).content("session");
    let save = |session: &Session<'_, _>| Ok(session.save(Out(state).bytes("state", bytes)?)?);
    report(session.and_then(save), Out(error))
}

/// Takes back a state that `lstm_session_save` wrote, here or on another chip. Where it is refused,
/// nothing changes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lstm_session_restore(
    session: *mut SessionMemory,
    state: *const c_void,
    bytes: usize,
    error: *mut ErrorMemory,
) -> Status {
    let session = Out(session).content("session");
    let restore =
        |session: &mut Session<'_, _>| Ok(session.restore(In(state).bytes("state", bytes)?)?);
    report(session.and_then(restore), Out(error))
}
