//! The memory of a run: what its network looks up of the texts that it reads.

use crate::files::error::Result;
use crate::network::config::NetworkConfig;
use crate::ngram::{
    CrossFitted, CrossFittedReader, EmbeddingMaps, Memory, MemoryConfig, MemoryReader, Occurrences,
    Recall, Settings, Size, Text,
};
use lstm_core::export::{COLUMN_ALIGN, round_up};
use std::sync::Arc;

/// Characters of the longest contexts of the table. Longer ones are seldom found, and recite.
const LONGEST: usize = 9;
/// The most contexts of 2, 3 and 4 characters that have a vector: more say little more.
const MOST_VECTORS: [usize; 3] = [1_000, 2_000, 8_000];
/// Bytes of a vector's place in its map: a tag, and its share of a displacement.
const MAP_BYTES: usize = 3;

/// A memory, and the tables that its network is trained with.
#[derive(Debug)]
pub struct TrainingMemory {
    /// For the device.
    pub memory: Arc<Memory>,
    /// For the texts that it was counted in.
    pub cross_fitted: CrossFitted,
    num_symbols: usize,
}

/// How the bytes of a memory are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Contexts of 2, 3 and 4 characters that have a vector, at most.
    pub vectors: [usize; 3],
    /// Bytes of a vector, with its place in its map, at most.
    pub vector_bytes: usize,
    /// Bytes that the table may take if there are so many vectors.
    pub table_bytes: usize,
}

impl Split {
    /// Of so many bytes, with vectors of `width` numbers: as many of them as half of the bytes hold, the shorter contexts first;
    /// the rest goes to the table.
    pub fn new(bytes: usize, width: usize) -> Self {
        let vector_bytes = width.div_ceil(8) * 4 + MAP_BYTES;
        let mut left = bytes / 2 / vector_bytes;
        let vectors = MOST_VECTORS.map(|most| {
            let vectors = most.min(left);
            left -= vectors;
            vectors
        });
        let taken = vector_bytes * vectors.iter().sum::<usize>();
        Self {
            vectors,
            vector_bytes,
            table_bytes: bytes.saturating_sub(taken),
        }
    }

    /// Bytes of all vectors, at most.
    pub fn all_vector_bytes(&self) -> usize {
        self.vector_bytes * self.vectors.iter().sum::<usize>()
    }
}

impl TrainingMemory {
    /// Counts the texts of a network, the corpus's training part and then the text for pre-training if there is one. The
    /// same texts give the same memory, whatever the number of threads.
    ///
    /// # Errors
    /// The bytes are too few for a table, or it was stopped.
    pub fn new(
        config: MemoryConfig,
        network: &NetworkConfig,
        corpus: &[u8],
        pretrain: Option<&[u8]>,
        is_stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self> {
        let corpus = Text {
            tokens: corpus,
            weight: config.corpus_weight,
        };
        let pretrain = pretrain.map(|tokens| Text { tokens, weight: 1 });
        let texts: Vec<Text<'_>> = [Some(corpus), pretrain].into_iter().flatten().collect();
        let num_symbols = network.vocabulary();
        let occurrences = Occurrences::new(num_symbols, &texts)?;
        let width = network.layers[0].output();
        let split = Split::new(config.bytes, width);
        let maps = EmbeddingMaps::new(&occurrences, split.vectors)?;
        let taken = split.vector_bytes * maps.rows().iter().sum::<usize>();
        let settings = Settings {
            max_length: LONGEST,
            size: Size::Bytes {
                most: config.bytes.saturating_sub(taken),
                columns: round_up(network.input_width(network.layers.len()), COLUMN_ALIGN),
            },
        };
        let cross_fitted = CrossFitted::of(&occurrences, &texts, settings, is_stopped)?;
        let memory = Memory::new(config, Some(maps), Some(cross_fitted.whole().clone()));
        Ok(Self {
            memory: Arc::new(memory),
            cross_fitted,
            num_symbols,
        })
    }

    /// Makes it ready for look-ups.
    ///
    /// # Errors
    /// None for a memory that was made here.
    pub fn recall(&self) -> Result<TrainingRecall<'_>> {
        Ok(TrainingRecall {
            of: &self.memory,
            memory: self.memory.reader()?,
            tables: self.cross_fitted.reader()?,
            num_symbols: self.num_symbols,
        })
    }
}

/// A memory and its tables, ready for look-ups.
#[derive(Clone, Debug)]
pub struct TrainingRecall<'t> {
    of: &'t Memory,
    memory: MemoryReader<'t>,
    tables: CrossFittedReader<'t>,
    num_symbols: usize,
}

impl<'t> TrainingRecall<'t> {
    /// Whether it looks up in this memory.
    pub fn is_of(&self, memory: &Memory) -> bool {
        self.of == memory
    }

    /// For one of the texts: 0 is the corpus's training part, 1 the text for pre-training.
    pub fn of(&'t self, index: usize, text: &'t [u8]) -> Recall<'t> {
        Recall {
            memory: self.memory.clone(),
            cross_fitted: Some((&self.tables, index)),
            text,
            num_symbols: self.num_symbols,
        }
    }
}
