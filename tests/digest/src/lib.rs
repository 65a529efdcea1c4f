//! A long text that a model writes, or what it makes of a long sequence of random inputs, told in
//! digests, so that computers can be compared without sending all of it: the host, a core under QEMU, a
//! WebAssembly module.

#![cfg_attr(not(target_family = "wasm"), no_std)]

#[cfg(feature = "sensor")]
mod outputs;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(feature = "sensor")]
pub use outputs::Outputs;

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc, Table};
#[cfg(feature = "sensor")]
use lstm_core::OutputHead;
use lstm_core::{Error, Memory, Model, Sampler, Session, SnapshotError, Token, TokenDigest};

static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);
const SEED: u64 = 1;
const TEMPERATURE: f32 = 0.8;

/// What was written so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Tokens, or steps, since the start.
    pub count: u32,
    /// CRC-32 of all tokens, or of all that the steps gave.
    pub tokens: u32,
    /// CRC-32 of the state after the last one: of `h` and `c` of each layer.
    pub state: u32,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:08x} {:08x}", self.count, self.tokens, self.state)
    }
}

/// What a model does at length: it writes, or runs random inputs where it reads values or gives no
/// symbols.
pub enum Run<'m, M> {
    /// A text.
    Text(Text<'m, M>),
    /// A sequence.
    #[cfg(feature = "sensor")]
    Outputs(Outputs<'m, M>),
}

impl<'m, M: Memory> Run<'m, M> {
    /// The start, from the zero state.
    ///
    /// # Errors
    ///
    /// If the memory is too small.
    pub fn new(model: Model<'m>, memory: M) -> Result<Self, Error> {
        #[cfg(feature = "sensor")]
        if model.head() != OutputHead::Symbols {
            return Ok(Run::Outputs(Outputs::new(model, memory)?));
        }
        Ok(Run::Text(Text::new(Session::new(model, memory)?)?))
    }

    /// Bytes of the state.
    pub fn state_bytes(&self) -> usize {
        match self {
            Run::Text(text) => text.session.state_bytes(),
            #[cfg(feature = "sensor")]
            Run::Outputs(outputs) => outputs.state_bytes(),
        }
    }

    /// So many tokens or steps more. `state` has room for the state.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`] if it has not.
    pub fn go_on(&mut self, steps: u32, state: &mut [u8]) -> Result<Digest, Error> {
        match self {
            Run::Text(text) => text.write(steps, state),
            #[cfg(feature = "sensor")]
            Run::Outputs(outputs) => outputs.run(steps, state),
        }
    }
}

/// A text in the making.
pub struct Text<'m, M> {
    session: Session<'m, M>,
    sampler: Sampler,
    token: Token,
    count: u32,
    tokens: TokenDigest,
}

impl<'m, M: Memory> Text<'m, M> {
    /// The start of the text, from the zero state and token 0.
    ///
    /// # Errors
    ///
    /// None, as long as the temperature is in range.
    pub fn new(session: Session<'m, M>) -> Result<Self, Error> {
        Ok(Text {
            session,
            sampler: Sampler::new(SEED).with_temperature(TEMPERATURE)?,
            token: Token::default(),
            count: 0,
            tokens: TokenDigest::new(),
        })
    }

    /// Writes so many tokens more. `state` has room for the state.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::Length`] if it has not.
    pub fn write(&mut self, tokens: u32, state: &mut [u8]) -> Result<Digest, Error> {
        for _ in 0..tokens {
            self.token = self.sampler.sample(self.session.step(self.token));
            self.tokens.push(self.token);
        }
        self.count += tokens;
        let save = |state: &mut [u8]| self.session.save(state);
        Ok(Digest {
            count: self.count,
            tokens: self.tokens.value(),
            state: checksum_of_state(state, self.session.state_bytes(), save)?,
        })
    }
}

/// The CRC-32 of a state of so many bytes that `save` writes.
fn checksum_of_state(
    state: &mut [u8],
    expected: usize,
    save: impl FnOnce(&mut [u8]) -> Result<(), SnapshotError>,
) -> Result<u32, Error> {
    let found = state.len();
    let Some(state) = state.get_mut(..expected) else {
        return Err(SnapshotError::Length { found, expected }.into());
    };
    save(state)?;
    Ok(CRC.checksum(state))
}
