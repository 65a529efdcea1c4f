//! The texts that a run reads.

use crate::files::error::Result;
use crate::network::config::NetworkConfig;
use crate::ngram::MemoryConfig;
use crate::text::corpus::{Corpus, Split};
use crate::text::text_file::TextFile;
use crate::training::memory::TrainingMemory;
use crate::training::phase::{Phase, Source};
use crate::training::run_config::RunConfig;
use crate::training::stage::{Content, Material, Stage};
use std::sync::atomic::{AtomicBool, Ordering};

/// The texts of a run as tokens.
pub(crate) struct Texts {
    pub(crate) corpus: Corpus,
    pub(crate) pretrain: Option<Vec<u8>>,
    /// What was counted in them.
    pub(crate) memory: Option<TrainingMemory>,
}

impl Texts {
    /// Reads the texts of a run that goes on.
    pub(crate) fn read(config: &RunConfig, stop: &AtomicBool) -> Result<Self> {
        let read = |file: &TextFile| file.read(config.network.alphabet());
        let corpus = read(&config.corpus)?;
        let pretrain = config.pretrain.as_ref().map(read).transpose()?;
        let mut texts = Self {
            corpus,
            pretrain: pretrain.map(|c| c.tokens),
            memory: None,
        };
        texts.count(config.memory, &config.network, stop)?;
        texts.check_lengths(config)?;
        Ok(texts)
    }

    /// Counts the texts for a memory, if there is to be one.
    pub(crate) fn count(
        &mut self,
        memory: Option<MemoryConfig>,
        network: &NetworkConfig,
        stop: &AtomicBool,
    ) -> Result<()> {
        let corpus = self.corpus.split(Split::Train);
        let build = |memory| {
            let pretrain = self.pretrain.as_deref();
            TrainingMemory::new(memory, network, corpus, pretrain, &|| {
                stop.load(Ordering::SeqCst)
            })
        };
        self.memory = memory.map(build).transpose()?;
        Ok(())
    }

    /// The text of a phase.
    pub(crate) fn source(&self, source: Source) -> &[u8] {
        match source {
            Source::Whole => &self.corpus.tokens,
            Source::Train => self.corpus.split(Split::Train),
            Source::Pretrain => self.pretrain.as_deref().unwrap_or(&[]),
        }
    }

    /// The phases of a run with their texts.
    pub(crate) fn stages<'r>(&'r self, config: &'r RunConfig) -> Vec<Stage<'r>> {
        let stage = |phase: &'r Phase| {
            let (path, part) = match (phase.source, &config.pretrain) {
                (Source::Pretrain, Some(file)) => (&file.path, ""),
                (Source::Train, _) => (&config.corpus.path, "the training part of "),
                _ => (&config.corpus.path, ""),
            };
            let material = Material {
                name: format!("{part}{}", path.display()),
                content: Content::Text(self.source(phase.source)),
            };
            Stage {
                phase,
                materials: vec![material],
            }
        };
        config.phases.iter().map(stage).collect()
    }

    /// Refuses texts that are no longer than one window.
    pub(crate) fn check_lengths(&self, config: &RunConfig) -> Result<()> {
        for stage in self.stages(config) {
            stage.materials[0].check(stage.phase.feed)?;
        }
        Ok(())
    }
}
