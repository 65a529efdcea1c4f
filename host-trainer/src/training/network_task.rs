//! A network that learns from a text: its loss, its validation, and what each validation leaves in the run's folder.

use crate::engine::loss::cross_entropy;
use crate::engine::model::{Beside, Model};
use crate::files::error::Result;
use crate::kernels::random::Random;
use crate::kernels::softmax::Loss;
use crate::network::config::LayerConfig;
use crate::network::parameters::Network;
use crate::network::sample;
use crate::network::score::{Extent, Score, network_scores};
use crate::network::state::State;
use crate::text::corpus::{Corpus, Split};
use crate::training::chart;
use crate::training::checkpoint::Progress;
use crate::training::curve::loss_curve;
use crate::training::dropout::{drop_connect, drop_tokens};
use crate::training::memory::TrainingRecall;
use crate::training::metrics::{Columns, Row, notebook_table};
use crate::training::phase::Phase;
use crate::training::recipe::Sample;
use crate::training::run_config::RunConfig;
use crate::training::run_folder::RunFolder;
use crate::training::task::{Report, Task, Turn};
use crate::training::texts::Texts;
use candle_core::{Tensor, Var};
use std::fmt::Write;

/// Characters in a sample.
const SAMPLE_LENGTH: usize = 100;

/// A network of a run that learns.
pub(crate) struct NetworkTask<'r> {
    pub(crate) config: &'r RunConfig,
    pub(crate) corpus: &'r Corpus,
    pub(crate) folder: &'r RunFolder,
    pub(crate) model: Model,
    pub(crate) texts: &'r Texts,
    /// Its memory, of a network that has one.
    pub(crate) recall: Option<TrainingRecall<'r>>,
    /// The reports so far.
    pub(crate) rows: Vec<Row>,
}

impl Task for NetworkTask<'_> {
    fn vars(&self) -> &[Var] {
        self.model.vars()
    }

    fn num_symbols(&self) -> usize {
        self.config.network.vocabulary()
    }

    fn layers(&self) -> &[LayerConfig] {
        self.model.layers()
    }

    fn loss(
        &mut self,
        turn: Turn<'_>,
        states: &mut Vec<State>,
        phase: &Phase,
        random: &mut Random,
    ) -> Result<(Tensor, Loss)> {
        let network = &self.config.network;
        let (mut batch, loss_on) = (turn.batch(), phase.feed.loss_on());
        drop_tokens(
            &mut batch,
            phase.token_dropout,
            network.vocabulary(),
            random,
        );
        let masks = drop_connect(network, phase.drop_connect, random);
        let windows = phase.feed.is_windows();
        let recalled = self.recall.as_ref().map(|recall| {
            let recall = recall.of(phase.source.index(), self.texts.source(phase.source));
            recall.batch(&batch, loss_on, windows)
        });
        let beside = Beside {
            masks: &masks,
            recalled: recalled.as_ref(),
            frozen: phase.frozen_vectors,
        };
        let logits = self.model.logits(&batch, loss_on, states, beside)?;
        let (node, text) = cross_entropy(&logits, batch.counted_targets(loss_on))?;
        Ok((node, Loss { text, teacher: 0.0 }))
    }

    fn validate(&self, parameters: &[Vec<f32>], phase: &Phase) -> Result<f64> {
        let network = self.network(parameters);
        Ok(self.scores(&network, &[Split::Validation], phase)?[0].bits_per_char)
    }

    fn keep(&self, parameters: &[Vec<f32>]) -> Result<()> {
        self.network(parameters).save(&self.folder.best())
    }

    fn report(
        &mut self,
        report: &Report,
        parameters: &[Vec<f32>],
        phase: &Phase,
        progress: &mut Progress,
    ) -> Result<String> {
        self.folder
            .add_row(&report.row, &Columns::TEXT, &mut progress.lengths)?;
        self.rows.push(report.row.clone());
        self.draw()?;
        let sample = self.write_sample(parameters, phase, progress)?;
        Ok(self.line(report, phase) + "\n" + &sample)
    }
}

impl NetworkTask<'_> {
    /// The network with these parameters.
    pub(crate) fn network(&self, parameters: &[Vec<f32>]) -> Network {
        let memory = self.texts.memory.as_ref().map(|m| m.memory.clone());
        Network::from_parameters(self.config.network.clone(), memory, parameters.to_vec())
    }

    /// The scores by which a run goes on; of a long part, those of a sample.
    pub(crate) fn scores(
        &self,
        network: &Network,
        splits: &[Split],
        phase: &Phase,
    ) -> Result<Vec<Score>> {
        let window = phase.feed.window();
        network_scores(network, window, self.corpus, splits, Extent::Sample)
    }

    /// A report as a line.
    fn line(&self, report: &Report, phase: &Phase) -> String {
        let row = &report.row;
        if let Some(losses) = self.config.notebook_losses() {
            let own = row.notebook_loss(losses);
            return format!(
                "epoch {}/{}: loss {:.4}{}",
                row.epoch_name(),
                phase.epochs,
                row.train_nats,
                own.map_or(String::new(), |l| {
                    format!(" (the notebook's own run: {l:.4})")
                })
            );
        }
        format!(
            "{} epoch {:.2}: train {:.4}, validation{} {:.4}{} bits/char{}",
            row.phase,
            row.epoch,
            row.train_bits(),
            if self.config.holds_out() {
                ""
            } else {
                " (trained on)"
            },
            row.validation_bits_per_char,
            row.average_bits_per_char
                .map_or(String::new(), |bits| format!(", averaged {bits:.4}")),
            if report.is_best { " *" } else { "" }
        )
    }

    /// Renews the picture of the course, and the table of a run of the notebook.
    fn draw(&self) -> Result<()> {
        let svg = loss_curve((820, 420), self.config, &self.rows);
        self.folder.write_curve(&chart::stand_alone(&svg))?;
        match self.config.notebook_losses() {
            Some(losses) => self.folder.write_table(&notebook_table(&self.rows, losses)),
            None => Ok(()),
        }
    }

    /// Writes a sample the recipe's way to samples.txt; gives it.
    pub(crate) fn write_sample(
        &self,
        parameters: &[Vec<f32>],
        phase: &Phase,
        progress: &mut Progress,
    ) -> Result<String> {
        let stream = ((progress.phase as u64) << 48) | (progress.update << 1) | 1;
        let random = &mut Random::fork(self.config.seed, stream);
        let (network, corpus) = (&self.network(parameters), self.corpus);
        let decode = |tokens: &[u8]| corpus.alphabet.decode(tokens);
        let mut text = String::new();
        match self.config.recipe.sample {
            Sample::Window => {
                let length = phase.feed.sequence_length();
                let start = random.below(corpus.tokens.len() - length);
                let window = &corpus.tokens[start..][..length];
                let written = sample::by_window(network, window, SAMPLE_LENGTH, random);
                let truth = decode(&corpus.tokens[start + 1..][..length]);
                let (thin, thick) = ("-".repeat(20), "=".repeat(40));
                let _ = write!(text, "{}\n{thin}\n{truth}\n{thick}", decode(&written));
            }
            Sample::Letter => {
                let letter = [random.below(network.config.vocabulary()) as u8];
                let written = sample::by_state(network, &letter, SAMPLE_LENGTH - 1, 1.0, random);
                let thick = "=".repeat(100);
                let _ = write!(text, "{}{}\n{thick}", decode(&letter), decode(&written));
            }
            Sample::Text => {
                let prompt = corpus.before(Split::Validation, SAMPLE_LENGTH);
                let written = sample::by_state(network, prompt, SAMPLE_LENGTH, 0.8, random);
                let _ = write!(text, "  {}", decode(&written).replace('\n', "\n  "));
            }
        }
        let heading = format!("# {} update {}\n", phase.name, progress.update);
        let lengths = &mut progress.lengths;
        self.folder.add_sample(&(heading + &text + "\n"), lengths)?;
        Ok(text)
    }
}
