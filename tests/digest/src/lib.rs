//! A long text that a model writes, told in digests, so that computers can be compared without
//! sending the text: the host, a core under QEMU, a WebAssembly module.

#![cfg_attr(not(target_family = "wasm"), no_std)]

#[cfg(target_family = "wasm")]
mod wasm;

use core::fmt;

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use lstm_core::{Error, Memory, Sampler, Session, SnapshotError, Token, TokenDigest};

const CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);
const SEED: u64 = 1;
const TEMPERATURE: f32 = 0.8;

/// What was written so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Tokens since the start.
    pub count: u32,
    /// CRC-32 of all of them.
    pub tokens: u32,
    /// CRC-32 of the state after the last one: of `h` and `c` of each layer.
    pub state: u32,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:08x} {:08x}", self.count, self.tokens, self.state)
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
        let (found, expected) = (state.len(), self.session.state_bytes());
        let Some(state) = state.get_mut(..expected) else {
            return Err(SnapshotError::Length { found, expected }.into());
        };
        self.session.save(state)?;
        Ok(Digest {
            count: self.count,
            tokens: self.tokens.value(),
            state: CRC.checksum(state),
        })
    }
}
