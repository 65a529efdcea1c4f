//! What a network looks up of the last few characters, as sections of a `.lstm` file.

use crate::ngram::{EmbeddingMaps, Gate, PackedVectors};
use crate::quantize::QuantizedNetwork;
use lstm_core::export::{COLUMN_ALIGN, Ngrams, round_up};

/// The sections of a network, which borrow from it.
pub(super) struct NgramSections<'n> {
    network: &'n QuantizedNetwork,
    vectors: Option<PackedVectors>,
    table: Vec<u32>,
}

impl<'n> NgramSections<'n> {
    pub(super) fn new(network: &'n QuantizedNetwork) -> Self {
        let mut sections = Self {
            network,
            vectors: None,
            table: Vec::new(),
        };
        let Some(ngrams) = &network.ngrams else {
            return sections;
        };
        let memory = &ngrams.memory;
        let vectors = ngrams.vectors.each_ref().map(Vec::as_slice);
        let width = network.config.layers[0].output();
        let pack = |maps: &EmbeddingMaps| maps.pack(vectors, ngrams.shift, width);
        sections.vectors = memory.embeddings().map(pack);
        if let Some(table) = memory.table() {
            let gate = network.dense.rows.len() - 1;
            let columns = network.dense.columns;
            let mut weights = network.dense.weights[gate * columns..].to_vec();
            weights.resize(round_up(columns, COLUMN_ALIGN), 0);
            sections.table = table.data(&Gate {
                coefficients: ngrams.coefficients.clone(),
                row: network.dense.rows[gate],
                weights,
            });
        }
        sections
    }

    pub(super) fn ngrams(&self) -> Ngrams<'_> {
        let ngrams = self.network.ngrams.as_ref();
        let backoff = ngrams.and_then(|ngrams| {
            let table = ngrams.memory.table()?;
            Some(table.section(&ngrams.coefficients, bytemuck::cast_slice(&self.table)))
        });
        Ngrams {
            embeddings: self.vectors.as_ref().map(PackedVectors::section),
            backoff,
        }
    }
}
