use serde::Deserialize;

use super::{Description, ModelError, NGRAM_VERSION, Ngrams};

/// What follows the head of a file.
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
    /// Decodes a payload of a version that this library reads.
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
        let golden = match rest {
            [] => None,
            &[a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d])),
            _ => return Err(ModelError::Description),
        };
        Ok(Payload {
            description,
            ngrams,
            golden,
        })
    }
}

fn take<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), ModelError> {
    postcard::take_from_bytes(bytes).map_err(|_| ModelError::Description)
}
