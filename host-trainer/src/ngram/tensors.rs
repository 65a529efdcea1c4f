//! Tables and maps as named bytes, for the tensors of a checkpoint or a network.

use crate::files::error::{Error, Result};
use crate::ngram::backoff_table::BackoffTable;
use crate::ngram::cross_fit::CrossFitted;
use crate::ngram::embedding_maps::EmbeddingMaps;
use crate::ngram::occurrences::PARTS;
use lstm_core::ModelError;
use lstm_core::export::{BackoffSection, EmbeddingsSection};
use serde::Deserialize;

/// The name of the bytes of [`CrossFitted`] besides its tables.
const FIT: &str = "ngram.backoff.fit";
/// The name of the table of all parts.
const WHOLE: &str = "ngram.backoff";

fn other(part: usize) -> String {
    format!("{WHOLE}.without.{part}")
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("plain data")
}

/// All of `bytes` as a value.
fn decode<'a, T: Deserialize<'a>>(name: &str, bytes: &'a [u8]) -> Result<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(damaged(name, &ModelError::Description)),
    }
}

fn damaged(name: &str, error: &ModelError) -> Error {
    Error::bad_input(format!("tensor {name}: {error}"))
}

impl BackoffTable {
    /// The name of a network's table.
    pub const TENSOR: &str = WHOLE;

    /// As bytes, by postcard.
    pub fn to_bytes(&self) -> Vec<u8> {
        let coefficients = vec![0; self.coefficients()];
        let data = bytemuck::cast_slice(self.words());
        encode(&(self.num_symbols(), self.section(&coefficients, data)))
    }

    /// From what [`BackoffTable::to_bytes`] gave, for an alphabet of so many symbols; `name` is that of the tensor, for
    /// errors.
    ///
    /// # Errors
    /// The bytes are damaged, or of another alphabet.
    pub fn from_bytes(name: &str, num_symbols: usize, bytes: &[u8]) -> Result<Self> {
        let (found, section): (usize, BackoffSection<'_>) = decode(name, bytes)?;
        if found != num_symbols {
            return Err(Error::bad_input(format!(
                "tensor {name} is a back-off table of {found} symbols, expected {num_symbols}"
            )));
        }
        Self::from_section(num_symbols, &section).map_err(|e| damaged(name, &e))
    }
}

impl EmbeddingMaps {
    /// The name of a network's maps.
    pub const TENSOR: &str = "ngram.maps";

    /// As bytes, by postcard.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(&self.section())
    }

    /// From what [`EmbeddingMaps::to_bytes`] gave; `name` is that of the tensor, for errors.
    ///
    /// # Errors
    /// The bytes are damaged.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self> {
        let section: EmbeddingsSection<'_> = decode(name, bytes)?;
        Self::from_section(&section).map_err(|e| damaged(name, &e))
    }
}

impl CrossFitted {
    /// All nine tables as bytes by name.
    pub fn to_tensors(&self) -> Vec<(String, Vec<u8>)> {
        let mut tensors = vec![
            (FIT.to_owned(), encode(&(&self.lengths, self.threshold))),
            (WHOLE.to_owned(), self.whole.to_bytes()),
        ];
        let others = self.others.iter().enumerate();
        tensors.extend(others.map(|(part, table)| (other(part), table.to_bytes())));
        tensors
    }

    /// From what [`CrossFitted::to_tensors`] gave, for an alphabet of so many symbols; `take` gives the bytes of a name.
    ///
    /// # Errors
    /// As of `take`; the bytes are damaged, or of another alphabet.
    pub fn from_tensors(
        num_symbols: usize,
        mut take: impl FnMut(&str) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        let (lengths, threshold) = decode(FIT, &take(FIT)?)?;
        let mut table = |name: &str| BackoffTable::from_bytes(name, num_symbols, &take(name)?);
        Ok(Self {
            lengths,
            threshold,
            whole: table(WHOLE)?,
            others: (0..PARTS)
                .map(|part| table(&other(part)))
                .collect::<Result<_>>()?,
        })
    }
}
