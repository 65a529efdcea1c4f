use serde::Deserialize;

#[cfg(feature = "sensor")]
use super::SensorDescription;
use super::{Description, ModelError, NGRAM_VERSION, Ngrams};

/// What follows the head of a file of version 1 or 2.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload<'a> {
    /// The description, with the weights.
    pub description: Description<'a>,
    /// The n-gram sections: none in version 1, at least one in version 2.
    pub ngrams: Ngrams<'a>,
    /// The digest of the model's golden text, if there is one.
    pub golden: Option<u32>,
}

impl<'a> Payload<'a> {
    /// Decodes a payload of version 1 or 2.
    ///
    /// # Errors
    ///
    /// [`ModelError::Description`].
    pub fn decode(version: u16, payload: &'a [u8]) -> Result<Self, ModelError> {
        let (description, mut rest) = take(payload)?;
        let mut ngrams = Ngrams::default();
        if cfg!(feature = "ngram") && version == NGRAM_VERSION {
            (ngrams, rest) = take(rest)?;
            if ngrams.is_empty() {
                return Err(ModelError::Description);
            }
        }
        Ok(Payload {
            description,
            ngrams,
            golden: golden(rest)?,
        })
    }
}

/// What follows the head of a file of version 3.
#[cfg(feature = "sensor")]
#[derive(Clone, Debug, PartialEq)]
pub struct SensorPayload<'a> {
    /// The description, with the weights.
    pub description: SensorDescription<'a>,
    /// The digest of the model's golden text, or of its golden outputs, if there is one.
    pub golden: Option<u32>,
}

#[cfg(feature = "sensor")]
impl<'a> SensorPayload<'a> {
    /// Decodes a payload of version 3.
    ///
    /// # Errors
    ///
    /// [`ModelError::Description`].
    pub fn decode(payload: &'a [u8]) -> Result<Self, ModelError> {
        let (description, rest) = take(payload)?;
        Ok(SensorPayload {
            description,
            golden: golden(rest)?,
        })
    }
}

/// The digest that ends a payload, or nothing.
fn golden(rest: &[u8]) -> Result<Option<u32>, ModelError> {
    match rest {
        [] => Ok(None),
        &[a, b, c, d] => Ok(Some(u32::from_le_bytes([a, b, c, d]))),
        _ => Err(ModelError::Description),
    }
}

fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), ModelError> {
    postcard::take_from_bytes(bytes).map_err(|_| ModelError::Description)
}
