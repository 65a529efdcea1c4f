//! What a memory gives its network, and how much of its texts the network recites.

use crate::files::error::Result;
use crate::kernels::random::Random;
use crate::model::generate::TEMPERATURE;
use crate::network::parameters::Network;
use crate::network::predictor::Predictor;
use crate::network::sample::by_state;
use crate::network::score::{Extent, Score, network_scores, scores};
use crate::ngram::{MemoryReader, NATS, RUN_LENGTHS, Recitation, push};
use crate::report::html::table;
use crate::text::corpus::{Corpus, Split};
use crate::training::run_config::RunConfig;
use lstm_core::export::ngram::History;
use maud::{Markup, html};

/// The parts that are scored.
const PARTS: [Split; 2] = [Split::Validation, Split::Test];
/// Characters that the network writes to be looked up in its texts.
const WRITTEN: usize = 20_000;

/// What is told of a memory.
pub(crate) struct MemoryReport {
    /// Bits per character with all, and with less: what is left, on the validation and the test part.
    parts: Vec<(&'static str, Vec<Score>)>,
    /// Of what the network writes, and of the test part, which it has not read.
    recitations: [(&'static str, Recitation); 2],
    /// The longest run of characters of its texts that it wrote.
    longest: String,
}

impl MemoryReport {
    /// Of a network of a run, if it has a memory.
    ///
    /// # Errors
    /// The texts of the run cannot be read.
    pub(crate) fn new(
        config: &RunConfig,
        network: &Network,
        corpus: &Corpus,
        seed: u64,
    ) -> Result<Option<Self>> {
        let Some(memory) = network.memory() else {
            return Ok(None);
        };
        let window = network.config.window;
        let score = |network| network_scores(network, window, corpus, &PARTS, Extent::Sample);
        let mut parts = vec![("all", score(network)?)];
        if network.config.ngrams.has_vectors() {
            parts.push(("without the vectors", score(&without_vectors(network))?));
        }
        if network.config.ngrams.table.is_some() {
            let reader = memory.reader()?;
            let alone = |piece: crate::network::score::Piece<'_>| {
                Ok(piece.read(TableAlone::new(&reader, corpus.alphabet.symbols.len())))
            };
            let found = scores(alone, None, corpus, &PARTS, Extent::Sample)?;
            parts.push(("the table of counts alone", found));
        }
        let pretrain = config.pretrain.as_ref();
        let pretrain = pretrain.map(|file| file.read(corpus.alphabet.clone()));
        let pretrain = pretrain.transpose()?.map(|corpus| corpus.tokens);
        let train = corpus.split(Split::Train);
        let sources: Vec<&[u8]> = [Some(train), pretrain.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        let prompt = corpus.before(Split::Validation, 100);
        let random = &mut Random::new(seed);
        let written = by_state(network, prompt, WRITTEN, TEMPERATURE, random);
        let own = Recitation::new(&written, &sources);
        let longest = corpus.alphabet.decode(&written[own.longest.clone()]);
        let unseen = Recitation::new(corpus.split(Split::Test), &sources);
        Ok(Some(Self {
            parts,
            recitations: [("written by the network", own), ("the test part", unseen)],
            longest,
        }))
    }

    /// As a section of the page.
    pub(crate) fn section(&self) -> Markup {
        let bits = |score: &Score| html! { (format!("{:.4}", score.bits_per_char)) };
        let heads = RUN_LENGTHS.map(|length| format!("runs of {length} characters"));
        let percent = |share: &f64| html! { (format!("{:.2} %", 100.0 * share)) };
        html! {
            section {
                h2 { "Memory" }
                p {
                    "What the memory gives: bits per character with all of it and with less, in f32. Trained together, the parts "
                    "are worth less apart."
                }
                (table(
                    &["", "validation", "test"],
                    self.parts.iter().map(|(name, scores)| {
                        let name = html! { (name) };
                        std::iter::once(name).chain(scores.iter().map(bits)).collect()
                    }),
                ))
                p {
                    "How much it recites: the share of all runs of characters, of " (WRITTEN) " that the network wrote at temperature "
                    (TEMPERATURE) ", that stand word for word in the texts that it read; and the same of the test part, which it did not "
                    "read."
                }
                (table(
                    &["", &heads[0], &heads[1], "longest"],
                    self.recitations.iter().map(|(name, found)| {
                        let mut cells = vec![html! { (name) }];
                        cells.extend(found.shares.iter().map(percent));
                        cells.push(html! { (found.longest.len()) " characters" });
                        cells
                    }),
                ))
                p { "The longest that it wrote: " q { (self.longest) } }
                p {
                    "A memory holds pieces of its texts, and whoever has the model can read them. Of a private text train a "
                    "network without a memory."
                }
            }
        }
    }
}

fn without_vectors(network: &Network) -> Network {
    let mut network = network.clone();
    if let Some(ngrams) = &mut network.ngrams {
        for vectors in &mut ngrams.vectors {
            vectors.fill(0.0);
        }
    }
    network
}

/// Predicts by the counts alone.
struct TableAlone<'m> {
    memory: &'m MemoryReader<'m>,
    history: History,
    costs: Vec<u8>,
    logits: Vec<f32>,
}

impl<'m> TableAlone<'m> {
    fn new(memory: &'m MemoryReader<'m>, num_symbols: usize) -> Self {
        Self {
            memory,
            history: History::default(),
            costs: vec![0; num_symbols],
            logits: vec![0.0; num_symbols],
        }
    }
}

impl Predictor for TableAlone<'_> {
    fn reset(&mut self) {
        self.history = History::default();
    }

    fn step(&mut self, token: u8) -> &[f32] {
        push(&mut self.history, token);
        self.memory.costs(&self.history, &mut self.costs);
        for (logit, &cost) in self.logits.iter_mut().zip(&self.costs) {
            *logit = -NATS * f32::from(cost);
        }
        &self.logits
    }
}
