//! The texts that a run reads.

use crate::files::error::{Error, Result};
use crate::text::corpus::{Corpus, Split};
use crate::text::text_file::TextFile;
use crate::training::phase::Source;
use crate::training::run_config::RunConfig;

/// The texts of a run as tokens.
pub(crate) struct Texts {
    pub(crate) corpus: Corpus,
    pub(crate) pretrain: Option<Vec<u8>>,
}

impl Texts {
    /// Reads the texts of a run that goes on.
    pub(crate) fn read(config: &RunConfig) -> Result<Self> {
        let read = |file: &TextFile| file.read(config.network.alphabet());
        let corpus = read(&config.corpus)?;
        let pretrain = config.pretrain.as_ref().map(read).transpose()?;
        let texts = Self {
            corpus,
            pretrain: pretrain.map(|c| c.tokens),
        };
        texts.check_lengths(config)?;
        Ok(texts)
    }

    /// The text of a phase.
    pub(crate) fn source(&self, source: Source) -> &[u8] {
        match source {
            Source::Whole => &self.corpus.tokens,
            Source::Train => self.corpus.split(Split::Train),
            Source::Pretrain => self.pretrain.as_deref().unwrap_or(&[]),
        }
    }

    /// Refuses texts that are shorter than one window.
    pub(crate) fn check_lengths(&self, config: &RunConfig) -> Result<()> {
        for phase in &config.phases {
            let (found, window) = (
                self.source(phase.source).len(),
                phase.feed.sequence_length(),
            );
            if found > window {
                continue;
            }
            let (path, part) = match (phase.source, &config.pretrain) {
                (Source::Pretrain, Some(file)) => (&file.path, ""),
                (Source::Train, _) => (&config.corpus.path, " in its training part"),
                _ => (&config.corpus.path, ""),
            };
            return Err(Error::bad_input(format!(
                "{} has {found} characters{part}, expected at least {} (a window of {window} and \
                 the character after it)",
                path.display(),
                window + 1
            )));
        }
        Ok(())
    }
}
