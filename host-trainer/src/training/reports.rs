//! What a run tells on its way: validation, metrics, samples, the picture of its course.

use crate::files::error::{Error, Result};
use crate::files::stdout::tell;
use crate::kernels::random::Random;
use crate::model::compare;
use crate::network::parameters::Network;
use crate::network::sample;
use crate::network::score::{Extent, SAMPLE, SAMPLE_PIECES, Score, network_scores, score_table};
use crate::text::corpus::Split;
use crate::training::curve::loss_curve;
use crate::training::metrics::{Row, absurd, most_plausible, notebook_table};
use crate::training::recipe::Sample;
use crate::training::trainer::Trainer;
use crate::training::{average, chart};
use std::fmt::Write;

/// Characters in a sample.
const SAMPLE_LENGTH: usize = 100;

impl Trainer<'_> {
    /// Validates, keeps the best weights, writes a row of metrics, the picture and a sample.
    pub(crate) fn report(&mut self) -> Result<()> {
        self.learner.save_to(&mut self.now)?;
        let validation = self.validate(&self.now.network)?;
        let averaged = average::network(&self.now);
        let average = averaged
            .as_ref()
            .map(|network| self.validate(network))
            .transpose()?;
        if !validation.is_finite() {
            return Err(self.not_finite("a validation that is not finite"));
        }
        let epoch = self.now.progress.epoch as f64 + self.feeder.epoch_progress();
        let learning_rate = self.learning_rate();
        let progress = &mut self.now.progress;
        let train_nats = progress.loss_sum / progress.loss_weight.max(1.0);
        (progress.loss_sum, progress.loss_weight) = (0.0, 0.0);
        progress.validated_update = progress.update;
        let row = Row {
            phase: self.config.phases[progress.phase].name.clone(),
            update: progress.update,
            epoch,
            characters: progress.characters,
            seconds: progress.seconds,
            learning_rate,
            train_nats,
            validation_bits_per_char: validation,
            average_bits_per_char: average,
        };
        let (found, network) = match (average, &averaged) {
            (Some(average), Some(network)) if average < validation => (average, network),
            _ => (validation, &self.now.network),
        };
        let is_absurd = found > most_plausible(self.config.network.vocabulary());
        let is_best = !is_absurd && progress.best.is_none_or(|best| found < best);
        if is_best {
            (progress.best, progress.stale) = (Some(found), 0);
            network.save(&self.folder.best())?;
        } else {
            progress.stale += 1;
        }
        self.folder.add_row(&row, &mut progress.lengths)?;
        self.display.print(&self.line(&row, is_best));
        if is_absurd {
            self.display
                .print(&absurd(found, self.config.network.vocabulary()));
        }
        self.rows.push(row);
        self.draw()?;
        self.write_sample()
    }

    fn validate(&self, network: &Network) -> Result<f64> {
        Ok(self.scores(network, &[Split::Validation])?[0].bits_per_char)
    }

    /// The scores by which a run goes on; of a long part, those of a sample.
    fn scores(&self, network: &Network, splits: &[Split]) -> Result<Vec<Score>> {
        let (window, corpus) = (self.phase().feed.window(), &self.texts.corpus);
        let work = || network_scores(network, window, corpus, splits, Extent::Sample);
        self.learner.pool().run(work)
    }

    /// A report as a line.
    fn line(&self, row: &Row, is_best: bool) -> String {
        if let Some(losses) = self.config.notebook_losses() {
            let own = row.notebook_loss(losses);
            return format!(
                "epoch {}/{}: loss {:.4}{}",
                row.epoch_name(),
                self.phase().epochs,
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
            if is_best { " *" } else { "" }
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

    /// The predictor with the context that its network was trained on.
    /// Writes a sample the recipe's way, to the terminal and to samples.txt.
    pub(crate) fn write_sample(&mut self) -> Result<()> {
        let progress = &self.now.progress;
        let stream = ((progress.phase as u64) << 48) | (progress.update << 1) | 1;
        let random = &mut Random::fork(self.config.seed, stream);
        let (network, corpus) = (&self.now.network, &self.texts.corpus);
        let decode = |tokens: &[u8]| corpus.alphabet.decode(tokens);
        let mut text = String::new();
        match self.config.recipe.sample {
            Sample::Window => {
                let length = self.phase().feed.sequence_length();
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
        self.display.print(&text);
        let heading = format!("# {} update {}\n", self.phase().name, progress.update);
        let lengths = &mut self.now.progress.lengths;
        self.folder.add_sample(&(heading + &text + "\n"), lengths)
    }

    /// The closing report.
    pub(crate) fn close(&self) -> Result<()> {
        let progress = &self.now.progress;
        if self.is_out_of_patience() {
            tell!(
                "stopped early: no better one in {} validations",
                progress.stale
            );
        }
        tell!(
            "trained {:.1} s, {} characters, {:.0} a second",
            progress.seconds,
            progress.characters,
            progress.characters as f64 / progress.seconds.max(1e-9)
        );
        if let Some(losses) = self.config.notebook_losses() {
            tell!("\n{}", notebook_table(&self.rows, losses));
        }
        if self.config.holds_out() && progress.best.is_none() {
            return Err(Error::failed(format!(
                "no validation was better than guessing, so there are no best weights; start anew with a \
                 lower --learning-rate or --grad-clip; {} has the last weights",
                self.folder.last().display()
            )));
        }
        let (path, what) = if self.config.holds_out() {
            (self.folder.best(), "weights of the best validation")
        } else {
            (
                self.folder.last(),
                "last weights; all three parts were trained on, as in the notebook",
            )
        };
        tell!("{} ({what}):", path.display());
        let network = Network::load(&path)?;
        let scores = self.scores(&network, &Split::ALL)?;
        tell!("{}", score_table(&Split::ALL, &scores).trim_end());
        if scores.iter().any(|score| score.characters == SAMPLE) {
            tell!(
                "of long parts {SAMPLE} characters in {SAMPLE_PIECES} pieces; evaluate reads all of them"
            );
        }
        let variants = compare::variants(&network, &self.texts.corpus);
        tell!("\n{}", compare::table(&variants).trim_end());
        tell!(
            "in integers by rounding alone; quantize --qat trains in them\n\
             all about the run as a page: host-trainer report {}",
            self.folder.path().display()
        );
        Ok(())
    }
}
