//! What the exporter needs, and no chip.

use super::{INT4_ROWS, round_up};

/// The byte that stores an int8 weight: even columns are stored with an offset of 128, odd ones in
/// two's complement, so that a pair of columns can share a 16-bit lane (see `docs/NUMBERS.md`).
pub const fn encode_weight(weight: i8, column: usize) -> u8 {
    if column.is_multiple_of(2) {
        weight as u8 ^ 0x80
    } else {
        weight as u8
    }
}

/// The weight that [`encode_weight`] stored.
pub const fn decode_weight(byte: u8, column: usize) -> i8 {
    if column.is_multiple_of(2) {
        (byte ^ 0x80) as i8
    } else {
        byte as i8
    }
}

/// The word that stores the int4 weights of one column in eight rows that follow each other, each
/// with an offset of 8: bits `4 k` hold row `2 k`, bits `16 + 4 k` row `2 k + 1`. So a shift and a
/// mask give two rows in the two halves of a word. A weight beyond -8..=7 becomes the nearest one.
pub fn encode_int4(weights: [i8; 8]) -> u32 {
    let mut word = 0;
    for (k, weight) in weights.into_iter().enumerate() {
        let nibble = (weight.clamp(-8, 7) + 8) as u32;
        word |= nibble << (16 * (k % 2) + 4 * (k / 2));
    }
    word
}

/// The words of an int4 matrix in the order of the file; `weight` gives the weight of a row and a
/// column. Rows are filled up with zeros to a multiple of [`INT4_ROWS`], columns to one of
/// `column_align`.
pub fn int4_words(
    rows: usize,
    columns: usize,
    column_align: usize,
    mut weight: impl FnMut(usize, usize) -> i8,
) -> impl Iterator<Item = u32> {
    let padded = round_up(columns, column_align);
    let words = round_up(rows, INT4_ROWS) * padded / 8;
    (0..words).map(move |word| {
        let (block, half, column) = (word / 2 / padded, word % 2, word / 2 % padded);
        let mut row = INT4_ROWS * block + 8 * half;
        encode_int4([(); 8].map(|()| {
            let used = row < rows && column < columns;
            let found = if used { weight(row, column) } else { 0 };
            row += 1;
            found
        }))
    })
}

#[cfg(feature = "export")]
mod file {
    use alloc::vec::Vec;

    use serde::Serialize;

    use crate::format::{
        ARRAY_ALIGN, BackoffSection, Description, EmbeddingsSection, HEAD_BYTES, Head,
        NGRAM_VERSION, Ngrams, SENSOR_VERSION, SensorDescription,
    };

    static ZEROS: [u8; ARRAY_ALIGN] = [0; ARRAY_ALIGN];

    /// The file of a description and of its n-gram sections, if there are any, with the digest of the
    /// golden text after it if there is one. All paddings are chosen here, and so is the version.
    /// Nothing is checked: [`Model::from_bytes`](crate::Model::from_bytes) does that.
    ///
    /// # Errors
    ///
    /// postcard's, which none of the types here can cause.
    pub fn encode_file(
        description: &Description<'_>,
        ngrams: &Ngrams<'_>,
        golden: Option<u32>,
    ) -> Result<Vec<u8>, postcard::Error> {
        let mut payload = Vec::new();
        append(&mut payload, description)?;
        let version = match ngrams.is_empty() {
            true => 1,
            false => {
                append_option(&mut payload, ngrams.embeddings.as_ref())?;
                append_option(&mut payload, ngrams.backoff.as_ref())?;
                NGRAM_VERSION
            }
        };
        if let Some(golden) = golden {
            payload.extend(golden.to_le_bytes());
        }
        Ok(with_head(version, &payload))
    }

    /// The file of version 3 of a description, with the digest of the golden text or of the golden outputs
    /// after it if there is one. The padding is chosen here. Nothing is checked, as in [`encode_file`].
    ///
    /// # Errors
    ///
    /// postcard's, which none of the types here can cause.
    pub fn encode_sensor_file(
        description: &SensorDescription<'_>,
        golden: Option<u32>,
    ) -> Result<Vec<u8>, postcard::Error> {
        let mut payload = Vec::new();
        append(&mut payload, description)?;
        payload.extend(golden.into_iter().flat_map(u32::to_le_bytes));
        Ok(with_head(SENSOR_VERSION, &payload))
    }

    /// What ends with padding and data that begin on a multiple of [`ARRAY_ALIGN`].
    trait Aligned: Serialize + Clone {
        /// Bytes of the data.
        fn data_bytes(&self) -> usize;
        /// With these zeros as its padding.
        fn pad(&mut self, padding: &'static [u8]);
    }

    macro_rules! aligned {
        ($($type:ident),*) => {$(
            impl Aligned for $type<'_> {
                fn data_bytes(&self) -> usize {
                    self.data.len()
                }

                fn pad(&mut self, padding: &'static [u8]) {
                    self.padding = padding;
                }
            }
        )*};
    }

    aligned!(
        Description,
        EmbeddingsSection,
        BackoffSection,
        SensorDescription
    );

    fn append(payload: &mut Vec<u8>, part: &impl Aligned) -> Result<(), postcard::Error> {
        let mut part = part.clone();
        part.pad(&[]);
        let unpadded = postcard::to_allocvec(&part)?;
        let start = HEAD_BYTES + payload.len() + unpadded.len() - part.data_bytes();
        // A length below 128 takes one byte, whatever it is.
        let padding = start.next_multiple_of(ARRAY_ALIGN) - start;
        part.pad(ZEROS.get(..padding).unwrap_or_default());
        payload.extend(postcard::to_allocvec(&part)?);
        Ok(())
    }

    /// As postcard encodes an `Option`.
    fn append_option(
        payload: &mut Vec<u8>,
        part: Option<&impl Aligned>,
    ) -> Result<(), postcard::Error> {
        payload.push(part.is_some().into());
        part.map_or(Ok(()), |part| append(payload, part))
    }

    /// A payload of this version after the head that fits it.
    pub fn with_head(version: u16, payload: &[u8]) -> Vec<u8> {
        let mut file = Vec::with_capacity(HEAD_BYTES + payload.len());
        file.extend(Head::new(version, payload).to_bytes());
        file.extend(payload);
        file
    }
}

#[cfg(feature = "export")]
pub use file::{encode_file, encode_sensor_file, with_head};
